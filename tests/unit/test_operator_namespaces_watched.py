"""Which namespaces are served, and when that has changed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from crawl_operator.watch.access import ClusterUnavailableError, RefusedError
from crawl_operator.watch.namespaces import (
    INTERVAL_S,
    NamespacesChangedError,
    WatchedNamespaces,
    find_watchable,
    watch_for_changes,
)


@dataclass
class World:
    """An API server that refuses some namespaces, from look to look; its clock runs only while somebody sleeps."""

    looks: list[set[str] | Exception]
    slept_s: list[float] = field(default_factory=list)

    async def probe(self, namespace: str) -> None:
        now = self.looks[min(len(self.slept_s), len(self.looks) - 1)]
        if isinstance(now, Exception):
            raise now
        if namespace in now:
            raise RefusedError(f"may not list crawljobs in {namespace or 'all'}")

    def monotonic(self) -> float:
        return sum(self.slept_s)

    def time(self) -> float:
        return sum(self.slept_s)

    async def sleep(self, seconds: float) -> None:
        if len(self.slept_s) > 10:
            raise asyncio.CancelledError
        self.slept_s.append(seconds)


async def test_a_namespace_that_is_refused_keeps_no_other_from_being_served() -> None:
    found = await find_watchable(World([{"b"}]).probe, ["a", "b", "c"])
    assert found == WatchedNamespaces(("a", "c"), {"b": "may not list crawljobs in b"})


@pytest.mark.parametrize("named", [["a", "b"], ["a"]])
async def test_where_all_are_refused_a_person_must_act(named: list[str]) -> None:
    with pytest.raises(RefusedError, match="in a"):
        await find_watchable(World([{"a", "b"}]).probe, named)


async def test_all_namespaces_that_must_not_be_listed_are_not_taken_for_none() -> None:
    with pytest.raises(RefusedError, match="in all"):
        await find_watchable(World([{""}]).probe, [])


async def test_a_namespace_that_goes_makes_the_operator_start_anew() -> None:
    world = World([set(), {"b"}])
    with pytest.raises(NamespacesChangedError, match=r"in b \(is namespace b gone"):
        await watch_for_changes(WatchedNamespaces(("a", "b")), world.probe, clock=world)
    assert world.slept_s == [INTERVAL_S] * 2


async def test_a_namespace_that_is_there_again_makes_the_operator_start_anew() -> None:
    world = World([{"b"}, {"b"}, set()])
    with pytest.raises(NamespacesChangedError, match="b can be served again"):
        await watch_for_changes(WatchedNamespaces(("a",), {"b": "gone"}), world.probe, clock=world)


@pytest.mark.parametrize(
    "looks",
    [
        [set(), {"b"}, set(), {"b"}, set()],
        [{"a", "b"}],
        [ClusterUnavailableError("away")],
        [set(), {"b"}, ClusterUnavailableError("away"), {"b"}, set()],
    ],
)
async def test_a_refusal_that_passes_and_one_of_all_change_nothing(looks: list[set[str] | Exception]) -> None:
    world = World(looks)
    with pytest.raises(asyncio.CancelledError):
        await watch_for_changes(WatchedNamespaces(("a", "b")), world.probe, clock=world)
