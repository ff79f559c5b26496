"""Bucket rows on a real server: the strictest limits, and freezes that the newer record decides."""

import asyncio

import pytest
from support.fakes.ledgers import crawljob, open_ledger, record, value

from crawl_core.errors import ConfigurationError
from crawl_core.ledger import buckets, jobs
from crawl_core.ledger.buckets import BucketRows
from crawl_core.values.limits import Binder, BucketLimits

UNTIL_US = 1_760_000_000_123_457


@pytest.fixture
async def ledger(ledger_url):
    async with open_ledger(ledger_url) as opened:
        yield opened


@pytest.fixture
def rows(ledger):
    return BucketRows(ledger)


def limited(name, requests, window, spacing, timeout="10s", **spec):
    limit = {"requests": requests, "window": window, "spacing": spacing}
    return crawljob(name, rateLimit=limit, source={"requestTimeout": timeout}, **spec)


async def test_one_of_many_at_once_inserts_the_row(ledger, rows):
    await record(ledger)
    found = await asyncio.gather(*(rows.ensure("credential:test") for _ in range(8)))
    assert sorted(inserted for _, inserted in found) == [False] * 7 + [True]
    assert {row for row, _ in found} == {found[0][0]}


async def test_a_bucket_that_no_job_uses_is_refused(rows):
    with pytest.raises(ConfigurationError, match="no job that uses one: apply a CrawlJob"):
        await rows.ensure("credential:unknown")


async def test_two_jobs_of_a_bucket_get_the_strictest_of_each_limit(ledger, rows):
    await record(ledger, limited("one", 10, "30s", "Burst"))
    await record(ledger, limited("two", 50, "10s", "Even", timeout="20s"), uid="uid-2")
    row, _ = await rows.ensure("credential:test")
    assert row.limits == BucketLimits(requests=10, window_s=30.0, request_timeout_s=20.0, even=True)


async def ended_by_finish(ledger, job):
    await value(ledger, f"UPDATE crawl_run SET finished_at = now() WHERE id = {job.run_id} RETURNING 1")


async def ended_by_release(ledger, job):
    await jobs.close(ledger, job.id)
    assert await jobs.release(ledger, job.id)


async def later(ledger, job, *, seconds):
    """As it is after so many seconds."""
    back = f"make_interval(secs => {seconds})"
    await value(ledger, f"UPDATE crawl_job SET released_at = released_at - {back} WHERE id = {job.id} RETURNING 1")
    await value(ledger, f"UPDATE crawl_run SET finished_at = finished_at - {back} WHERE id = {job.run_id} RETURNING 1")


async def limits_now(rows):
    return (await rows.merge_freeze("credential:test", epoch=0, frozen_until_us=0)).limits


STRICT = BucketLimits(requests=10, window_s=30.0, request_timeout_s=10.0, even=True)
WIDE = BucketLimits(requests=50, window_s=10.0, request_timeout_s=10.0, even=False)


@pytest.fixture
async def strict(ledger, rows):
    """A job with a strict limit, beside one with a wide one."""
    job = await record(ledger, limited("one", 10, "30s", "Even"))
    await record(ledger, limited("two", 50, "10s", "Burst"), uid="uid-2")
    await rows.ensure("credential:test")
    return job


@pytest.mark.parametrize("end", [ended_by_finish, ended_by_release])
async def test_a_job_that_has_ended_binds_until_its_last_request_can_have_arrived(ledger, rows, strict, end):
    await end(ledger, strict)
    # Horizon, send deadline, request timeout and margin: 2 + 0.25 + 10 + 0.5 s.
    await later(ledger, strict, seconds=12.0)
    assert await limits_now(rows) == STRICT
    await later(ledger, strict, seconds=0.76)
    assert await limits_now(rows) == WIDE


async def test_a_deleted_job_binds_nobody(ledger, rows, strict):
    await jobs.mark_deleted(ledger, strict.id)
    assert await limits_now(rows) == WIDE


async def test_a_job_that_is_closed_and_not_released_binds(ledger, rows, strict):
    await jobs.close(ledger, strict.id)
    await later(ledger, strict, seconds=86_400)
    assert await limits_now(rows) == STRICT


async def test_a_released_job_that_is_recorded_again_binds_at_once_and_stays_closed(ledger, rows, strict):
    await ended_by_release(ledger, strict)
    await later(ledger, strict, seconds=60)
    again = await record(ledger, limited("one", 10, "30s", "Even"))
    assert await limits_now(rows) == STRICT
    assert again.released_at is None
    assert await jobs.bind(ledger, again.uid)


async def test_the_limits_stay_when_the_last_job_ends(ledger, rows):
    job = await record(ledger, limited("one", 7, "30s", "Even"))
    before, _ = await rows.ensure("credential:test")
    await ended_by_finish(ledger, job)
    await later(ledger, job, seconds=60)
    assert await rows.merge_freeze("credential:test", epoch=0, frozen_until_us=0) == before


async def test_a_changed_spec_changes_the_limits(ledger, rows):
    await record(ledger, limited("one", 7, "30s", "Even"))
    await rows.ensure("credential:test")
    await record(ledger, limited("one", 9, "30s", "Even"))
    assert (await rows.merge_freeze("credential:test", epoch=0, frozen_until_us=0)).limits.requests == 9


async def test_the_longest_timeout_that_was_ever_in_force_is_remembered(ledger, rows):
    await record(ledger, limited("one", 7, "30s", "Even", timeout="20s"))
    await rows.ensure("credential:test")
    for timeout, longest_s in (("60s", 60.0), ("1s", 60.0), ("30s", 60.0)):
        await record(ledger, limited("one", 7, "30s", "Even", timeout=timeout))
        row = await rows.merge_freeze("credential:test", epoch=0, frozen_until_us=0)
        assert (f"{row.limits.request_timeout_s:g}s", row.longest_timeout_s) == (timeout, longest_s)
    assert (await rows.ensure("credential:test"))[0] == row


async def test_a_bucket_that_is_used_again_remembers_the_timeouts_of_jobs_that_ended(ledger, rows):
    ended = await record(ledger, limited("one", 7, "30s", "Even", timeout="60s"))
    await ended_by_finish(ledger, ended)
    await later(ledger, ended, seconds=3600)
    await record(ledger, limited("two", 7, "30s", "Even", timeout="5s"), uid="uid-2")
    row, _ = await rows.ensure("credential:test")
    assert (row.limits.request_timeout_s, row.longest_timeout_s) == (5.0, 60.0)


async def test_every_node_has_the_limits_of_the_jobs_that_count_nodes(ledger, rows):
    await record(ledger, limited("one", 7, "30s", "Even"), bucket=None, bucket_scope="Node")
    await record(ledger, limited("two", 3, "30s", "Even"), uid="uid-2")
    assert (await rows.ensure("node:10.0.0.1"))[0].limits.requests == 7
    assert (await rows.ensure("node:10.0.0.2"))[0].limits.requests == 7


@pytest.mark.parametrize(
    ("stored", "told", "expected"),
    [
        ((3, UNTIL_US), (2, UNTIL_US + 9), (3, UNTIL_US)),
        ((3, UNTIL_US), (4, UNTIL_US - 9), (4, UNTIL_US - 9)),
        ((3, UNTIL_US), (3, UNTIL_US - 9), (3, UNTIL_US)),
        ((3, UNTIL_US), (3, UNTIL_US + 9), (3, UNTIL_US + 9)),
        ((3, UNTIL_US), (4, 0), (4, 0)),
        ((3, 0), (3, UNTIL_US), (3, UNTIL_US)),
        ((0, 0), (0, 0), (0, 0)),
    ],
)
async def test_the_higher_epoch_wins_and_on_a_tie_the_later_instant(ledger, rows, stored, told, expected):
    await record(ledger)
    await rows.ensure("credential:test")
    await rows.merge_freeze("credential:test", epoch=stored[0], frozen_until_us=stored[1])
    row = await rows.merge_freeze("credential:test", epoch=told[0], frozen_until_us=told[1])
    assert (row.epoch, row.frozen_until_us) == expected
    assert await buckets.all(ledger) == [row]


async def test_the_latest_of_many_freezes_at_once_stays(ledger, rows):
    await record(ledger)
    await rows.ensure("credential:test")
    told = [rows.merge_freeze("credential:test", epoch=1, frozen_until_us=UNTIL_US + n) for n in range(20)]
    await asyncio.gather(*told)
    assert (await buckets.all(ledger))[0].frozen_until_us == UNTIL_US + 19


async def test_a_reconcile_that_changes_nothing_writes_nothing(ledger, rows):
    await record(ledger)
    await rows.ensure("credential:test")
    await rows.merge_freeze("credential:test", epoch=1, frozen_until_us=UNTIL_US)
    before = await value(ledger, "SELECT ctid::text FROM bucket")
    await rows.merge_freeze("credential:test", epoch=1, frozen_until_us=UNTIL_US)
    assert await value(ledger, "SELECT ctid::text FROM bucket") == before


async def test_a_bucket_that_only_redis_knows_gets_its_row_and_its_freeze_with_the_first_comparison(ledger, rows):
    """The ledger was replaced or restored to before the bucket's first use."""
    await record(ledger, limited("one", 10, "30s", "Even"))
    row = await rows.merge_freeze("credential:test", epoch=3, frozen_until_us=UNTIL_US)
    assert (row.epoch, row.frozen_until_us, row.limits.requests) == (3, UNTIL_US, 10)
    assert await rows.ensure("credential:test") == (row, False)


async def crawls(ledger, job):
    pass


async def is_idle(ledger, job):
    await value(ledger, "UPDATE crawl_run SET started_at = now() - interval '121 seconds' RETURNING 1")


async def was_suspended(ledger, job):
    await record(ledger, limited("one", 10, "30s", "Even", suspend=True))


@pytest.mark.parametrize(
    ("become", "activity"),
    [
        (crawls, "crawls"),
        (is_idle, "idle"),
        (was_suspended, "suspended"),
        (ended_by_finish, "ends"),
        (ended_by_release, "ends"),
    ],
)
async def test_who_binds_a_job_is_told_with_what_it_does(ledger, strict, become, activity):
    await become(ledger, strict)
    held_back = await jobs.find(ledger, "default", "two")
    told = Binder("default/one", requests=10, window_s=30.0, even=True, activity=activity)
    assert await buckets.binders(ledger, held_back.id) == (told,)
    await later(ledger, strict, seconds=60)
    if activity == "ends":
        assert await buckets.binders(ledger, held_back.id) == ()
