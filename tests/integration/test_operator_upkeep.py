"""What ledgers in use need now and then, whatever their CrawlJobs do."""

from __future__ import annotations

import pytest
from support.fakes.ledgers import table_counts, value
from support.fakes.operator_rounds import TurnedClock, backends, do, opened_round_io

from crawl_core.ledger import runs
from crawl_core.ledger.buckets import BucketRows
from crawl_core.limiter.bucket import Bucket
from crawl_operator.act.upkeep import Upkeep
from crawl_operator.connect.backends import IDLE_S
from crawl_operator.values.model import BeginRun, DeleteRun, MarkDeleted, RecordJob, SeedFrontier


@pytest.fixture
def clock():
    return TurnedClock()


@pytest.fixture
async def made(ledger_url, redis_url, clock):
    async with opened_round_io(backends(ledger_url, redis_url), clock) as one:
        yield one


@pytest.fixture
async def upkeep(made, clock):
    made_upkeep = Upkeep(made.backends, made.buckets, may_act=lambda: True, clock=clock)
    yield made_upkeep
    await made_upkeep.compared()


async def test_the_rows_of_a_deleted_job_are_deleted(made, upkeep, ledger_url):
    row = (await do(made, RecordJob())).row
    await do(made, MarkDeleted(row.id))
    await upkeep.turn()
    async with made.backends.ledger(ledger_url) as ledger:
        assert (await table_counts(ledger))["crawl_range"] == 0
        assert await value(ledger, "SELECT count(*) FROM crawl_job") == 0


async def test_requests_older_than_the_retention_are_deleted(made, upkeep, ledger_url):
    await do(made, RecordJob())
    async with made.backends.ledger(ledger_url) as ledger:
        await value(
            ledger,
            "INSERT INTO api_request (at, job_id, duration_s, page_offset, page_size, status, string, outcome, worker)"
            " SELECT now() - age * interval '20 hours', id, 0.1, 0, 50, 200, 'aa00', 'ok', 'w'"
            " FROM crawl_job, generate_series(0, 3) age RETURNING 1",
        )
        await upkeep.turn()
        assert await value(ledger, "SELECT count(*) FROM api_request") == 2


async def finish(ledger):
    """Whatever is crawled has ended."""
    await value(ledger, "UPDATE crawl_run SET finished_at = now() WHERE finished_at IS NULL RETURNING 1")


async def test_a_run_that_has_ended_is_compared_with_the_one_before(made, upkeep, ledger_url):
    row = (await do(made, RecordJob())).row
    async with made.backends.ledger(ledger_url) as ledger:
        await finish(ledger)
        await do(made, BeginRun(row.id, 2))
        await finish(ledger)
        await upkeep.turn()
        await upkeep.compared()
        assert [run.gone for run in await runs.latest(ledger, row.id)] == [0, None]


async def test_the_rows_of_an_earlier_run_are_deleted_and_no_others(made, upkeep, ledger_url):
    row = (await do(made, RecordJob())).row
    async with made.backends.ledger(ledger_url) as ledger:
        await finish(ledger)
        second = (await do(made, BeginRun(row.id, 2))).row
        await do(made, DeleteRun(row.id, 1))
        await upkeep.turn()
        assert await value(ledger, "SELECT array_agg(DISTINCT run_id) FROM crawl_range") == [second.run_id]


async def test_a_freeze_in_redis_alone_reaches_the_ledger(made, upkeep, clock, ledger_url, redis_url):
    bucket = (await do(made, RecordJob(), SeedFrontier(force=False))).row.bucket
    async with made.backends.redis(redis_url) as redis:
        await Bucket(redis, bucket).write_freeze(
            asked_us=3_600_000_000, first_us=1, longest_us=1, epoch=0, sent_epoch=0
        )
    clock.ahead_s = 60
    await upkeep.turn()
    async with made.backends.ledger(ledger_url) as ledger:
        row, _ = await BucketRows(ledger).ensure(bucket)
    assert row.frozen_until_us > 0


async def test_a_ledger_that_is_down_keeps_no_other_from_its_upkeep(made, upkeep, ledger_url):
    with pytest.raises(Exception, match="cannot be reached"):
        async with made.backends.ledger("postgresql://u:p@127.0.0.1:1/d"):
            pass
    row = (await do(made, RecordJob())).row
    await do(made, MarkDeleted(row.id))
    await upkeep.turn()
    async with made.backends.ledger(ledger_url) as ledger:
        assert await value(ledger, "SELECT count(*) FROM crawl_job") == 0


async def test_upkeep_keeps_no_ledger_open(made, upkeep, clock):
    await do(made, RecordJob())
    clock.ahead_s = 10 * IDLE_S
    await upkeep.turn()
    assert made.backends.ledger_urls() == ()
