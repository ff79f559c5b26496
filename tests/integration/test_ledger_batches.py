"""The commit, on a real server: all or nothing, once, by the owner only, and exact in its counts."""

import asyncio

import pytest
from msgspec.structs import replace
from support.fakes.ledgers import (
    NOW_US,
    artist,
    batch_of,
    crawljob,
    open_ledger,
    record,
    search,
    table_counts,
    take,
    taken_first_range,
    value,
)

from crawl_core.backends.queries import query
from crawl_core.errors import BatchRefusedError
from crawl_core.ledger import batches, dead_letters, jobs, ranges
from crawl_core.values.rows import ChildRange, Committed, Counters, Cursor, DeadLetterRow, RequestRow

FULL = {
    "strings": ["aa00", "aa01"],
    "artists": [artist("A"), artist("B", first_query="aa01")],
    "requests": [
        RequestRow(NOW_US, "aa00", 0, 50, 200, "ok", 0.04, "w"),
        RequestRow(NOW_US, "aa01", 0, 50, None, "timeout", 9, "w"),
    ],
    "dead_letters": [DeadLetterRow("aa02", "timeout", 8, "no answer", NOW_US)],
    "children": [ChildRange(5, "aa000", "aa00z")],
}


@pytest.fixture
async def ledger(ledger_url):
    async with open_ledger(ledger_url) as opened:
        yield opened


@pytest.fixture
async def claimed(ledger):
    """(the first range of a recorded job, its owner)"""
    return await taken_first_range(ledger, await record(ledger))


async def test_failed_requests_alone_are_no_progress(ledger, claimed):
    row, owner = claimed
    failed = RequestRow(NOW_US, row.first, 0, 50, 503, "http_503", 0.04, "w")
    here = replace(row.cursor, batch=row.cursor.batch + 1)
    await batches.commit(ledger, batch_of(row, owner, requests=[failed], cursor=here))
    assert (await jobs.progress(ledger, row.run_id)).last_commit_at is None
    further = replace(here, offset=50, batch=here.batch + 1)
    await batches.commit(ledger, batch_of(replace(row, cursor=here), owner, cursor=further))
    assert (await jobs.progress(ledger, row.run_id)).last_commit_at is not None


async def test_a_commit_writes_every_table_and_moves_the_cursor(ledger, claimed):
    row, owner = claimed
    before = await table_counts(ledger)
    batch = batch_of(row, owner, **FULL)
    committed = await batches.commit(ledger, batch)
    after = await table_counts(ledger)
    added = {table: after[table] - before[table] for table in after}
    assert added == {"search": 2, "artist": 2, "run_artist": 2, "dead_letter": 1, "api_request": 2, "crawl_range": 1}
    assert (committed.artists, committed.artists_new) == (2, 2)
    assert (await ranges.read(ledger, row.id)).cursor == batch.cursor
    child = await ranges.read(ledger, committed.children[0])
    assert (child.length, child.first, child.last, child.cursor) == (5, "aa000", "aa00z", Cursor(string="aa000"))


REFUSED = {
    "a wrong fence": lambda batch: replace(batch, fence=batch.fence - 1),
    "a wrong owner": lambda batch: replace(batch, owner="00000000-0000-0000-0000-00000000dead"),
    "another cursor": lambda batch: replace(batch, expected=replace(batch.expected, batch=7)),
    "a range that is not there": lambda batch: replace(batch, range_id=batch.range_id + 1000),
}


@pytest.mark.parametrize("wrong", REFUSED)
async def test_a_refused_commit_writes_nothing_in_any_table(ledger, claimed, wrong):
    before = await table_counts(ledger)
    assert await batches.commit(ledger, REFUSED[wrong](batch_of(*claimed, **FULL))) is None
    assert await table_counts(ledger) == before


async def test_a_stopped_owner_cannot_commit_after_another_took_the_range(ledger, claimed):
    row, owner = claimed
    await take(ledger, row.id)
    assert await batches.commit(ledger, batch_of(row, owner, **FULL)) is None
    assert (await table_counts(ledger))["search"] == 0


async def test_after_a_failover_that_lost_commits_the_next_batch_is_refused(ledger, claimed):
    """The fence alone would let it skip what was lost: the range stands where it stood a batch ago."""
    row, owner = claimed
    first = batch_of(row, owner, strings=["aa00"])
    second = batch_of(replace(row, cursor=first.cursor), owner, strings=["aa01"])
    assert await batches.commit(ledger, second) is None
    assert await batches.commit(ledger, first) is not None


async def test_a_commit_in_flight_is_not_applied_twice(ledger, claimed):
    """The same batch at once on two connections, as after a lost acknowledgement."""
    batch = batch_of(*claimed, strings=["aa00"], artists=[artist("A")])
    results = await asyncio.gather(*(batches.commit(ledger, batch) for _ in range(4)))
    assert sum(result is not None for result in results) == 1
    assert (await jobs.progress(ledger, batch.run_id)).requests == 1


async def held_commit(ledger, batch):
    """A connection whose transaction has committed nothing yet but holds the batch's statement."""
    opened = asyncio.Event()
    end = asyncio.Event()

    async def hold():
        async with ledger.transaction() as connection:
            await connection.execute(query("batches.commit", batch.run_id), batches.arguments_of(batch))
            opened.set()
            await end.wait()

    task = asyncio.create_task(hold())
    await opened.wait()
    return task, end


async def test_landed_waits_for_a_commit_in_flight_and_then_says_true(ledger, claimed):
    batch = batch_of(*claimed, strings=["aa00"])
    task, end = await held_commit(ledger, batch)
    asked = asyncio.create_task(batches.landed(ledger, batch))
    await waits_for_a_lock(ledger)
    assert not asked.done()
    end.set()
    await task
    assert await asked is True


async def test_a_batch_sent_again_while_its_first_commit_is_in_flight_lands_once(ledger, claimed):
    batch = batch_of(*claimed, strings=["aa00"])
    task, end = await held_commit(ledger, batch)
    again = asyncio.create_task(batches.commit(ledger, batch))
    await waits_for_a_lock(ledger)
    end.set()
    await task
    assert await again is None
    assert await batches.landed(ledger, batch) is True


async def waits_for_a_lock(ledger):
    async with asyncio.timeout(20):
        while not await value(ledger, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
            await asyncio.sleep(0.01)


async def test_landed_says_false_where_the_batch_may_be_sent_again(ledger, claimed):
    assert await batches.landed(ledger, batch_of(*claimed)) is False


async def test_landed_says_none_where_the_range_is_somebody_elses(ledger, claimed):
    batch = batch_of(*claimed)
    await take(ledger, batch.range_id)
    assert await batches.landed(ledger, batch) is None


async def test_landed_says_none_where_the_range_stands_elsewhere(ledger, claimed):
    row, owner = claimed
    first = batch_of(row, owner, strings=["aa00"])
    second = batch_of(replace(row, cursor=first.cursor), owner, strings=["aa01"])
    assert await batches.landed(ledger, second) is None


async def test_a_done_range_is_closed_and_its_last_batch_landed(ledger, claimed):
    batch = batch_of(*claimed, strings=["aa00"], cursor=None)
    await batches.commit(ledger, batch)
    assert (await ranges.read(ledger, batch.range_id)).state == "done"
    assert await batches.landed(ledger, batch) is True
    assert await batches.commit(ledger, batch) is None


async def test_a_hundred_racing_committers_land_one_batch(ledger_url):
    async with open_ledger(ledger_url, max_connections=20) as ledger:
        row, owner = await taken_first_range(ledger, await record(ledger))
        rivals = [batch_of(row, owner, strings=[f"aa{n:02}"], artists=[artist(f"A{n}")]) for n in range(100)]
        results = await asyncio.gather(*(batches.commit(ledger, batch) for batch in rivals))
        assert sum(result is not None for result in results) == 1
        counts = await table_counts(ledger)
        assert (counts["search"], counts["artist"], counts["run_artist"]) == (1, 1, 1)


async def test_a_hundred_racing_claimers_get_a_range_once(ledger_url):
    async with open_ledger(ledger_url, max_connections=20) as ledger:
        job = await record(ledger)
        range_id = (await ranges.open_ids(ledger, job.id, limit=1))[0]
        owner = "00000000-0000-0000-0000-000000000001"
        claims = (ranges.take(ledger, range_id, fence=0, owner=owner, job_uid=job.uid) for _ in range(100))
        assert [row.fence for row in await asyncio.gather(*claims) if row] == [1]


async def test_workers_with_the_same_artists_in_many_batches_never_deadlock(ledger_url):
    """Each batch has the artists in another order; the statement brings them into one."""
    async with open_ledger(ledger_url, max_connections=8) as ledger:
        row = await record(ledger, crawljob(keyspace={"first": "aa00", "last": "aa07", "rangeSize": 1}))
        taken = [await take(ledger, range_id) for range_id in await ranges.open_ids(ledger, row.id, limit=8)]
        ids = [f"{n:03}" for n in range(60)]

        async def crawl(number, claimed, owner):
            for turn in range(6):
                order = ids[number * 7 + turn :] + ids[: number * 7 + turn]
                artists = [artist(i, popularity=number * 10 + turn) for i in order]
                batch = batch_of(claimed, owner, artists=artists)
                assert await batches.commit(ledger, batch) is not None
                claimed = replace(claimed, cursor=batch.cursor)

        await asyncio.gather(*(crawl(number, *one) for number, one in enumerate(taken)))
        progress = await jobs.progress(ledger, row.id)
        assert (progress.artists, progress.artists_new) == (60, 60)


async def test_new_artists_of_a_string_are_counted_over_its_batches(ledger, claimed):
    row, owner = claimed
    first = batch_of(row, owner, artists=[artist("A"), artist("B")], cursor=Cursor(string="aa00", offset=50, batch=1))
    await batches.commit(ledger, first)
    second = batch_of(
        replace(row, cursor=first.cursor), owner, strings=["aa00", "aa01"], artists=[artist("B"), artist("C")]
    )
    assert await batches.commit(ledger, second) == Committed(children=[], artists=1, artists_new=1, artists_written=1)
    found = await value(ledger, "SELECT array_agg(new_artists ORDER BY string) FROM search")
    assert found == [3, 0]


async def test_an_artist_known_from_another_job_is_new_to_this_one_only(ledger, claimed):
    await batches.commit(ledger, batch_of(*claimed, artists=[artist("A")]))
    other = await record(ledger, crawljob("other"), uid="uid-2")
    row, owner = await take(ledger, (await ranges.open_ids(ledger, other.id, limit=1))[0], job_uid="uid-2")
    committed = await batches.commit(ledger, batch_of(row, owner, artists=[artist("A"), artist("B")]))
    assert (committed.artists, committed.artists_new) == (2, 1)


@pytest.mark.parametrize(
    ("column", "bad"),
    [("name", "NUL \0 in it"), ("name", "a lone \ud800 surrogate"), ("popularity", 99_999), ("followers", 2**70)],
)
async def test_data_that_postgresql_does_not_take_is_refused_as_a_batch(ledger, claimed, column, bad):
    before = await table_counts(ledger)
    with pytest.raises(BatchRefusedError):
        await batches.commit(ledger, batch_of(*claimed, artists=[artist("A", **{column: bad})]))
    assert await table_counts(ledger) == before


async def test_an_artist_twice_in_one_batch_is_refused_and_the_connection_goes_on(ledger, claimed):
    """SQLSTATE 21000: merging by id is the worker's."""
    with pytest.raises(BatchRefusedError, match="21000"):
        await batches.commit(ledger, batch_of(*claimed, artists=[artist("A"), artist("A")]))
    assert await batches.commit(ledger, batch_of(*claimed, artists=[artist("A")])) is not None


async def stored_artist(ledger, *versions):
    """Commit versions of artist A one after another; what the ledger then has of it."""
    row, owner = await taken_first_range(ledger, await record(ledger))
    for version in versions:
        batch = batch_of(row, owner, artists=[version])
        assert await batches.commit(ledger, batch) is not None
        row = replace(row, cursor=batch.cursor)
    async with ledger.transaction() as connection:
        cursor = await connection.execute(
            "SELECT name, popularity, followers, genres, images, first_query,"
            " (extract(epoch FROM first_seen) * 1e6)::bigint, (extract(epoch FROM last_seen) * 1e6)::bigint FROM artist"
        )
        return await cursor.fetchone()


async def test_a_missing_field_never_overwrites_a_stored_value(ledger):
    bare = artist("A", name="new", popularity=None, followers=None, genres=None, images=None)
    stored = await stored_artist(ledger, artist("A"), bare)
    assert stored[:5] == ("new", 50, 1000, ["pop"], [{"url": "u"}])


async def test_changed_fields_are_stored_and_the_first_query_stays(ledger):
    changed = artist("A", name="new", popularity=51, followers=None, genres=[], first_query="aa07")
    stored = await stored_artist(ledger, artist("A"), changed)
    assert stored[:6] == ("new", 51, 1000, [], [{"url": "u"}], "aa00")


@pytest.mark.parametrize(("later_h", "moves"), [(23, False), (25, True)])
async def test_an_unchanged_artist_is_rewritten_only_to_move_last_seen_by_a_day(ledger, later_h, moves):
    later_us = NOW_US + later_h * 3_600_000_000
    stored = await stored_artist(ledger, artist("A"), artist("A", seen_at_us=later_us))
    assert stored[6:] == (NOW_US, later_us if moves else NOW_US)


async def test_last_seen_never_goes_back(ledger):
    earlier = artist("A", name="changed", seen_at_us=NOW_US - 5_000_000)
    assert (await stored_artist(ledger, artist("A"), earlier))[7] == NOW_US


async def test_an_unchanged_artist_keeps_its_row_version(ledger):
    await stored_artist(ledger, artist("A"), artist("A"))
    assert await value(ledger, "SELECT ctid::text FROM artist") == "(0,1)"


async def test_counters_of_a_range_add_up_over_batches(ledger, claimed):
    row, owner = claimed
    counters = Counters(requests=5, retries=2, rate_limited=1, covered=2)
    for strings in (["aa00", "aa01"], ["aa02", "aa03"]):
        found = [search(strings[0], truncated=True), search(strings[1])]
        batch = batch_of(row, owner, searches=found, counters=counters)
        await batches.commit(ledger, batch)
        row = replace(row, cursor=batch.cursor)
    progress = await jobs.progress(ledger, row.run_id)
    seen = (progress.searches, progress.truncated, progress.requests, progress.retries, progress.rate_limited)
    assert (*seen, progress.covered) == (4, 2, 10, 4, 2, 4)


async def test_a_commit_of_nothing_but_a_cursor_lands(ledger, claimed):
    assert await batches.commit(ledger, batch_of(*claimed)) == Committed(
        children=[], artists=0, artists_new=0, artists_written=0
    )


async def test_times_are_stored_to_the_microsecond(ledger, claimed):
    await batches.commit(ledger, batch_of(*claimed, strings=["aa00"]))
    assert await value(ledger, "SELECT (extract(epoch FROM finished_at) * 1000000)::bigint FROM search") == NOW_US


async def test_a_replay_of_an_incomplete_string_has_one_row_and_counts_once(ledger, claimed):
    row, owner = claimed
    short = replace(search(row.first), results=20, total=23)
    await batches.commit(ledger, batch_of(row, owner, strings=[row.first], searches=[short], cursor=None))
    assert (await jobs.progress(ledger, row.run_id)).incomplete == 1
    [range_id] = await dead_letters.replay_incomplete(ledger, row.run_id)
    assert await dead_letters.replay_incomplete(ledger, row.run_id) == []
    assert [(one.string, one.replaying) for one in await dead_letters.incomplete(ledger, row.run_id)] == [
        (row.first, True)
    ]
    before = await jobs.progress(ledger, row.run_id)
    replayed, by = await take(ledger, range_id)
    whole = replace(short, results=23)
    await batches.commit(ledger, batch_of(replayed, by, strings=[row.first], searches=[whole], cursor=None))
    after = await jobs.progress(ledger, row.run_id)
    assert (after.searches, after.covered, after.incomplete) == (before.searches, before.covered, 0)
    assert await value(ledger, "SELECT results FROM search") == 23


async def test_a_string_that_is_done_twice_is_refused_where_it_counts(ledger, claimed):
    row, owner = claimed
    first = batch_of(row, owner, strings=[row.first], searches=[search(row.first)])
    await batches.commit(ledger, first)
    before = await jobs.progress(ledger, row.run_id)
    again = batch_of(replace(row, cursor=first.cursor), owner, strings=[row.first], searches=[search(row.first)])
    with pytest.raises(BatchRefusedError, match="search_small_pkey"):
        await batches.commit(ledger, again)
    assert await jobs.progress(ledger, row.run_id) == before


async def test_a_replay_stores_what_it_knew_and_what_is_new_to_it(ledger, claimed):
    """A string that is cut off in a replay goes on in children that replay as well."""
    row, owner = claimed
    short = replace(search(row.first), results=20, total=23)
    await batches.commit(ledger, batch_of(row, owner, strings=[row.first], searches=[short], cursor=None))
    [range_id] = await dead_letters.replay_incomplete(ledger, row.run_id)
    replayed, by = await take(ledger, range_id)
    both = [replace(short, truncated=True), search("aa00x")]
    await batches.commit(ledger, batch_of(replayed, by, searches=both, cursor=None))
    progress = await jobs.progress(ledger, row.run_id)
    assert (progress.searches, progress.truncated) == (2, 1)


async def test_a_truncated_string_is_not_incomplete(ledger, claimed):
    row, owner = claimed
    cut = replace(search(row.first), results=1000, total=5000, truncated=True)
    await batches.commit(ledger, batch_of(row, owner, searches=[cut]))
    assert (await jobs.progress(ledger, row.run_id)).incomplete == 0
    assert await dead_letters.incomplete(ledger, row.run_id) == []


async def test_a_replayed_string_that_fails_again_is_listed_for_another_replay(ledger, claimed):
    row, owner = claimed
    letter = DeadLetterRow("aa00", "timeout", 8, "no answer", NOW_US)
    await batches.commit(ledger, batch_of(row, owner, dead_letters=[letter]))
    replayed, by = await take(ledger, (await dead_letters.replay(ledger, row.run_id))[0])
    again = replace(letter, attempts=16)
    await batches.commit(ledger, batch_of(replayed, by, dead_letters=[again], cursor=None))
    assert [(one.attempts, one.replaying) for one in await dead_letters.all(ledger, row.run_id)] == [(16, False)]
