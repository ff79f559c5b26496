"""The election: who may act when, whatever happens to the Lease, the clock or the process."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from crawl_operator.lead.elector import (
    DURATION_S,
    GIVE_UP_S,
    RENEW_S,
    Elector,
    LeaseConflictError,
    LeaseRecord,
    LeaseUnavailableError,
)


@dataclass
class Clock:
    now_s: float = 1_000.0

    def monotonic(self) -> float:
        return self.now_s

    def time(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@dataclass
class Leases:
    """The API server's part: a version that grows, and refused writes at an old one."""

    record: LeaseRecord | None = None
    down: bool = False

    async def read(self) -> LeaseRecord | None:
        if self.down:
            raise LeaseUnavailableError("down")
        return self.record

    async def create(self, holder: str) -> LeaseRecord:
        if await self.read() is not None:
            raise LeaseConflictError("exists")
        self.record = LeaseRecord(holder, DURATION_S, "1")
        return self.record

    async def renew(self, record: LeaseRecord) -> LeaseRecord:
        return await self.take(record, record.holder)

    async def take(self, record: LeaseRecord, holder: str) -> LeaseRecord:
        if await self.read() != record:
            raise LeaseConflictError("changed")
        self.record = replace(record, holder=holder, version=str(int(record.version) + 1))
        return self.record


@dataclass
class World:
    clock: Clock = field(default_factory=Clock)
    leases: Leases = field(default_factory=Leases)
    elected: list[str] = field(default_factory=list)

    def elector(self, identity: str) -> Elector:
        return Elector(
            self.leases, identity=identity, clock=self.clock, on_elected=lambda: self.elected.append(identity)
        )


@pytest.fixture
def world() -> World:
    return World()


async def test_the_first_one_leads(world: World) -> None:
    first = world.elector("a")
    await first.turn()
    assert (first.leads(), world.elected) == (True, ["a"])


async def test_the_second_one_stands_by(world: World) -> None:
    first, second = world.elector("a"), world.elector("b")
    await first.turn()
    await second.turn()
    assert (first.leads(), second.leads()) == (True, False)


async def test_a_renewed_lease_is_never_taken(world: World) -> None:
    first, second = world.elector("a"), world.elector("b")
    for _ in range(30):
        await first.turn()
        await second.turn()
        await world.clock.sleep(RENEW_S)
    assert (first.leads(), second.leads(), world.elected) == (True, False, ["a"])


async def test_a_dead_leader_is_followed_within_20_s(world: World) -> None:
    first, second = world.elector("a"), world.elector("b")
    await first.turn()
    died_s = world.clock.now_s
    while not second.leads():
        await second.turn()
        await world.clock.sleep(RENEW_S)
    assert world.clock.now_s - died_s <= 20


async def test_nobody_else_leads_before_the_old_leader_gave_up(world: World) -> None:
    first, second = world.elector("a"), world.elector("b")
    await first.turn()
    await second.turn()
    while not second.leads():
        assert not (first.leads() and second.leads())
        await world.clock.sleep(0.1)
        await second.turn()
    assert not first.leads()


async def test_a_leader_that_was_stopped_does_not_lead_when_it_wakes(world: World) -> None:
    first = world.elector("a")
    await first.turn()
    world.clock.now_s += GIVE_UP_S
    assert not first.leads()


async def test_a_leader_that_was_stopped_stands_by_where_another_has_taken_over(world: World) -> None:
    first, second = world.elector("a"), world.elector("b")
    await first.turn()
    await second.turn()
    world.clock.now_s += DURATION_S + 1
    await second.turn()
    await first.turn()
    await first.turn()
    assert (first.leads(), second.leads()) == (False, True)


async def test_a_leader_that_nobody_followed_leads_again_and_looks_at_all(world: World) -> None:
    first = world.elector("a")
    await first.turn()
    world.clock.now_s += 100
    await first.turn()
    assert (first.leads(), world.elected) == (True, ["a", "a"])


async def test_a_leader_cut_off_from_the_api_server_gives_up_in_time(world: World) -> None:
    first = world.elector("a")
    await first.turn()
    world.leases.down = True
    for _ in range(3):
        await world.clock.sleep(RENEW_S)
        await first.turn()
    assert first.leads()
    await world.clock.sleep(1.0)
    assert not first.leads()


async def test_it_leads_again_when_the_api_server_is_back(world: World) -> None:
    first = world.elector("a")
    await first.turn()
    world.leases.down = True
    await world.clock.sleep(GIVE_UP_S)
    await first.turn()
    world.leases.down = False
    await first.turn()
    assert (first.leads(), world.elected) == (True, ["a", "a"])


async def test_a_lease_given_back_is_taken_at_once(world: World) -> None:
    first, second = world.elector("a"), world.elector("b")
    await first.turn()
    await second.turn()
    await first.release()
    await second.turn()
    assert (first.leads(), second.leads()) == (False, True)


async def test_giving_back_does_not_take_the_lease_from_another(world: World) -> None:
    first, second = world.elector("a"), world.elector("b")
    await first.turn()
    await second.turn()
    world.clock.now_s += DURATION_S + 1
    await second.turn()
    await first.release()
    assert world.leases.record is not None
    assert world.leases.record.holder == "b"


async def test_a_clock_of_another_machine_does_not_matter(world: World) -> None:
    # The record says nothing of now: only that it does not change for its duration counts.
    world.leases.record = LeaseRecord("old", DURATION_S, "7")
    second = world.elector("b")
    await second.turn()
    assert not second.leads()
    await world.clock.sleep(DURATION_S + 0.1)
    await second.turn()
    assert second.leads()
