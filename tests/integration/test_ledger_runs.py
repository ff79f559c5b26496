"""Runs of a job: begun when the last has ended, apart from each other, compared, and deleted one by one."""

import asyncio
import uuid

import pytest
from support.fakes.ledgers import (
    NOW_US,
    artist,
    batch_of,
    crawljob,
    open_ledger,
    record,
    table_counts,
    take,
    taken_first_range,
    value,
)

from crawl_core.ledger import batches, dead_letters, jobs, ranges, runs
from crawl_core.values.rows import Counters, DeadLetterRow

LARGE = {"minLength": 5, "maxLength": 5, "first": "00000", "last": "2zzzz", "rangeSize": 36**4}
"""5,038,848 strings: a run of its own tables."""


@pytest.fixture
async def ledger(ledger_url):
    async with open_ledger(ledger_url, max_connections=4) as opened:
        yield opened


async def crawl_all(ledger, job, *artists, strings=("aa00",)):
    """Every range to its end: `artists` are returned by the first one, which is searched for `strings`."""
    found = {"artists": [artist(each) for each in artists], "strings": list(strings)}
    for range_id in await ranges.open_ids(ledger, job.id, limit=100):
        row, owner = await take(ledger, range_id)
        covered = Counters(covered=36, requests=1)
        assert await batches.commit(ledger, batch_of(row, owner, cursor=None, counters=covered, **found))
        found = {}
    assert await jobs.finish(ledger, job.id)


async def again(ledger, job, number=2):
    """The next run, which a worker has opened."""
    assert await runs.begin(ledger, job.id, number)
    await jobs.reopen(ledger, job.uid)
    return await jobs.get(ledger, job.id)


async def test_a_run_begins_when_the_last_has_ended_and_not_before(ledger):
    job = await record(ledger)
    assert not await runs.begin(ledger, job.id, 2)
    await crawl_all(ledger, job, "A")
    assert not await runs.begin(ledger, job.id, 1)
    second = await again(ledger, job)
    assert (second.run, second.finished_at, second.id) == (2, None, job.id)
    assert second.run_id != job.run_id
    assert await ranges.count_open(ledger, job.id) == 2


async def test_a_run_that_is_asked_for_many_times_at_once_begins_once(ledger):
    job = await record(ledger)
    await crawl_all(ledger, job)
    begun = await asyncio.gather(*(runs.begin(ledger, job.id, 2) for _ in range(8)))
    assert sum(begun) == 1
    assert await value(ledger, "SELECT count(*) FROM crawl_run") == 2
    assert await ranges.count_open(ledger, job.id) == 2


async def test_the_number_of_the_first_run_is_the_one_that_is_wanted(ledger):
    assert (await record(ledger, crawljob(run=20261129))).run == 20261129
    assert (await record(ledger, crawljob("other"), uid="uid-2")).run == 1


async def test_searches_and_counts_are_those_of_the_run(ledger):
    """The second run asks every string again: the first one's rows do not stand in its way."""
    job = await record(ledger)
    await crawl_all(ledger, job, "A", "B")
    second = await again(ledger, job)
    assert (await jobs.progress(ledger, job.id)).searches == 0
    await crawl_all(ledger, second, "B", "C")
    progress = await jobs.progress(ledger, job.id)
    assert (progress.searches, progress.artists, progress.artists_new, progress.covered) == (1, 2, 1, 72)


async def test_runs_say_what_each_brought_and_how_it_differs_from_the_one_before(ledger):
    job = await record(ledger)
    await crawl_all(ledger, job, "A", "B", "D")
    await crawl_all(ledger, await again(ledger, job), "B", "C")
    while await runs.compare(ledger, job.id):
        pass
    second, first = await runs.latest(ledger, job.id)
    assert (first.number, first.artists, first.artists_new, first.added, first.gone) == (1, 3, 3, None, None)
    assert (second.number, second.artists, second.artists_new, second.added, second.gone) == (2, 2, 1, 1, 2)
    assert (first.requests, first.covered, first.total, first.searches) == (2, 72, 72, 1)


async def test_what_workers_noted_of_a_run_is_not_of_the_next(ledger):
    job = await record(ledger)
    await crawl_all(ledger, job)
    await jobs.note_problem(ledger, job.id, "Misconfigured", "a worker was misconfigured once")
    second = await again(ledger, job)
    assert (second.problem_reason, second.problem_message, second.problem_at) == (None, None, None)


async def test_runs_that_have_ended_are_listed_apart(ledger):
    job = await record(ledger)
    await crawl_all(ledger, job, "A")
    await again(ledger, job)
    assert [run.number for run in await runs.ended(ledger, job.id)] == [1]
    assert [run.number for run in await runs.latest(ledger, job.id)] == [2, 1]


async def test_a_range_of_an_earlier_run_is_nobodys(ledger):
    job = await record(ledger)
    row, _ = await taken_first_range(ledger, job)
    await value(ledger, f"UPDATE crawl_run SET finished_at = now() WHERE id = {job.run_id} RETURNING 1")
    await again(ledger, job)
    assert await ranges.take(ledger, row.id, fence=row.fence, owner=str(uuid.uuid4()), job_uid=job.uid) is None


async def test_the_current_run_is_not_deleted_and_an_earlier_one_leaves_its_row_and_the_artists(ledger):
    job = await record(ledger)
    await crawl_all(ledger, job, "A")
    assert not await runs.delete(ledger, job.id, 1)
    await crawl_all(ledger, await again(ledger, job), "A")
    assert await runs.delete(ledger, job.id, 1)
    assert not await runs.delete(ledger, job.id, 1)
    while await jobs.reap(ledger, chunk=1):
        pass
    counts = await table_counts(ledger)
    assert (counts["search"], counts["run_artist"], counts["artist"], counts["crawl_range"]) == (1, 1, 1, 2)
    second, first = await runs.latest(ledger, job.id)
    assert (first.data_deleted_at is not None, first.artists, second.data_deleted_at) == (True, 1, None)
    assert (await jobs.get(ledger, job.id)).run == 2


async def test_a_large_run_has_tables_of_its_own_that_go_with_it(ledger):
    job = await record(ledger, crawljob(keyspace=LARGE))
    assert job.run_id >= 1_000_000_000
    row, owner = await taken_first_range(ledger, job)
    assert await batches.commit(ledger, batch_of(row, owner, strings=["00000"], artists=[artist("A")]))
    own = f"SELECT count(*) FROM search_{job.run_id} JOIN run_artist_{job.run_id} USING (run_id)"
    assert await value(ledger, own) == 1
    assert await value(ledger, "SELECT string FROM searches") == "00000"
    await jobs.mark_deleted(ledger, job.id)
    while await jobs.reap(ledger):
        pass
    assert await value(ledger, f"SELECT to_regclass('search_{job.run_id}') IS NULL")
    assert await jobs.get(ledger, job.id) is None


async def test_more_than_sixteen_large_runs_share_the_tables_of_small_ones(ledger):
    jobs_ = [await record(ledger, crawljob(f"large-{n}", keyspace=LARGE), uid=f"uid-{n}") for n in range(17)]
    assert [job.run_id >= 1_000_000_000 for job in jobs_] == [True] * 16 + [False]


async def test_a_default_crawl_takes_no_large_runs_place(ledger):
    """Sixteen of them would leave none to a crawl of a hundred million."""
    assert (await record(ledger, crawljob(keyspace={"rangeSize": 36**3}))).run_id < 1_000_000_000


async def test_artists_of_two_sources_are_two_artists_whatever_their_ids(ledger):
    """A crawl of the sandbox and one of a real API on one ledger touch no row of each other."""
    sandbox = await record(ledger)
    real = crawljob(
        "real",
        source={
            "type": "Spotify",
            "spotify": {"termsAccepted": True},
            "credentialsSecretRef": {"name": "spotify"},
        },
    )
    spotify = await record(ledger, real, uid="uid-2")
    row, owner = await taken_first_range(ledger, sandbox)
    await batches.commit(ledger, batch_of(row, owner, artists=[artist("A", name="of the sandbox")]))
    range_id = (await ranges.open_ids(ledger, spotify.id, limit=1))[0]
    row, owner = await take(ledger, range_id, job_uid="uid-2")
    committed = await batches.commit(ledger, batch_of(row, owner, artists=[artist("A", name="of the real API")]))
    assert committed.artists_new == 1
    names = "SELECT array_agg(source || ': ' || name || ' (' || first_job || ')' ORDER BY source) FROM artists"
    assert await value(ledger, names) == ["sandbox: of the sandbox (artists)", "spotify: of the real API (real)"]


async def test_an_artists_key_is_drawn_once_however_often_it_is_returned(ledger):
    job = await record(ledger)
    for name in ("one", "two"):
        row, owner = await taken_first_range(ledger, job)
        await batches.commit(ledger, batch_of(row, owner, artists=[artist("A", name=name)]))
    row, owner = await taken_first_range(ledger, job)
    await batches.commit(ledger, batch_of(row, owner, artists=[artist("B")]))
    assert await value(ledger, "SELECT array_agg(key ORDER BY key) FROM artist") == [1, 2]


async def test_a_replay_makes_a_run_be_compared_anew(ledger):
    job = await record(ledger)
    await crawl_all(ledger, job, "A", "B")
    second = await again(ledger, job)
    letter = DeadLetterRow("aa05", "timeout", 8, "no answer", NOW_US)
    row, owner = await taken_first_range(ledger, second)
    buried = batch_of(row, owner, dead_letters=[letter], cursor=None, counters=Counters(covered=36))
    assert await batches.commit(ledger, buried)
    await crawl_all(ledger, second, "A", strings=())
    assert await runs.compare(ledger, job.id)
    assert (await runs.latest(ledger, job.id))[0].gone == 1
    (range_id,) = await dead_letters.replay(ledger, job.id)
    assert (await runs.latest(ledger, job.id))[0].gone is None
    await jobs.reopen(ledger, job.uid)
    row, owner = await take(ledger, range_id)
    assert await batches.commit(ledger, batch_of(row, owner, cursor=None, artists=[artist("B")], strings=["aa05"]))
    assert await jobs.finish(ledger, job.id)
    assert await runs.compare(ledger, job.id)
    assert (await runs.latest(ledger, job.id))[0].gone == 0


async def test_a_run_whose_rows_go_is_not_compared_any_more(ledger):
    """Between finding it and comparing it: what is counted of rows that go is wrong for good."""
    job = await record(ledger)
    await crawl_all(ledger, job, "A", "B")
    second = await again(ledger, job)
    await crawl_all(ledger, second, "A", "B")
    found = {"run_id": second.run_id, "before_id": job.run_id}
    assert await runs.delete(ledger, job.id, 1)
    assert await ledger.run("runs.compare", found) == 0
    await value(ledger, f"UPDATE crawl_run SET deleted_at = NULL WHERE id = {job.run_id} RETURNING 1")
    assert await ledger.run("runs.compare", found) == 1
    assert await ledger.run("runs.compare", found) == 0


async def test_a_run_that_begins_while_its_job_is_deleted_goes_with_it(ledger):
    job = await record(ledger)
    await crawl_all(ledger, job, "A")
    await again(ledger, job)
    await jobs.mark_deleted(ledger, job.id)
    await value(
        ledger, "UPDATE crawl_run SET deleted_at = NULL WHERE number = 2 RETURNING 1"
    )  # as one that came between
    while await jobs.reap(ledger):
        pass
    counts = await table_counts(ledger)
    assert (counts["crawl_range"], counts["search"], await value(ledger, "SELECT count(*) FROM crawl_run")) == (0, 0, 0)


async def test_tables_that_somebody_reads_hold_up_no_other_deletion_and_are_tried_once_a_call(ledger):
    large = await record(ledger, crawljob(keyspace=LARGE))
    small = await record(ledger, crawljob("small"), uid="uid-2")
    async with ledger.transaction() as reader:
        await reader.execute(f"SELECT count(*) FROM search_{large.run_id}".encode())
        for job in (large, small):
            await jobs.mark_deleted(ledger, job.id)
        while await jobs.reap(ledger):
            pass
        assert await jobs.held(ledger)
        assert await value(ledger, "SELECT array_agg(name) FROM crawl_job") == ["artists"]
    while await jobs.reap(ledger):
        pass
    assert not await jobs.held(ledger)
    assert await value(ledger, "SELECT count(*) FROM crawl_job") == 0
