"""Another Redis is another limiter: while workers know the former one, nothing begins at the new one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.fakes.observations import (
    actions_of,
    after,
    crawling,
    fresh,
    planned,
    said,
    settled,
    status_of,
    written_events,
)

from crawl_core.job.views import FrontierView
from crawl_operator.connect.addresses import backends_digest
from crawl_operator.values import names
from crawl_operator.values.model import (
    AdoptDeployment,
    CreateDeployment,
    DeleteDeployment,
    Observation,
    Plan,
    Trouble,
)

POSTGRES, REDIS = "postgresql://crawl:secret@db:5432/crawl", "redis://:secret@redis:6379/0"


@pytest.mark.parametrize(
    ("postgres", "redis"),
    [
        ("postgresql://crawl:other@db/crawl", "redis://:other@redis"),
        ("host=db user=crawl dbname=crawl password=other", "redis://redis/0"),
        (f"{POSTGRES}?prepare=off", f"{REDIS}?health_check_interval=5"),
    ],
)
def test_a_password_is_no_part_of_an_address(postgres: str, redis: str) -> None:
    assert backends_digest(postgres, redis) == backends_digest(POSTGRES, REDIS) != ""


@pytest.mark.parametrize(
    ("postgres", "redis"),
    [
        (POSTGRES.replace("@db", "@db2"), REDIS),
        (POSTGRES.replace("5432", "5433"), REDIS),
        (POSTGRES.replace("/crawl", "/other"), REDIS),
        (POSTGRES.replace("crawl:", "other:"), REDIS),
        (POSTGRES, REDIS.replace("@redis", "@redis2")),
        (POSTGRES, REDIS.replace("6379", "6380")),
        (POSTGRES, REDIS.replace("/0", "/1")),
        (POSTGRES, REDIS.replace("redis://", "rediss://")),
    ],
)
def test_another_address_is_another_digest(postgres: str, redis: str) -> None:
    assert backends_digest(postgres, redis) not in ("", backends_digest(POSTGRES, REDIS))


@pytest.mark.parametrize(("postgres", "redis"), [("nonsense", REDIS), (POSTGRES, "nonsense"), ("", "")])
def test_what_cannot_be_read_has_no_digest(postgres: str, redis: str) -> None:
    assert backends_digest(postgres, redis) == ""


def moved(spec: dict[str, Any] | None = None, **more: Any) -> Observation:
    """Workers crawl, and the Secret was edited."""
    return replace(settled(crawling(spec, workers={"backends": "old"}, backends="old")), backends="new", **more)


def acted(seen: Observation, made: Plan) -> Observation:
    """After a round; a Deployment that is deleted is there for one round more."""
    there = seen.deployment
    again = after(seen, made)
    if there is not None and not there.deleting and again.deployment is None:
        return replace(again, deployment=replace(there, deleting=True))
    return replace(again, deployment=None) if there is not None and there.deleting else again


def test_the_workers_are_deleted_and_nothing_begins_at_the_new_ones() -> None:
    seen = replace(moved(), row=None, progress=None, bucket=None, frontier=None)
    assert planned(seen).actions == (DeleteDeployment("deployment-1"),)
    assert [event.reason for event in planned(seen).events_when_done] == ["BackendsChanged"]
    assert (said(seen, "Progressing").reason, said(seen, "Seeded").reason) == ("BackendsChanged", "BackendsChanged")
    assert (status_of(seen).state, status_of(seen).workers.desired) == ("Pending", 0)


@pytest.mark.parametrize("spec", [{}, {"suspend": True}])
def test_until_their_pods_are_gone_nothing_is_done(spec: dict[str, Any]) -> None:
    seen = moved(spec)
    assert seen.deployment is not None
    seen = replace(seen, deployment=replace(seen.deployment, deleting=True), open_missing=True)
    assert planned(seen).actions == ()


@pytest.mark.parametrize("permanent", [True, False])
def test_they_end_also_where_the_new_ones_are_of_no_use(permanent: bool) -> None:
    trouble = Trouble("RedisUnavailable", "no", permanent=permanent)
    assert actions_of(moved(trouble=trouble)) == ["DeleteDeployment"]


def test_when_they_are_gone_others_start_with_the_new_ones() -> None:
    (*_, made) = planned(replace(moved(), deployment=None)).actions
    assert isinstance(made, CreateDeployment)
    assert made.manifest["metadata"]["annotations"][names.ANNOTATION_BACKENDS] == "new"


def test_a_suspended_job_drains_until_its_former_workers_are_gone() -> None:
    seen = moved({"suspend": True}, frontier=FrontierView(True, pending=100))
    assert (seen.deployment and seen.deployment.replicas, said(seen, "Suspended").reason) == (0, "Draining")
    assert said(settled(seen), "Suspended").reason == "Suspended"


def test_a_suspended_job_resumes_with_the_new_ones_only() -> None:
    seen = moved({"suspend": True})
    assert actions_of(seen) == ["DeleteDeployment"]
    assert settled(seen).deployment is None


def test_the_whole_move_is_told_once_and_comes_to_rest() -> None:
    seen, told_of = moved(), []
    for _ in range(8):
        told_of += [event.reason for event in written_events(planned(seen))]
        seen = acted(seen, planned(seen))
    assert told_of == ["BackendsChanged", "Seeded", "Started"]
    assert (status_of(seen).state, seen.deployment and seen.deployment.backends) == ("Crawling", "new")
    assert planned(seen).actions == ()


def test_a_deployment_of_an_earlier_operator_is_adopted_and_its_pods_left_alone() -> None:
    seen = crawling(backends="here")
    assert planned(seen).actions == (AdoptDeployment(1, "here"),)
    assert planned(settled(seen)).actions == ()


def test_where_the_secret_cannot_be_read_nothing_is_taken_for_a_move() -> None:
    seen = settled(crawling(workers={"backends": "old"}, backends="old"))
    missing = Trouble("BackendsSecretMissing", "run: kubectl create secret", permanent=True)
    assert planned(replace(seen, backends="", trouble=missing)).actions == ()


def test_a_new_job_notes_where_its_workers_belong() -> None:
    seen = settled(replace(fresh(), backends="here"))
    assert seen.deployment is not None
    assert seen.deployment.backends == "here"


def test_what_a_user_asks_for_waits_for_the_end_of_a_move() -> None:
    seen = moved()
    seen = replace(seen, crawljob=replace(seen.crawljob, annotations={names.ANNOTATION_UNFREEZE: "1"}))
    assert (actions_of(seen), status_of(seen).handled) == (["DeleteDeployment"], None)
