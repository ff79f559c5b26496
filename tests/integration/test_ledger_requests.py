"""The request log on a real server: bounded by number and age for each job, and counted with the job."""

import asyncio

import pytest
from msgspec.structs import replace
from support.fakes.ledgers import batch_of, crawljob, open_ledger, record, taken_first_range, value

from crawl_core.backends.queries import query
from crawl_core.ledger import batches, jobs, requests
from crawl_core.values.rows import RequestRow

LOGGED = """
WITH logged AS (
    INSERT INTO api_request (at, job_id, duration_s, page_offset, page_size, status, string, outcome, worker)
    SELECT now() - n * interval '{step}', {job}, 0.1, 0, 50, 200, n::text, 'ok', 'w' FROM generate_series(1, {rows}) n
    RETURNING 1
)
SELECT count(*) FROM logged
"""
KEPT = "SELECT array_agg(string::integer ORDER BY at DESC) FROM api_request WHERE job_id = {}"


@pytest.fixture
async def ledger(ledger_url):
    async with open_ledger(ledger_url) as opened:
        yield opened


@pytest.fixture
async def crawl(ledger):
    """Commits requests, as many as asked for, one batch after another."""
    row, owner = await taken_first_range(ledger, await record(ledger))
    now_us = int(await value(ledger, "SELECT extract(epoch FROM now()) * 1000000"))

    async def commit(count):
        nonlocal row
        log = [RequestRow(now_us, "aa00", 0, 50, 200, "ok", 0.1, "w")] * count
        batch = batch_of(row, owner, requests=log)
        assert await batches.commit(ledger, batch) is not None
        row = replace(row, cursor=batch.cursor)

    return commit


async def test_the_newest_rows_of_each_job_stay(ledger):
    one, other = [(await record(ledger, crawljob(name))).id for name in ("one", "other")]
    await value(ledger, LOGGED.format(step="1 second", job=one, rows=9))
    await value(ledger, LOGGED.format(step="1 hour", job=other, rows=3))
    assert await requests.trim(ledger, kept_rows=4) == 5
    assert await value(ledger, KEPT.format(one)) == [1, 2, 3, 4]
    assert await value(ledger, KEPT.format(other)) == [1, 2, 3]


async def test_requests_older_than_the_jobs_own_retention_go(ledger):
    short, usual = [
        (await record(ledger, crawljob(name, **spec))).id
        for name, spec in (("short", {"requestLogRetention": "2h"}), ("usual", {}))
    ]
    for job in (short, usual):
        await value(ledger, LOGGED.format(step="59 minutes", job=job, rows=30))
    await requests.trim(ledger)
    assert await value(ledger, KEPT.format(short)) == [1, 2]
    assert await value(ledger, KEPT.format(usual)) == list(range(1, 25))


async def test_each_of_many_jobs_has_its_turn_soon(ledger):
    made = [(await record(ledger, crawljob(f"artists-{number}"))).id for number in range(12)]
    for job in made:
        await value(ledger, LOGGED.format(step="1 second", job=job, rows=2))
    deleted = [await requests.trim(ledger, kept_rows=1) for _ in range(60)]
    assert deleted[0] == 8
    assert sum(deleted) == 12


async def test_the_oldest_go_first_where_more_are_due_than_one_call_takes(ledger):
    job = (await record(ledger)).id
    await value(ledger, LOGGED.format(step="1 second", job=job, rows=9))
    async with ledger.transaction() as connection:
        await connection.execute(query("requests.trim"), {"kept_rows": 4, "max_jobs": 8, "max_rows": 2})
    assert await value(ledger, KEPT.format(job)) == [1, 2, 3, 4, 5, 6, 7]


async def test_commits_and_trims_at_once_neither_fail_nor_lose_a_row_too_many(ledger, crawl):
    done = asyncio.Event()

    async def keep_trimming():
        while not done.is_set():
            await requests.trim(ledger, kept_rows=20)

    job = await value(ledger, "SELECT id FROM crawl_job")
    await value(ledger, LOGGED.format(step="1 second", job=job, rows=2000))
    trimming = [asyncio.create_task(keep_trimming()) for _ in range(2)]
    for _ in range(15):
        await crawl(1)
    done.set()
    await asyncio.gather(*trimming)
    await requests.trim(ledger, kept_rows=20)
    assert await value(ledger, f"SELECT count(*) FROM api_request WHERE job_id = {job} AND string = 'aa00'") == 15
    assert await value(ledger, f"SELECT count(*) FROM api_request WHERE job_id = {job}") == 20


async def test_a_trim_does_not_wait_for_another_one(ledger):
    job = (await record(ledger)).id
    await value(ledger, LOGGED.format(step="1 second", job=job, rows=9))
    async with ledger.transaction() as connection:
        await connection.execute(query("requests.trim"), {"kept_rows": 4, "max_jobs": 8, "max_rows": 9})
        assert await asyncio.wait_for(requests.trim(ledger, kept_rows=4), 20) == 0


async def test_the_view_shows_requests_within_the_retention_only(ledger):
    job = await record(ledger, crawljob(requestLogRetention="1h"))
    now_us = int(await value(ledger, "SELECT extract(epoch FROM now()) * 1000000"))
    log = [RequestRow(now_us - age * 60_000_000, "aa00", 0, 50, 200, "ok", 0.1, "w") for age in (1, 59, 61)]
    await batches.commit(ledger, batch_of(*await taken_first_range(ledger, job), requests=log))
    assert await value(ledger, "SELECT count(*) FROM requests WHERE namespace = 'default' AND name = 'artists'") == 2


async def test_the_rate_is_carried_over_where_a_full_log_does_not_reach_back_a_minute(ledger):
    job = (await record(ledger)).id
    rows = requests.KEPT_ROWS
    await value(ledger, LOGGED.format(step="300 microseconds", job=job, rows=rows))
    assert 1.2 < (await jobs.progress(ledger, job)).requests_last_minute / rows <= 2


async def test_the_rate_is_what_the_last_minute_had_where_the_log_is_not_full(ledger):
    job = (await record(ledger)).id
    await value(ledger, LOGGED.format(step="500 milliseconds", job=job, rows=9))
    await value(ledger, LOGGED.format(step="100 seconds", job=job, rows=9))
    counted = await jobs.progress(ledger, job)
    assert counted.requests_last_minute == 9
    assert round(counted.latency_s, 3) == 0.1


async def test_the_other_views_show_a_job_under_its_name(ledger, crawl):
    await crawl(1)
    assert await value(ledger, "SELECT percent FROM progress WHERE name = 'artists'") == 0
    assert await value(ledger, "SELECT count(*) FROM searches") == 0
    assert await value(ledger, "SELECT count(*) FROM artists") == 0
