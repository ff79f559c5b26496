"""The store: the newest object of each name, and word of what matters."""

from __future__ import annotations

from typing import Any

import pytest

from crawl_operator.values import names
from crawl_operator.values.model import Key
from crawl_operator.watch.store import Store

ARTISTS = Key("music", "artists")


@pytest.fixture
def told() -> list[Key]:
    return []


@pytest.fixture
def store(told: list[Key]) -> Store:
    return Store(changed=told.append)


def crawljob(version: int = 1, *, uid: str = "u1", **more: Any) -> dict[str, Any]:
    metadata = {"namespace": "music", "name": "artists", "uid": uid, "resourceVersion": str(version), "generation": 1}
    return {"metadata": {**metadata, **more.pop("metadata", {})}, **more}


def deployment(version: int = 1, *, ready: int = 0, **more: Any) -> dict[str, Any]:
    labels = {names.LABEL_JOB: "artists"}
    metadata = {"namespace": "music", "name": "artists-workers", "uid": "d1", "resourceVersion": str(version)}
    return {
        "metadata": {**metadata, "labels": labels},
        "spec": {"replicas": 1},
        "status": {"readyReplicas": ready},
        **more,
    }


def test_a_new_object_is_kept_and_told(store: Store, told: list[Key]) -> None:
    store.put("crawljobs", crawljob())
    assert (store.crawljob(ARTISTS), told) == (crawljob(), [ARTISTS])


def test_our_own_status_is_kept_and_not_told(store: Store, told: list[Key]) -> None:
    store.put("crawljobs", crawljob(1))
    store.put("crawljobs", crawljob(2, status={"state": "Crawling"}))
    kept = store.crawljob(ARTISTS)
    assert (kept is not None and kept["status"], told) == ({"state": "Crawling"}, [ARTISTS])


@pytest.mark.parametrize(
    "change",
    [
        {"generation": 2},
        {"annotations": {"artistcrawl.dev/restart": "now"}},
        {"labels": {"kueue.x-k8s.io/queue-name": "music"}},
        {"deletionTimestamp": "2026-01-01T00:00:00Z"},
        {"finalizers": ["artistcrawl.dev/data"]},
    ],
)
def test_what_a_user_changes_is_told(store: Store, told: list[Key], change: dict[str, Any]) -> None:
    store.put("crawljobs", crawljob(1))
    store.put("crawljobs", crawljob(2, metadata=change))
    assert told == [ARTISTS, ARTISTS]


def test_an_older_object_does_not_replace_a_newer_one(store: Store) -> None:
    store.put("crawljobs", crawljob(10, uid="new"))
    store.put("crawljobs", crawljob(9, uid="old"))
    kept = store.crawljob(ARTISTS)
    assert kept is not None
    assert kept["metadata"]["uid"] == "new"


def test_a_deletion_that_comes_late_leaves_the_next_object_of_the_name(store: Store) -> None:
    store.put("crawljobs", crawljob(10, uid="new"))
    store.remove("crawljobs", crawljob(9, uid="old"))
    assert store.crawljob(ARTISTS) is not None


def test_a_deleted_object_is_forgotten_and_told(store: Store, told: list[Key]) -> None:
    store.put("crawljobs", crawljob())
    store.remove("crawljobs", crawljob(2))
    assert (store.crawljob(ARTISTS), told) == (None, [ARTISTS, ARTISTS])


def test_a_deployment_is_told_by_its_crawljob(store: Store, told: list[Key]) -> None:
    store.put("deployments", deployment(1))
    store.put("deployments", deployment(2, ready=1))
    assert (store.deployment(ARTISTS, "artists-workers"), told) == (deployment(2, ready=1), [ARTISTS, ARTISTS])


def test_a_crawljob_of_which_only_a_deployment_is_left_is_among_the_keys(store: Store) -> None:
    store.put("deployments", deployment())
    assert set(store.keys()) == {ARTISTS}


def test_what_only_kubectl_reads_is_not_kept(store: Store) -> None:
    applied = {"kubectl.kubernetes.io/last-applied-configuration": "{...}", "a": "b"}
    store.put("crawljobs", crawljob(metadata={"managedFields": [{}], "annotations": applied}))
    kept = store.crawljob(ARTISTS)
    assert kept is not None
    assert ("managedFields" in kept["metadata"], kept["metadata"]["annotations"]) == (False, {"a": "b"})
