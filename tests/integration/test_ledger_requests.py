"""The request log on a real server: bounded by number and age, and no commit waits for that or fails."""

import asyncio
import re

import pytest
from msgspec.structs import replace
from support.fakes.ledgers import batch_of, crawljob, open_ledger, record, taken_first_range, value

from crawl_core.backends.queries import query
from crawl_core.ledger import batches, jobs, requests
from crawl_core.values.rows import RequestRow

ONE_PAGE = 8192
"""Bytes of a bin that holds anything at all."""


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


async def rotate(ledger, **bounds):
    """Open a spare bin and use it, where due."""
    return [await requests.rotate(ledger, **{"spare_age_s": 0, **bounds}) for _ in range(2)]


async def kept_bins(ledger):
    """Bins in use or closed; a spare is neither."""
    sql = "SELECT count(*) FROM request_bin b JOIN crawl_job j ON j.id = b.job_id WHERE b.id <= j.request_bin"
    return await value(ledger, sql)


async def test_nothing_is_rotated_before_a_bin_is_full(ledger, crawl):
    await crawl(3)
    assert await requests.rotate(ledger) == 0


async def test_a_full_bin_gets_a_successor_that_the_next_commit_writes_to(ledger, crawl):
    await crawl(1)
    assert await rotate(ledger, full_bin_bytes=ONE_PAGE) == [1, 1]
    await crawl(1)
    assert await value(ledger, "SELECT count(DISTINCT bin) FROM api_request") == 2


async def test_no_more_than_the_kept_bins_stay(ledger, crawl):
    for _ in range(6):
        await crawl(2)
        await rotate(ledger, full_bin_bytes=ONE_PAGE, keep_closed_bins=3)
    assert await kept_bins(ledger) == 4
    assert await value(ledger, "SELECT count(*) FROM api_request") == 6


async def test_a_full_bin_holds_at_most_25_000_of_the_smallest_rows(ledger, crawl):
    smallest = "INSERT INTO api_request SELECT now(), request_bin, 0, 0, 0, NULL, '', '', '' FROM crawl_job"
    await value(ledger, f"WITH added AS ({smallest}, generate_series(1, 25000) RETURNING 1) SELECT count(*) FROM added")
    await rotate(ledger)
    assert await kept_bins(ledger) == 2


async def test_a_half_full_bin_has_a_spare_that_is_not_used_yet(ledger, crawl):
    await crawl(1)
    assert await rotate(ledger, full_bin_bytes=2 * ONE_PAGE) == [1, 0]
    assert await kept_bins(ledger) == 1


async def test_a_spare_is_not_used_before_it_is_old_enough(ledger, crawl):
    await crawl(1)
    assert await rotate(ledger, full_bin_bytes=ONE_PAGE, spare_age_s=60) == [1, 0]


async def test_bins_older_than_the_retention_go(ledger, crawl):
    await crawl(1)
    await rotate(ledger, full_bin_bytes=ONE_PAGE)
    await value(ledger, "UPDATE request_bin SET closed_at = now() - interval '25 hours' WHERE id = 1 RETURNING 1")
    await rotate(ledger)
    assert await value(ledger, "SELECT count(*) FROM api_request") == 0


async def test_an_ageing_bin_gets_a_successor_however_little_it_holds(ledger, crawl):
    await crawl(1)
    await value(ledger, "UPDATE request_bin SET opened_at = now() - interval '7 hours' RETURNING 1")
    assert await rotate(ledger) == [1, 1]


async def test_an_idle_job_opens_no_bins(ledger, crawl):
    await value(ledger, "UPDATE request_bin SET opened_at = now() - interval '7 hours' RETURNING 1")
    assert await requests.rotate(ledger) == 0


async def test_commits_and_rotations_at_once_neither_fail_nor_lose_a_row(ledger, crawl):
    done = asyncio.Event()

    async def keep_rotating():
        while not done.is_set():
            await requests.rotate(ledger, full_bin_bytes=ONE_PAGE, keep_closed_bins=1000, spare_age_s=0.05)

    rotating = [asyncio.create_task(keep_rotating()) for _ in range(2)]
    commits = 0
    while await kept_bins(ledger) < 8:
        await crawl(2)
        commits += 1
    done.set()
    await asyncio.gather(*rotating)
    assert await value(ledger, "SELECT count(*) FROM api_request") == 2 * commits


async def test_a_bin_that_a_long_transaction_holds_is_dropped_later(ledger, crawl):
    await crawl(1)
    await rotate(ledger, full_bin_bytes=ONE_PAGE)
    async with ledger.transaction() as connection:
        await connection.execute("SELECT count(*) FROM api_request")
        assert await requests.rotate(ledger, keep_closed_bins=0) == 0
    assert await requests.rotate(ledger, keep_closed_bins=0) == 1


async def test_the_view_shows_requests_within_the_retention_only(ledger):
    job = await record(ledger, crawljob(requestLogRetention="1h"))
    now_us = int(await value(ledger, "SELECT extract(epoch FROM now()) * 1000000"))
    log = [RequestRow(now_us - age * 60_000_000, "aa00", 0, 50, 200, "ok", 0.1, "w") for age in (1, 59, 61)]
    await batches.commit(ledger, batch_of(*await taken_first_range(ledger, job), requests=log))
    assert await value(ledger, "SELECT count(*) FROM requests WHERE namespace = 'default' AND name = 'artists'") == 2


async def test_the_rate_is_carried_over_where_the_log_does_not_reach_back_a_minute(ledger, crawl):
    await crawl(30)
    sets = "started_at = now() - interval '1 hour'"
    await value(ledger, f"UPDATE crawl_run SET {sets} RETURNING 1")
    await value(ledger, "UPDATE request_bin SET opened_at = now() - interval '30 seconds' RETURNING 1")
    assert 55 <= (await jobs.progress(ledger, 1)).requests_last_minute <= 60


async def test_counting_a_job_is_planned_without_other_jobs_bins(ledger):
    jobs_there = [await record(ledger, crawljob(name=f"artists-{number}")) for number in range(4)]
    mine = jobs_there[1].id
    own = await requests.bins(ledger, mine)
    async with ledger.transaction() as connection:
        explained = await connection.execute(b"EXPLAIN " + query("jobs.progress"), {"job_id": mine, "bins": own})
        plan = str(await explained.fetchall())
    assert set(re.findall(r"api_request_(\d+)", plan)) == {str(each) for each in own}


async def test_counting_a_job_is_not_prepared(ledger_url):
    async with open_ledger(ledger_url, max_connections=1) as ledger:
        job = await record(ledger)
        for _ in range(3):
            await jobs.progress(ledger, job.id)
        prepared = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE"
        assert await value(ledger, f"{prepared} '%%api_request q%%' AND NOT statement LIKE '%%pg_prepared%%'") == 0


async def test_the_other_views_show_a_job_under_its_name(ledger, crawl):
    await crawl(1)
    assert await value(ledger, "SELECT percent FROM progress WHERE name = 'artists'") == 0
    assert await value(ledger, "SELECT count(*) FROM searches") == 0
    assert await value(ledger, "SELECT count(*) FROM artists") == 0
