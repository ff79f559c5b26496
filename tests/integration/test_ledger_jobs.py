"""Jobs on a real server: recorded whole or not at all, adopted or refused, counted, finished once, reaped."""

import asyncio

import pytest
from support.fakes.ledgers import (
    NOW_US,
    UID,
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
from support.proofs.walks import size_of

from crawl_core.backends.migrate import Migration, migrate, migrations
from crawl_core.backends.queries import query
from crawl_core.errors import (
    LedgerUnavailableError,
    NameTakenError,
    SchemaVersionError,
)
from crawl_core.keyspace import Keyspace
from crawl_core.ledger import batches, dead_letters, jobs, ranges
from crawl_core.ledger.ledger import Ledger
from crawl_core.values.rows import Counters, DeadLetterRow, RequestRow


@pytest.fixture
async def ledger(ledger_url):
    async with open_ledger(ledger_url) as opened:
        yield opened


async def finish_all(ledger, job):
    """Crawl every open range of a job: each covers its strings."""
    for range_id in await ranges.open_ids(ledger, job.id, limit=1000):
        row, owner = await take(ledger, range_id)
        covered = Counters(covered=size_of(job.crawl_job.spec.keyspace.to_keyspace(), row))
        assert await batches.commit(ledger, batch_of(row, owner, cursor=None, counters=covered)) is not None


async def test_a_job_is_recorded_with_all_its_ranges(ledger):
    job = await record(ledger)
    rows = [await ranges.read(ledger, range_id) for range_id in await ranges.open_ids(ledger, job.id, limit=9)]
    assert [(row.first, row.last, row.cursor.string) for row in rows] == [
        ("aa00", "aa0z", "aa00"),
        ("aa10", "aa1z", "aa10"),
    ]
    assert job.total == 72


async def test_a_job_that_is_cut_short_while_recorded_is_not_there(ledger, monkeypatch):
    """A job's row without its ranges would count as finished."""

    def cut_short(self):
        yield from list(original(self))[:1]
        raise KeyboardInterrupt

    original = Keyspace.root_ranges
    monkeypatch.setattr(Keyspace, "root_ranges", cut_short)
    with pytest.raises(KeyboardInterrupt):
        await record(ledger)
    assert await jobs.all(ledger) == []
    assert (await table_counts(ledger))["crawl_range"] == 0


async def test_a_hundred_thousand_ranges_are_recorded_at_once(ledger):
    job = await record(ledger, crawljob(keyspace={"rangeSize": 17}))
    assert await ranges.count_open(ledger, job.id) == 98_801


async def test_of_many_that_record_a_job_at_once_one_does_and_the_others_go_on_with_it(ledger):
    found = await asyncio.gather(*(record(ledger, uid=f"uid-{n}") for n in range(8)))
    assert len({job.id for job in found}) == 1
    assert (await table_counts(ledger))["crawl_range"] == 2


async def test_a_job_applied_again_goes_on_under_its_new_uid_and_spec(ledger):
    job = await record(ledger)
    row, owner = await taken_first_range(ledger, job)
    await batches.commit(ledger, batch_of(row, owner, strings=["aa00"]))
    again = await record(ledger, crawljob(rateLimit={"requests": 99}), uid="uid-2")
    assert (again.id, again.uid, again.crawl_job.spec.rate_limit.requests) == (job.id, "uid-2", 99)
    assert (await ranges.read(ledger, row.id)).cursor.batch == 1


async def test_a_worker_of_a_job_that_was_applied_again_claims_nothing(ledger):
    job = await record(ledger)
    await record(ledger, uid="uid-2")
    range_id = (await ranges.open_ids(ledger, job.id, limit=1))[0]
    owner = "00000000-0000-0000-0000-000000000001"
    assert await ranges.take(ledger, range_id, fence=0, owner=owner, job_uid=UID) is None


async def test_a_worker_of_a_deleted_job_claims_nothing(ledger):
    job = await record(ledger)
    range_id = (await ranges.open_ids(ledger, job.id, limit=1))[0]
    await jobs.mark_deleted(ledger, job.id)
    owner = "00000000-0000-0000-0000-000000000001"
    assert await ranges.take(ledger, range_id, fence=0, owner=owner, job_uid=UID) is None


async def test_a_claimer_that_slept_past_its_lease_cannot_throw_out_the_owner(ledger):
    job = await record(ledger)
    range_id = (await ranges.open_ids(ledger, job.id, limit=1))[0]
    read_before_sleep = (await ranges.read(ledger, range_id)).fence
    row, owner = await take(ledger, range_id)
    sleeper = "00000000-0000-0000-0000-000000000001"
    assert await ranges.take(ledger, range_id, fence=read_before_sleep, owner=sleeper, job_uid=UID) is None
    assert await batches.commit(ledger, batch_of(row, owner, strings=["aa00"])) is not None


async def test_a_done_range_is_not_taken(ledger):
    job = await record(ledger)
    row, owner = await taken_first_range(ledger, job)
    await batches.commit(ledger, batch_of(row, owner, cursor=None))
    assert await ranges.take(ledger, row.id, fence=row.fence, owner=owner, job_uid=UID) is None


async def test_a_name_taken_by_another_crawl_names_the_difference_and_both_remedies(ledger):
    await record(ledger)
    other = crawljob(keyspace={"first": "aa00", "last": "aa2z", "rangeSize": 36})
    with pytest.raises(NameTakenError, match=r"keyspace\.last: 'aa1z' there, 'aa2z' here.*another metadata\.name, or"):
        await record(ledger, other)


async def test_a_deleted_job_gives_its_name_free(ledger):
    job = await record(ledger)
    await jobs.mark_deleted(ledger, job.id)
    assert await jobs.find(ledger, "default", "artists") is None
    again = await record(ledger, crawljob(keyspace={"minLength": 1, "maxLength": 2}))
    assert again.id != job.id
    assert [one.id for one in await jobs.all(ledger)] == [again.id]
    assert (await jobs.get(ledger, job.id)).deleted_at is not None


async def test_a_job_is_finished_by_the_call_that_finds_all_covered_and_by_no_other(ledger):
    job = await record(ledger)
    assert await jobs.finish(ledger, job.id) is False
    await finish_all(ledger, job)
    assert [await jobs.finish(ledger, job.id) for _ in range(2)] == [True, False]
    assert (await jobs.get(ledger, job.id)).finished_at is not None


async def test_a_job_whose_ranges_are_done_but_do_not_cover_the_keyspace_is_not_finished(ledger):
    job = await record(ledger)
    for range_id in await ranges.open_ids(ledger, job.id, limit=9):
        row, owner = await take(ledger, range_id)
        await batches.commit(ledger, batch_of(row, owner, cursor=None, counters=Counters(covered=35)))
    assert await jobs.finish(ledger, job.id) is False


async def test_a_job_without_ranges_is_not_finished(ledger):
    job = await record(ledger)
    await value(ledger, "WITH gone AS (DELETE FROM crawl_range RETURNING 1) SELECT count(*) FROM gone")
    assert await jobs.finish(ledger, job.id) is False


async def test_a_deleted_job_is_not_finished(ledger):
    job = await record(ledger)
    await finish_all(ledger, job)
    await jobs.mark_deleted(ledger, job.id)
    assert await jobs.finish(ledger, job.id) is False


async def bury(ledger, job, *strings):
    """Give up strings of the first range, which is then done."""
    row, owner = await taken_first_range(ledger, job)
    letters = [DeadLetterRow(string, "timeout", 8, "no answer", NOW_US) for string in strings]
    batch = batch_of(row, owner, dead_letters=letters, cursor=None, counters=Counters(covered=36))
    assert await batches.commit(ledger, batch) is not None


async def test_dead_letters_count_as_covered(ledger):
    job = await record(ledger)
    await bury(ledger, job, "aa03")
    await finish_all(ledger, job)
    assert await jobs.finish(ledger, job.id) is True
    assert (await jobs.progress(ledger, job.id)).dead_letters == 1


async def test_a_replay_reopens_the_job_with_a_range_that_covers_nothing(ledger):
    job = await record(ledger)
    await bury(ledger, job, "aa03", "aa05")
    await finish_all(ledger, job)
    await jobs.finish(ledger, job.id)
    (range_id,) = await dead_letters.replay(ledger, job.id, ["aa03"])
    assert (await jobs.get(ledger, job.id)).finished_at is None
    assert await jobs.finish(ledger, job.id) is False
    await jobs.reopen(ledger, job.uid)
    row, owner = await take(ledger, range_id)
    assert (row.first, row.last, row.length, row.counts_coverage) == ("aa03", "aa03", 4, False)
    await batches.commit(ledger, batch_of(row, owner, strings=["aa03"], cursor=None))
    assert [letter.string for letter in await dead_letters.all(ledger, job.id)] == ["aa05"]
    assert await jobs.finish(ledger, job.id) is True
    assert (await jobs.progress(ledger, job.id)).covered == 72


async def test_a_dead_letter_is_replayed_by_one_of_many_calls_at_once(ledger):
    job = await record(ledger)
    await bury(ledger, job, "aa03", "aa05")
    found = await asyncio.gather(*(dead_letters.replay(ledger, job.id) for _ in range(6)))
    assert sorted(map(len, found)) == [0, 0, 0, 0, 0, 2]


async def test_a_deleted_job_replays_nothing(ledger):
    job = await record(ledger)
    await bury(ledger, job, "aa03")
    await jobs.mark_deleted(ledger, job.id)
    assert await dead_letters.replay(ledger, job.id) == []


async def test_a_replay_of_a_run_that_had_ended_closes_the_job_until_its_limits_count(ledger):
    """One of a run that goes on does not: nobody's limits have changed."""
    closed = "SELECT released_at = 'infinity' FROM crawl_job"
    job = await record(ledger)
    await bury(ledger, job, "aa03")
    await bury(ledger, job, "aa13")
    assert await dead_letters.replay(ledger, job.id, ["aa03"])
    assert await value(ledger, closed) is None
    await finish_all(ledger, job)
    assert await jobs.finish(ledger, job.id)
    assert await dead_letters.replay(ledger, job.id, ["aa13"])
    assert await value(ledger, closed) is True


async def test_finishing_while_a_replay_commits_does_not_close_the_reopened_job(ledger):
    """finish waits for the job's row with the ranges of before the replay in its snapshot."""
    job = await record(ledger)
    await bury(ledger, job, "aa03")
    await finish_all(ledger, job)
    async with ledger.transaction() as connection:
        await connection.execute(query("dead_letters.replay"), {"job_id": job.id, "strings": None})
        finishing = asyncio.create_task(jobs.finish(ledger, job.id))
        async with asyncio.timeout(20):
            while not await value(ledger, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
                await asyncio.sleep(0.01)
    assert await finishing is False
    assert (await jobs.get(ledger, job.id)).finished_at is None


async def test_open_ranges_come_in_pages(ledger):
    job = await record(ledger, crawljob(keyspace={"first": "aa00", "last": "aa09", "rangeSize": 1}))
    first = await ranges.open_ids(ledger, job.id, limit=6)
    rest = await ranges.open_ids(ledger, job.id, after=first[-1], limit=6)
    assert (len(first), len(rest), await ranges.count_open(ledger, job.id)) == (6, 4, 10)


async def test_progress_of_a_fresh_job_is_zero_of_all(ledger):
    job = await record(ledger)
    progress = await jobs.progress(ledger, job.id)
    assert (progress.covered, progress.total, progress.open_ranges, progress.done_ranges) == (0, 72, 2, 0)
    assert (progress.searches, progress.requests_last_minute, progress.last_commit_at) == (0, 0, None)


async def test_progress_counts_the_requests_of_the_last_minute(ledger):
    job = await record(ledger)
    now_us = int(await value(ledger, "SELECT extract(epoch FROM now()) * 1000000"))
    ages_s = (1, 30, 61, 500)
    log = [RequestRow(now_us - age * 1_000_000, "aa00", 0, 50, 200, "ok", 0.1, "w") for age in ages_s]
    await batches.commit(ledger, batch_of(*await taken_first_range(ledger, job), requests=log))
    assert (await jobs.progress(ledger, job.id)).requests_last_minute == 2


async def test_a_problem_and_a_page_size_are_noted_and_the_problem_cleared(ledger):
    job = await record(ledger)
    await jobs.note_page_size(ledger, job.id, 10)
    await jobs.note_problem(ledger, job.id, "BadCredentials", "the token endpoint answers 400")
    noted = await jobs.get(ledger, job.id)
    assert (noted.page_size, noted.problem_reason) == (10, "BadCredentials")
    await jobs.clear_problem(ledger, job.id)
    assert (await jobs.get(ledger, job.id)).problem_message is None


async def tries(ledger, job, *, wanted: int = 50, at_once: int = 4) -> int:
    claims = [jobs.claim_page_size_try(ledger, job.id, wanted=wanted) for _ in range(at_once)]
    return sum(await asyncio.gather(*claims))


async def a_day_passes(ledger, job) -> None:
    await value(
        ledger, f"UPDATE crawl_job SET page_size_tried_at = now() - interval '24 hours' WHERE id = {job.id} RETURNING 1"
    )


async def test_of_all_workers_one_a_day_tries_a_larger_page(ledger):
    job = await record(ledger)
    assert await tries(ledger, job) == 0  # Nothing was refused.
    await jobs.note_page_size(ledger, job.id, 10)
    assert await tries(ledger, job) == 0  # It was refused just now.
    for _ in range(2):
        await a_day_passes(ledger, job)
        assert (await tries(ledger, job), await tries(ledger, job)) == (1, 0)
    await a_day_passes(ledger, job)
    await jobs.note_page_size(ledger, job.id, None)
    assert await tries(ledger, job) == 0


async def test_a_worker_that_has_not_heard_of_another_page_size_tries_none(ledger):
    job = await record(ledger, crawljob(source={"pageSize": 20}))
    await jobs.note_page_size(ledger, job.id, 10)
    await a_day_passes(ledger, job)
    assert (await tries(ledger, job, wanted=50), await tries(ledger, job, wanted=20)) == (0, 1)


async def test_another_page_size_is_tried_at_once_and_by_one(ledger):
    job = await record(ledger)
    await jobs.note_page_size(ledger, job.id, 10)
    await record(ledger, crawljob(retry={"maxAttempts": 3}))
    assert await tries(ledger, job) == 0
    job = await record(ledger, crawljob(source={"pageSize": 20}))
    assert (job.page_size, job.page_size_tried_at) == (10, None)
    assert (await tries(ledger, job, wanted=20), await tries(ledger, job, wanted=20)) == (1, 0)


async def test_a_page_size_that_is_noted_again_was_not_tried_again(ledger):
    job = await record(ledger)
    await jobs.note_page_size(ledger, job.id, 10)
    noted = await jobs.get(ledger, job.id)
    await jobs.note_page_size(ledger, job.id, 10)
    assert await jobs.get(ledger, job.id) == noted


async def test_another_range_size_leaves_the_ranges_that_are_there_as_they_are(ledger):
    job = await record(ledger)
    row, owner = await taken_first_range(ledger, job)
    before = await ranges.open_ids(ledger, job.id, limit=99)
    keyspace = {**crawljob().spec.keyspace.model_dump(by_alias=True, exclude_none=True), "rangeSize": 3}
    again = await record(ledger, crawljob(keyspace=keyspace))
    assert (again.id, again.total, again.crawl_job.spec.keyspace.range_size) == (job.id, 72, 3)
    assert await ranges.open_ids(ledger, job.id, limit=99) == before
    assert await batches.commit(ledger, batch_of(row, owner, strings=["aa00"])) is not None


async def test_a_problem_that_gives_way_takes_no_other_ones_place(ledger):
    job = await record(ledger)

    async def noted(reason: str, message: str, *, gives_way: bool) -> tuple[str | None, str | None]:
        await jobs.note_problem(ledger, job.id, reason, message, gives_way=gives_way)
        row = await jobs.get(ledger, job.id)
        return row.problem_reason, row.problem_message

    assert await noted("FieldsUnreadable", "first", gives_way=True) == ("FieldsUnreadable", "first")
    assert await noted("FieldsUnreadable", "second", gives_way=True) == ("FieldsUnreadable", "first")
    assert await noted("QuotaExceeded", "today", gives_way=False) == ("QuotaExceeded", "today")
    assert await noted("FieldsUnreadable", "third", gives_way=True) == ("QuotaExceeded", "today")


async def test_a_problem_that_is_noted_again_keeps_its_first_time_until_it_is_cleared(ledger):
    job = await record(ledger)
    await jobs.note_problem(ledger, job.id, "BadCredentials", "400")
    first = (await jobs.get(ledger, job.id)).problem_at
    await jobs.note_problem(ledger, job.id, "BadCredentials", "401")
    assert (await jobs.get(ledger, job.id)).problem_at == first
    await jobs.clear_problem(ledger, job.id)
    assert (await jobs.get(ledger, job.id)).problem_at is None


async def test_the_reaper_deletes_a_deleted_jobs_rows_in_chunks_and_no_artist(ledger):
    job, other = await record(ledger), await record(ledger, crawljob("other"), uid="uid-2")
    await bury(ledger, job, "aa03")
    row, owner = await taken_first_range(ledger, job)
    log = [RequestRow(NOW_US, "aa10", 0, 50, 200, "ok", 0.1, "w")]
    strings = ["aa10", "aa11"]
    await batches.commit(ledger, batch_of(row, owner, strings=strings, artists=[artist("A")], requests=log))
    await jobs.mark_deleted(ledger, job.id)
    calls = 0
    while await jobs.reap(ledger, chunk=1):
        calls += 1
    left = {"search": 0, "artist": 1, "run_artist": 0, "dead_letter": 0, "api_request": 0, "crawl_range": 2}
    assert await table_counts(ledger) == left
    assert calls == 9  # 2 ranges, 2 searches, 1 link, 1 dead letter, the run, 1 request, the job
    assert await jobs.get(ledger, job.id) is None
    assert await ranges.count_open(ledger, other.id) == 2


async def test_the_reaper_touches_no_living_job(ledger):
    await record(ledger)
    assert await jobs.reap(ledger) is False


async def test_a_ledger_that_was_never_migrated_names_the_command(database_url):
    with pytest.raises(SchemaVersionError, match=r"is missing.*run artistcrawl migrate"):
        await Ledger.open(database_url)


async def test_a_ledger_that_was_migrated_past_this_process_is_met_at_open_and_later(ledger, ledger_url):
    beyond = Migration(migrations()[-1].version + 1, "beyond", "SELECT 1")
    await migrate(ledger_url, known=[*migrations(), beyond])
    with pytest.raises(SchemaVersionError, match="newer"):
        await ledger.check_schema()
    with pytest.raises(SchemaVersionError, match="newer"):
        await Ledger.open(ledger_url)


async def test_a_ledger_whose_server_restarts_is_unavailable_and_then_there_again(fresh_postgres):
    await migrate(fresh_postgres.url())
    async with open_ledger(fresh_postgres.url()) as ledger:
        job = await record(ledger)
        fresh_postgres.stop_immediately()
        with pytest.raises(LedgerUnavailableError):
            await jobs.get(ledger, job.id)
        fresh_postgres.start_again()
        assert (await jobs.get(ledger, job.id)) == job


@pytest.mark.parametrize(("suffix", "prepare", "prepared"), [("", True, 1), ("", False, 0), ("&prepare=off", True, 0)])
async def test_statements_are_prepared_unless_told_otherwise(ledger_url, suffix, prepare, prepared):
    """Behind a PgBouncer in transaction mode the next statement meets another session."""
    ledger = await Ledger.open(ledger_url + suffix, max_connections=1, application_name="test", prepare=prepare)
    for _ in range(3):
        await jobs.get(ledger, 1)
    mine = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%problem_reason%'"
    assert await value(ledger, mine) == prepared
    await ledger.close()


async def test_a_table_that_went_away_is_waited_for_and_names_the_command(ledger):
    async with ledger.transaction() as connection:
        await connection.execute("ALTER TABLE crawl_range RENAME TO hidden")
    with pytest.raises(LedgerUnavailableError, match="run artistcrawl migrate"):
        await ranges.count_open(ledger, 1)
