"""Each frontier script on a real server: what it does, and what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from crawl_core.backends import keys
from crawl_core.backends.scripts import connect_redis
from crawl_core.errors import SchemaVersionError, UnknownJobError
from crawl_core.frontier.frontier import Frontier
from crawl_core.values.frontier import Empty, Lease

SHORT_S = 0.05


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = connect_redis(redis_url, max_connections=200)
    yield client
    await client.aclose()


@pytest.fixture
def frontier(redis: Redis) -> Frontier:
    return Frontier(redis, "uid-1")


async def _lease(frontier: Frontier) -> Lease:
    lease = await frontier.claim()
    assert isinstance(lease, Lease)
    return lease


async def _claim_when_expired(frontier: Frontier) -> Lease:
    """Claim as a worker does: ask again when the next lease expires."""
    while isinstance(claimed := await frontier.claim(), Empty):
        await asyncio.sleep(claimed.next_expiry_s or 0.01)
    return claimed


async def test_an_unseeded_job_is_unknown(frontier: Frontier) -> None:
    with pytest.raises(UnknownJobError):
        await frontier.claim()
    with pytest.raises(UnknownJobError):
        await frontier.stats()


async def test_ranges_are_claimed_in_order(frontier: Frontier) -> None:
    await frontier.seed([10, 2, 1])
    assert [(await _lease(frontier)).range_id for _ in range(3)] == [1, 2, 10]


async def test_seeding_again_adds_only_what_is_missing(frontier: Frontier) -> None:
    epoch, _ = await frontier.seed([1, 2])
    await frontier.claim()
    assert await frontier.seed([1, 2, 3]) == (epoch, 1)


async def test_a_push_into_a_frontier_that_lost_its_memory_is_refused(frontier: Frontier, redis: Redis) -> None:
    epoch, _ = await frontier.seed([1])
    await redis.flushall()
    with pytest.raises(UnknownJobError):
        await frontier.seed([2], epoch=epoch)
    with pytest.raises(UnknownJobError):
        await frontier.claim()


async def test_a_later_chunk_of_an_older_seeding_is_refused(frontier: Frontier, redis: Redis) -> None:
    old, _ = await frontier.seed([1])
    await redis.flushall()
    new, _ = await frontier.seed([1])
    assert new != old
    with pytest.raises(UnknownJobError):
        await frontier.seed([2], epoch=old)


async def test_an_expired_lease_is_taken_back_by_the_next_claim(redis: Redis) -> None:
    frontier = Frontier(redis, "uid-1", lease_ttl_s=SHORT_S)
    await frontier.seed([7])
    first = await _lease(frontier)
    second = await _claim_when_expired(frontier)
    assert (second.range_id, (await frontier.stats()).expired) == (first.range_id, 1)


async def test_only_the_token_of_the_lease_can_renew_complete_or_release(redis: Redis) -> None:
    frontier = Frontier(redis, "uid-1", lease_ttl_s=SHORT_S)
    await frontier.seed([7])
    stale = await _lease(frontier)
    held = await _claim_when_expired(frontier)
    assert await frontier.renew([stale, held]) == [False, True]
    assert await frontier.complete(stale) is False
    assert await frontier.release(stale) is False
    assert await frontier.complete(held) is True


async def test_an_expired_lease_that_nobody_took_goes_on(redis: Redis) -> None:
    frontier = Frontier(redis, "uid-1", lease_ttl_s=SHORT_S)
    await frontier.seed([7])
    lease = await _lease(frontier)
    while not (await frontier.stats()).overdue:
        await asyncio.sleep(SHORT_S / 5)
    assert await frontier.renew([lease]) == [True]
    assert (await frontier.stats()).overdue == 0


async def test_a_released_range_can_be_claimed_at_once(frontier: Frontier) -> None:
    await frontier.seed([7])
    lease = await _lease(frontier)
    assert await frontier.release(lease) is True
    assert (await _lease(frontier)).token != lease.token


async def test_an_empty_frontier_says_when_to_ask_again(frontier: Frontier) -> None:
    await frontier.seed([7])
    await frontier.claim()
    waiting = await frontier.claim()
    assert isinstance(waiting, Empty)
    assert waiting.next_expiry_s is not None
    assert 0 < waiting.next_expiry_s <= frontier.lease_ttl_s


async def test_a_completed_range_does_not_come_back(frontier: Frontier) -> None:
    await frontier.seed([7])
    await frontier.complete(await _lease(frontier))
    assert await frontier.claim() == Empty(next_expiry_s=None)
    assert (await frontier.stats()).completed == 1


async def test_a_hundred_racing_clients_never_share_a_range(frontier: Frontier) -> None:
    await frontier.seed(list(range(1, 81)))
    claims = await asyncio.gather(*(frontier.claim() for _ in range(100)))
    leases = [claim.range_id for claim in claims if isinstance(claim, Lease)]
    assert sorted(leases) == list(range(1, 81))


async def test_every_operation_renews_the_life_of_all_keys(frontier: Frontier, redis: Redis) -> None:
    await frontier.seed([1, 2])
    await frontier.claim()
    for part in ("pending", "leases", "tokens", "meta"):
        await redis.expire(keys.job_key("uid-1", part), 60)
    await frontier.stats()
    lives = [await redis.ttl(keys.job_key("uid-1", part)) for part in ("pending", "leases", "tokens", "meta")]
    assert min(lives) > keys.JOB_TTL_S - 60


async def test_scripts_are_loaded_again_when_the_server_forgot_them(frontier: Frontier, redis: Redis) -> None:
    await frontier.seed([1])
    await redis.script_flush()
    assert (await _lease(frontier)).range_id == 1


async def test_keys_of_another_layout_are_refused_in_plain_words(frontier: Frontier, redis: Redis) -> None:
    await frontier.seed([1])
    await redis.hset(keys.job_key("uid-1", "meta"), "layout", "99")
    with pytest.raises(SchemaVersionError, match="layout 99"):
        await frontier.claim()
