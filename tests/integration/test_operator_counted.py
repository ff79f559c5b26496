"""What the operator counts as it acts: each step by what came of it, and each call that it waited for no longer."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from support.fakes.operator_rounds import TurnedClock, backends, do, look, opened_round_io, view
from support.processes.servers import Valkey

from crawl_core.errors import ArtistcrawlError, RedisUnavailableError
from crawl_core.metrics.definitions import BACKENDS, OPERATOR
from crawl_operator.connect.circuit_breaker import CircuitBreaker
from crawl_operator.observe import observer
from crawl_operator.values.model import Plan, RecordJob, ReplayDeadLetters, SeedFrontier


def actions(action: str) -> tuple[float | None, float | None]:
    """Done and failed ones; None where there is no series."""
    name = "artistcrawl_operator_steps_total"
    done, failed = (
        OPERATOR.registry.get_sample_value(name, {"step": action, "result": result}) for result in ("done", "failed")
    )
    return done, failed


def errors(server: str) -> float:
    return BACKENDS.registry.get_sample_value(f"artistcrawl_{server}_errors_total") or 0.0


async def test_a_step_is_counted_once_it_is_done(ledger_url: str, redis_url: str) -> None:
    before = actions("RecordJob")
    async with opened_round_io(backends(ledger_url, redis_url)) as made:
        await do(made, RecordJob())
    assert actions("RecordJob") == ((before[0] or 0) + 1, before[1])


async def test_a_step_that_fails_is_counted_so_and_those_after_it_are_not(ledger_url: str, fresh_redis: Valkey) -> None:
    async with opened_round_io(backends(ledger_url, fresh_redis.url)) as made:
        seen = await do(made, RecordJob())
        fresh_redis.kill()
        before, after = actions("SeedFrontier"), actions("ReplayDeadLetters")
        plan = Plan(actions=(SeedFrontier(force=True), ReplayDeadLetters(seen.row.id if seen.row else 0)))
        with pytest.raises(ArtistcrawlError):
            await made.act(seen, plan)
    assert actions("SeedFrontier") == (before[0], (before[1] or 0) + 1)
    assert actions("ReplayDeadLetters") == after


def test_each_step_has_its_series_before_it_is_ever_done() -> None:
    assert None not in (*actions("Unfreeze"), *actions("DeleteCrawlJob"))


async def test_a_ledger_that_hangs_is_counted_though_nobody_waits_for_its_end(
    ledger_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened_round_io(backends(ledger_url, redis_url)) as made:
        await do(made, RecordJob())
        monkeypatch.setattr(observer, "LOOK_S", 0.3)
        before = errors("ledger")
        with psycopg.connect(ledger_url) as other:
            other.execute("LOCK TABLE crawl_job IN ACCESS EXCLUSIVE MODE")
            seen = await look(made, view())
    assert (seen.trouble.reason if seen.trouble else "", errors("ledger") - before) == ("LedgerUnavailable", 1)


async def test_a_server_that_cannot_be_opened_in_time_is_counted_once_however_many_ask() -> None:
    async def hangs() -> None:
        await asyncio.Event().wait()

    breaker = CircuitBreaker(hangs, unavailable=RedisUnavailableError, clock=TurnedClock(), attempt_s=0.05)
    before = errors("redis")
    found = await asyncio.gather(*(breaker.connected() for _ in range(5)), return_exceptions=True)
    assert ({type(each) for each in found}, errors("redis") - before) == ({RedisUnavailableError}, 1)
