"""Claiming a range: lease first, then the fence, so that a claimer that slept cannot throw out the rightful owner."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
from redis.asyncio import Redis
from support.fakes.ledgers import value

from crawl_core.backends.scripts import connect_redis
from crawl_core.clock import SYSTEM_CLOCK
from crawl_core.frontier.frontier import Frontier
from crawl_core.job.lifecycle import release, reseed
from crawl_core.ledger import jobs, ranges, runs
from crawl_core.ledger.ledger import Ledger
from crawl_core.spec import parse_crawljob
from crawl_core.values.frontier import Empty, FrontierStats, Lease
from crawl_core.values.jobs import JobRow
from crawl_core.values.rows import RangeRow
from crawl_worker.crawl.claim import Claimed, Claimer, Nothing

JOB = """
apiVersion: artistcrawl.dev/v1alpha1
kind: CrawlJob
metadata: {name: claims}
spec: {keyspace: {alphabet: abc, minLength: 1, maxLength: 1, rangeSize: 3}}
"""
LEASE_TTL_S = 0.1


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = connect_redis(redis_url, max_connections=50)
    yield client
    await client.aclose()


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    opened = await Ledger.open(ledger_url, max_connections=8, application_name="test")
    yield opened
    await opened.close()


@pytest.fixture
async def job(ledger: Ledger) -> JobRow:
    return await jobs.record(ledger, parse_crawljob(JOB, origin="t"), uid="u", bucket="b", bucket_scope="Named")


async def _no_limits_to_bring() -> None:
    raise AssertionError("the job's limits count all the time")


def _claimer(
    frontier: Frontier, ledger: Ledger, *, bring_limits: Callable[[], Awaitable[None]] = _no_limits_to_bring
) -> Claimer:
    return Claimer(
        frontier=frontier, ledger=ledger, owner=str(uuid.uuid4()), clock=SYSTEM_CLOCK, bring_limits=bring_limits
    )


async def _claimed(claimer: Claimer) -> Claimed:
    """Claim as a worker does, asking again as long as there is nothing."""
    while isinstance(claimed := await claimer.claim(), Nothing):
        await asyncio.sleep(min(claimed.wait_s, LEASE_TTL_S / 4))
    return claimed


class _Sleepy(Frontier):
    """A frontier client whose process is stopped at one point of a claim, until `wake`."""

    def __init__(self, redis: Redis, uid: str, *, before: str) -> None:
        super().__init__(redis, uid, lease_ttl_s=LEASE_TTL_S)
        self.wake = asyncio.Event()
        self.asleep = asyncio.Event()
        self._before = before

    async def claim(self) -> Lease | Empty:
        lease = await super().claim()
        if self._before == "read":
            await self._sleep()
        return lease

    async def renew(self, leases: list[Lease]) -> list[bool]:  # type: ignore[override]
        if self._before == "renew":
            await self._sleep()
        mine = await super().renew(leases)
        if self._before == "take":
            await self._sleep()
        return mine

    async def _sleep(self) -> None:
        self.asleep.set()
        await self.wake.wait()


async def test_a_claim_owns_the_range_in_frontier_and_ledger(redis: Redis, ledger: Ledger, job: JobRow) -> None:
    frontier = Frontier(redis, "u")
    await reseed(ledger, frontier, job)
    claimed = await _claimed(_claimer(frontier, ledger))
    assert (claimed.row.first, claimed.row.last, claimed.row.fence) == ("a", "c", 1)
    assert await frontier.renew([claimed.lease]) == [True]


@pytest.mark.parametrize("before", ["read", "renew", "take"])
async def test_a_claimer_that_slept_past_its_lease_does_not_throw_out_the_owner(
    redis: Redis, ledger: Ledger, job: JobRow, before: str
) -> None:
    frontier = Frontier(redis, "u", lease_ttl_s=LEASE_TTL_S)
    await reseed(ledger, frontier, job)
    sleepy = _Sleepy(redis, "u", before=before)
    sleeping = asyncio.create_task(_claimer(sleepy, ledger).claim())
    await sleepy.asleep.wait()
    rightful = await _claimed(_claimer(frontier, ledger))
    sleepy.wake.set()
    assert isinstance(await sleeping, Nothing)
    row = await ranges.read(ledger, rightful.row.id)
    assert row is not None
    assert row.fence == rightful.row.fence


async def test_a_range_that_the_ledger_has_done_is_dropped(redis: Redis, ledger: Ledger, job: JobRow) -> None:
    frontier = Frontier(redis, "u")
    await frontier.seed([999_999])
    assert isinstance(await _claimer(frontier, ledger).claim(), Nothing)
    assert (await frontier.stats()).completed == 1
    assert isinstance(await frontier.claim(), Empty)


async def test_a_worker_of_a_job_applied_again_gets_nothing(redis: Redis, ledger: Ledger, job: JobRow) -> None:
    old = Frontier(redis, "u")
    await reseed(ledger, old, job)
    await jobs.record(ledger, parse_crawljob(JOB, origin="t"), uid="another", bucket="b", bucket_scope="Named")
    assert isinstance(await _claimer(old, ledger).claim(), Nothing)
    assert (await old.stats()).pending == 1


async def test_a_deleted_job_is_neither_claimed_nor_seeded(redis: Redis, ledger: Ledger, job: JobRow) -> None:
    frontier = Frontier(redis, "u")
    await reseed(ledger, frontier, job)
    await jobs.mark_deleted(ledger, job.id)
    assert isinstance(await _claimer(frontier, ledger).claim(), Nothing)
    deleted = await jobs.get(ledger, job.id)
    assert deleted is not None
    await redis.flushall()
    assert await reseed(ledger, frontier, deleted) == 0


async def test_racing_claimers_never_own_a_range_together(redis: Redis, ledger: Ledger) -> None:
    text = JOB.replace("rangeSize: 3", "rangeSize: 1").replace("abc", "abcdefghijklmnopqrstuvwxyz")
    many = await jobs.record(ledger, parse_crawljob(text, origin="t"), uid="u", bucket="b", bucket_scope="Named")
    frontier = Frontier(redis, "u")
    await reseed(ledger, frontier, many)
    claims = await asyncio.gather(*(_claimer(frontier, ledger).claim() for _ in range(40)))
    rows: list[RangeRow] = [claimed.row for claimed in claims if isinstance(claimed, Claimed)]
    assert sorted(row.first for row in rows) == list("abcdefghijklmnopqrstuvwxyz")


async def test_a_frontier_that_lost_its_memory_is_seeded_again(redis: Redis, ledger: Ledger, job: JobRow) -> None:
    frontier = Frontier(redis, "u")
    await reseed(ledger, frontier, job)
    await redis.flushall()
    claimer = _claimer(frontier, ledger)
    assert isinstance(await claimer.claim(), Nothing)
    assert await reseed(ledger, frontier, job) == 1
    assert isinstance(await claimer.claim(), Claimed)


class _Forgetting(Frontier):
    """Its Redis loses its memory after the first chunk of the first seeding."""

    calls = 0

    async def seed(self, range_ids: Sequence[int], *, epoch: str | None = None) -> tuple[str, int]:
        seeded = await super().seed(range_ids, epoch=epoch)
        self.calls += 1
        if self.calls == 1:
            await self._redis.flushall()
        return seeded


async def test_a_frontier_that_is_forgotten_while_it_is_seeded_is_seeded_from_the_start(
    redis: Redis, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crawl_core.job.lifecycle.SEED_CHUNK", 1)
    three = JOB.replace("rangeSize: 3", "rangeSize: 1")
    job = await jobs.record(ledger, parse_crawljob(three, origin="t"), uid="u", bucket="b", bucket_scope="Named")
    await reseed(ledger, _Forgetting(redis, "u"), job)
    assert (await Frontier(redis, "u").stats()).pending == 3


async def test_seeding_adds_a_range_that_the_counts_hide_only_when_told_to_look(
    redis: Redis, ledger: Ledger, job: JobRow
) -> None:
    """A completed range left pending can make the counts agree although an open one is missing."""
    frontier = Frontier(redis, "u")
    await frontier.seed([999_999])
    assert await reseed(ledger, frontier, job) == 0
    assert await reseed(ledger, frontier, job, force=True) == 1


async def open_for_claims(ledger: Ledger) -> bool:
    return bool(await value(ledger, "SELECT released_at IS NULL FROM crawl_job"))


async def test_nobody_claims_of_a_released_job_before_its_bucket_has_its_limits(
    redis: Redis, ledger: Ledger, job: JobRow
) -> None:
    frontier = Frontier(redis, "u")
    await reseed(ledger, frontier, job)
    assert await release(ledger, frontier, job)
    bringing, brought = asyncio.Event(), asyncio.Event()

    async def bring_limits() -> None:
        bringing.set()
        await brought.wait()

    first = asyncio.create_task(_claimer(frontier, ledger, bring_limits=bring_limits).claim())
    await bringing.wait()
    assert await value(ledger, "SELECT requests FROM strictest_limits('b')") == 10
    assert await open_for_claims(ledger) is False
    brought.set()
    assert isinstance(await first, Nothing)
    assert isinstance(await _claimed(_claimer(frontier, ledger)), Claimed)


async def test_nobody_claims_of_a_run_that_begins_before_the_bucket_has_the_jobs_limits(
    redis: Redis, ledger: Ledger, job: JobRow
) -> None:
    """A worker that outlived the run before it knows the bucket as it was left to others."""
    ended = "UPDATE crawl_run SET finished_at = now() - interval '1 hour' RETURNING 1"
    assert await value(ledger, ended)
    assert await value(ledger, "SELECT requests FROM strictest_limits('b')") is None
    assert await runs.begin(ledger, job.id, 2)
    frontier = Frontier(redis, "u")
    await reseed(ledger, frontier, job)
    brought = []

    async def bring_limits() -> None:
        brought.append(await value(ledger, "SELECT requests FROM strictest_limits('b')"))
        assert await open_for_claims(ledger) is False

    assert isinstance(await _claimer(frontier, ledger, bring_limits=bring_limits).claim(), Nothing)
    assert brought == [10]
    assert isinstance(await _claimed(_claimer(frontier, ledger)), Claimed)


async def test_a_job_of_which_a_range_is_leased_is_not_released_and_goes_on(
    redis: Redis, ledger: Ledger, job: JobRow
) -> None:
    frontier = Frontier(redis, "u")
    await reseed(ledger, frontier, job)
    claimed = await _claimed(_claimer(frontier, ledger))
    assert not await release(ledger, frontier, job)
    found = await jobs.get(ledger, job.id)
    assert found is not None
    assert found.released_at is None
    await frontier.complete(claimed.lease)
    assert await release(ledger, frontier, job)


async def test_a_lease_that_a_killed_worker_left_keeps_nobody_from_the_release_once_it_is_over(
    redis: Redis, ledger: Ledger, job: JobRow
) -> None:
    frontier = Frontier(redis, "u", lease_ttl_s=LEASE_TTL_S)
    await reseed(ledger, frontier, job)
    await _claimed(_claimer(frontier, ledger))
    assert not await release(ledger, frontier, job)
    while (await frontier.stats()).overdue == 0:
        await asyncio.sleep(LEASE_TTL_S / 4)
    assert await release(ledger, frontier, job)


class _ClaimedMeanwhile(Frontier):
    """A frontier of which somebody claims right after it was seen that nothing is leased."""

    def __init__(self, redis: Redis, ledger: Ledger) -> None:
        super().__init__(redis, "u")
        self._others = Frontier(redis, "u")
        self._ledger = ledger
        self.brought = 0

    async def stats(self) -> FrontierStats:
        seen = await super().stats()
        await _claimed(_claimer(self._others, self._ledger, bring_limits=self._bring))
        return seen

    async def _bring(self) -> None:
        self.brought += 1


async def test_a_worker_that_claims_while_its_job_is_released_binds_it_again(
    redis: Redis, ledger: Ledger, job: JobRow
) -> None:
    frontier = _ClaimedMeanwhile(redis, ledger)
    await reseed(ledger, Frontier(redis, "u"), job)
    assert not await release(ledger, frontier, job)
    assert frontier.brought == 1
    assert await open_for_claims(ledger) is True
