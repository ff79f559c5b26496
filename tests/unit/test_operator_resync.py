"""The comparison of the store with a list: deletions that went by, and watches that went deaf."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from crawl_operator.values.model import Key
from crawl_operator.watch.resync import Resync, WatchDeafError
from crawl_operator.watch.store import Kind, Store

ARTISTS = Key("music", "artists")


def crawljob(version: int, name: str = "artists") -> dict[str, Any]:
    return {"metadata": {"namespace": "music", "name": name, "uid": f"u-{name}", "resourceVersion": str(version)}}


@dataclass
class Clock:
    """Sleeps in no time, and lets a test do something meanwhile."""

    meanwhile: list[Any] = field(default_factory=list)

    def monotonic(self) -> float:
        return 0.0

    def time(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        if self.meanwhile:
            self.meanwhile.pop(0)()
        await asyncio.sleep(0)


@dataclass
class Cluster:
    crawljobs: dict[Key, Mapping[str, Any]] = field(default_factory=dict)

    async def list(self, kind: Kind) -> Mapping[Key, Mapping[str, Any]]:
        return self.crawljobs if kind == "crawljobs" else {}

    def has(self, *objects: Mapping[str, Any]) -> None:
        metadata = [each["metadata"] for each in objects]
        self.crawljobs = {Key(each["namespace"], each["name"]): each for each in metadata}


@pytest.fixture
def store() -> Store:
    return Store(changed=lambda key: None)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


async def test_a_deletion_that_went_by_is_found(store: Store, cluster: Cluster) -> None:
    store.put("crawljobs", crawljob(1))
    assert await Resync(store, cluster.list, clock=Clock()).differences() == {}
    assert store.crawljob(ARTISTS) is None


async def test_an_object_that_arrives_during_the_list_stays(store: Store, cluster: Cluster) -> None:
    async def lists_slowly(kind: Kind) -> Mapping[Key, Mapping[str, Any]]:
        store.put("crawljobs", crawljob(1))
        return {}

    await Resync(store, lists_slowly, clock=Clock()).differences()
    assert store.crawljob(ARTISTS) is not None


async def test_it_is_complete_once_the_watches_brought_everything(store: Store, cluster: Cluster) -> None:
    cluster.has(crawljob(1))
    resync = Resync(store, cluster.list, clock=Clock())
    task = asyncio.create_task(resync.run())
    await asyncio.sleep(0.05)
    early = resync.complete.is_set()
    store.put("crawljobs", crawljob(1))
    async with asyncio.timeout(5):
        await resync.complete.wait()
    task.cancel()
    assert not early


async def test_a_watch_that_brings_nothing_any_more_is_an_error(store: Store, cluster: Cluster) -> None:
    store.put("crawljobs", crawljob(1))
    cluster.has(crawljob(2))
    resync = Resync(store, cluster.list, clock=Clock())
    resync.complete.set()
    with pytest.raises(WatchDeafError, match="the watch of crawljobs brought no news of music/artists"):
        await resync.run()


async def test_a_watch_that_is_only_late_is_none(store: Store, cluster: Cluster) -> None:
    store.put("crawljobs", crawljob(1))
    cluster.has(crawljob(2))
    clock = Clock(meanwhile=[lambda: store.put("crawljobs", crawljob(2))])
    resync = Resync(store, cluster.list, clock=clock)
    resync.complete.set()
    task = asyncio.create_task(resync.run())
    await asyncio.sleep(0.05)
    assert not task.done()
    task.cancel()


async def test_a_list_that_is_older_than_the_watch_is_none(store: Store, cluster: Cluster) -> None:
    store.put("crawljobs", crawljob(2))
    cluster.has(crawljob(1))
    resync = Resync(store, cluster.list, clock=Clock(meanwhile=[lambda: cluster.has(crawljob(2))]))
    resync.complete.set()
    task = asyncio.create_task(resync.run())
    await asyncio.sleep(0.05)
    assert not task.done()
    task.cancel()
