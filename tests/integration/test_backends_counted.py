"""What a process tells of its connections: what is lent, idle and waited for, and each failed call once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from support.processes.servers import Postgres, Valkey

from crawl_core.backends.postgres import Pool
from crawl_core.backends.scripts import Script, connect_redis, ping
from crawl_core.errors import LedgerUnavailableError, RedisUnavailableError
from crawl_core.metrics.definitions import BACKENDS
from crawl_core.readings.backends import backends_readings

LIMIT = 2

Counted = dict[tuple[str, ...], float]


def now() -> Counted:
    return {(each.metric.declaration.name, *each.labels): each.value for each in backends_readings()}


def since(before: Counted) -> tuple[float, ...]:
    """Lent, idle, limit and waiting, more than before."""
    names = (("connections", "lent"), ("connections", "idle"), ("connections_limit",), ("waiting",))
    after = now()
    keys = [(f"artistcrawl_ledger_{name}", *labels) for name, *labels in names]
    return tuple(after[key] - before[key] for key in keys)


def errors(server: str) -> float:
    return BACKENDS.registry.get_sample_value(f"artistcrawl_{server}_errors_total") or 0.0


@asynccontextmanager
async def pool_at(url: str) -> AsyncIterator[Pool]:
    pool = Pool(url, max_connections=LIMIT, application_name="test")
    try:
        yield pool
    finally:
        await pool.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_connection_is_lent_and_then_idle(database_url: str) -> None:
    before = now()
    async with pool_at(database_url) as pool:
        async with pool.connection():
            assert since(before) == (1, 0, LIMIT, 0)
        assert since(before) == (0, 1, LIMIT, 0)


async def test_who_finds_all_connections_lent_is_seen_waiting(database_url: str) -> None:
    before = now()
    async with pool_at(database_url) as pool:
        async with pool.connection(), pool.connection():
            third = asyncio.create_task(_select(pool))
            await until(lambda: pool.waiting == 1)
            assert since(before) == (2, 0, LIMIT, 1)
        await third
        assert since(before) == (0, 2, LIMIT, 0)


async def test_who_waits_no_longer_is_not_counted(database_url: str) -> None:
    async with pool_at(database_url) as pool, pool.connection(), pool.connection():
        third = asyncio.create_task(_select(pool))
        await until(lambda: pool.waiting == 1)
        third.cancel()
        await asyncio.gather(third, return_exceptions=True)
        assert (pool.waiting, pool.lent) == (0, 2)


async def test_a_closed_pool_may_open_nothing_and_is_forgotten_with_its_last_holder(database_url: str) -> None:
    before = now()
    async with pool_at(database_url) as pool:
        await _select(pool)
        await pool.close()
        assert since(before) == (0, 0, 0, 0)
    del pool
    assert now() == before


async def test_a_statement_that_postgres_does_not_finish_is_one_error(fresh_postgres: Postgres) -> None:
    async with pool_at(fresh_postgres.url()) as pool:
        await _select(pool)
        before = errors("ledger")
        with pytest.raises(LedgerUnavailableError):
            await _select(pool, meanwhile=fresh_postgres.stop_immediately)
        assert errors("ledger") - before == 1


async def test_a_connection_that_cannot_be_had_is_one_error() -> None:
    async with pool_at("postgresql://nobody@127.0.0.1:1/nothing") as pool:
        before = errors("ledger")
        with pytest.raises(LedgerUnavailableError):
            await _select(pool)
        assert (errors("ledger") - before, pool.lent) == (1, 0)


async def test_a_statement_that_is_wrong_is_no_error_of_the_server(database_url: str) -> None:
    async with pool_at(database_url) as pool:
        before = errors("ledger")
        with pytest.raises(Exception, match="nonsense"):
            async with pool.connection() as connection:
                await connection.execute("SELECT nonsense")
        assert errors("ledger") == before


async def test_each_call_that_redis_does_not_answer_is_one_error(fresh_redis: Valkey) -> None:
    redis = connect_redis(fresh_redis.url)
    await ping(redis)
    before = errors("redis")
    fresh_redis.kill()
    try:
        with pytest.raises(RedisUnavailableError):
            await ping(redis)
        with pytest.raises(RedisUnavailableError):
            await Script("frontier_stats")(redis, ["a", "b", "c", "d"], [1, 1])
    finally:
        await redis.aclose()
    assert errors("redis") - before == 2


async def _select(pool: Pool, *, meanwhile: Callable[[], None] = lambda: None) -> None:
    async with pool.connection() as connection:
        meanwhile()
        await connection.execute("SELECT 1")
