"""Ledgers of before artists had sources and jobs had runs: migrated, with nothing lost, or left as they were."""

import asyncio
import signal
import sys

import psycopg
import pytest
from support.fakes.ledgers import batch_of, open_ledger, search
from support.former.ledgers import BEFORE_SOURCES, fill, steps_until

from crawl_core.backends.migrate import Migration, migrate, migrations
from crawl_core.errors import ConfigurationError
from crawl_core.ledger import batches, dead_letters, jobs, ranges
from crawl_core.values.rows import Counters

SOURCES = BEFORE_SOURCES + 1
LATEST = migrations()[-1].version

# What a ledger holds, read before and after: {job} joins the job of a row.
_JOB = {False: "crawl_job j ON j.id = t.job_id", True: "crawl_job j ON j.run_id = t.run_id"}
HELD = {
    "searches": """SELECT j.name, string, t.total, results, new_artists, pages, truncated, t.finished_at
        FROM search t JOIN {job} WHERE j.deleted_at IS NULL""",
    "ranges": """SELECT t.id, j.name, fence, covered, owner, changed_at, searches, requests, artists, artists_new,
            truncated, retries, rate_limited, string_new, length, counts_coverage, state, first, last, cursor
        FROM crawl_range t JOIN {job}""",
    "dead letters": """SELECT j.name, at, replay_range, attempts, string, reason, last_error
        FROM dead_letter t JOIN {job}""",
    "artists": "SELECT DISTINCT id, name, first_seen, last_seen, followers, popularity, genres, images FROM artist",
    "buckets": """SELECT name, limit_requests, limit_window_s, limit_timeout_s, limit_even, epoch, frozen_until
        FROM bucket""",
}
JOBS = """SELECT j.id, namespace, name, uid, spec, bucket, limit_requests, page_size, retention_s, j.deleted_at,
    {run}.total, {run}.started_at, {run}.finished_at, {run}.replays FROM crawl_job j"""
LINKS = {
    False: "SELECT j.name, t.artist_id FROM job_artist t JOIN {job} WHERE j.deleted_at IS NULL",
    True: "SELECT j.name, a.id FROM run_artist t JOIN {job} JOIN artist a ON a.key = t.artist_key",
}
VIEWS = (
    """SELECT namespace, name, strings, covered, percent, open_ranges, done_ranges, searches, requests, artists,
        artists_new, truncated, dead_letters, retries, rate_limited, changed_at, started_at, finished_at, job_id
        FROM progress""",
    "SELECT DISTINCT id, name, popularity, followers, genres, first_seen, last_seen FROM artists",
    "SELECT namespace, name, string, pages, total, results, truncated, new_artists, finished_at, job_id FROM searches",
    "SELECT namespace, name, at, string, page_offset, status, outcome, duration_s, worker, job_id FROM requests",
    "SELECT namespace, name, string, results, total, pages, finished_at, job_id FROM incomplete_searches",
)


async def rows(url, sql):
    async with await psycopg.AsyncConnection.connect(url) as connection:
        return await (await connection.execute(sql.encode())).fetchall()


async def execute(url, sql):
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute(sql.encode())


async def unordered(url, sql):
    return sorted(map(repr, await rows(url, sql)))


async def held(url, *, migrated):
    """All that a ledger holds, in words that both versions have."""
    statements = {name: sql.format(job=_JOB[migrated]) for name, sql in HELD.items()}
    statements["links"] = LINKS[migrated].format(job=_JOB[migrated])
    of_run = JOBS.format(run="n") + " JOIN crawl_run n ON n.id = j.run_id"
    statements["jobs"] = of_run if migrated else JOBS.format(run="j")
    return {name: await unordered(url, sql) for name, sql in statements.items()}


async def former(url, version=BEFORE_SOURCES):
    await migrate(url, known=steps_until(version))
    await fill(url, version=version)


@pytest.fixture
async def before_url(database_url):
    """A ledger of the version before runs, with a job of each kind."""
    await former(database_url)
    return database_url


@pytest.fixture
async def migrated_url(before_url):
    await migrate(before_url)
    return before_url


@pytest.fixture
async def ledger(migrated_url):
    async with open_ledger(migrated_url) as opened:
        yield opened


@pytest.mark.parametrize("version", range(1, SOURCES))
async def test_of_a_ledger_of_any_version_everything_is_there_afterwards(database_url, version):
    await former(database_url, version)
    before = await held(database_url, migrated=False)
    assert all(before.values())
    await migrate(database_url)
    assert await held(database_url, migrated=True) == before


async def test_an_empty_ledger_has_no_source_and_no_run_afterwards(database_url):
    await migrate(database_url, known=steps_until(BEFORE_SOURCES))
    await migrate(database_url)
    assert await rows(database_url, "SELECT (SELECT count(*) FROM source), (SELECT count(*) FROM crawl_run)") == [
        (0, 0)
    ]


async def test_the_views_say_what_they_said_before(before_url):
    before = [await unordered(before_url, view) for view in VIEWS]
    assert all(before)
    await migrate(before_url)
    assert [await unordered(before_url, view) for view in VIEWS] == before


async def test_migrating_again_changes_nothing(migrated_url):
    before = await held(migrated_url, migrated=True)
    assert await migrate(migrated_url) == []
    assert await held(migrated_url, migrated=True) == before


async def test_an_artist_is_of_the_sources_of_the_jobs_that_returned_it_and_else_of_an_unknown_one(migrated_url):
    sources = "SELECT a.id, type, dataset, market FROM artist a JOIN source s ON s.id = a.source_id"
    sandbox, spotify = ("Sandbox", "sandbox", ""), ("Spotify", "spotify", "")
    mirror, unknown = ("Spotify", "mirror.example:8080", ""), ("Unknown", "unknown", "")
    assert sorted(await rows(migrated_url, sources)) == sorted(
        [
            ("of-half", *sandbox),
            ("of-half-but-older", *sandbox),
            ("of-half-and-also-half", *sandbox),
            ("of-half-and-done", *sandbox),
            ("of-half-and-done", *spotify),
            ("of-done", *spotify),
            ("of-done-and-mirror", *spotify),
            ("of-done-and-mirror", *mirror),
            ("of-mirror", *mirror),
            ("of-gone", *sandbox),
            ("of-nobody", *unknown),
        ]
    )


async def test_who_found_an_artist_first_is_said_where_it_is_known(migrated_url):
    """Of two sources nobody knows which one the query was of; of two jobs of one source, which job it was."""
    first = "SELECT DISTINCT id, first_query, first_job FROM artists WHERE id <> 'of-gone'"
    assert {artist: (query, job) for artist, query, job in await rows(migrated_url, first)} == {
        "of-half": ("aa01", "half"),
        "of-half-but-older": ("aa01", None),
        "of-half-and-also-half": ("aa01", None),
        "of-half-and-done": (None, None),
        "of-done": ("aa01", "done"),
        "of-done-and-mirror": (None, None),
        "of-mirror": ("aa01", "mirror"),
        "of-nobody": ("aa01", None),
    }


async def test_counts_by_results_are_those_of_the_searches(migrated_url):
    by_results = ", ".join(f"sum(by_results[{place}])" for place in range(1, 8))
    counted = f"""SELECT j.name, sum(incomplete), ARRAY[{by_results}]
        FROM crawl_range r JOIN crawl_job j USING (run_id) GROUP BY 1"""
    assert {name: (incomplete, strings) for name, incomplete, strings in await rows(migrated_url, counted)} == {
        "half": (2, [1, 1, 0, 1, 0, 2, 1]),
        "done": (1, [0, 1, 0, 1, 0, 0, 0]),
        "replaying": (1, [0, 1, 0, 0, 0, 0, 0]),
        "mirror": (0, [0, 1, 0, 0, 0, 0, 0]),
        "large": (0, [0, 0, 1, 0, 0, 0, 0]),
        "also-half": (0, [0] * 7),
        "untouched": (0, [0] * 7),
    }


async def test_a_run_that_had_ended_says_what_it_counted(migrated_url):
    counted = """SELECT covered, searches, requests, artists, artists_new, dead_letters, incomplete
        FROM crawl_run n JOIN crawl_job j ON j.run_id = n.id WHERE j.name = """
    assert await rows(migrated_url, f"{counted}'done'") == [(72, 2, 60, 3, 3, 1, 1)]
    assert await rows(migrated_url, f"{counted}'half'") == [(None,) * 7]


async def test_a_batch_that_was_on_its_way_lands_once_and_only_under_its_fence_and_cursor(ledger):
    row = await ranges.read(ledger, 2)
    owner = "00000000-0000-0000-0000-000000000002"
    batch = batch_of(row, owner, strings=["aa11"], searches=[search("aa11", total=730)], counters=Counters(covered=1))
    for wrong in (batch_of(row, owner, fence=6), batch_of(row, "00000000-0000-0000-0000-000000000009")):
        assert await batches.commit(ledger, wrong) is None
    assert await batches.commit(ledger, batch) is not None
    assert await batches.commit(ledger, batch) is None
    # The artists that were new on the string's first pages are its own.
    async with ledger.transaction() as connection:
        stored = "SELECT new_artists FROM search WHERE string = 'aa11'"
        assert await (await connection.execute(stored)).fetchone() == (5,)


async def test_a_replay_goes_on_and_the_next_one_finds_what_was_left(ledger):
    job = await jobs.find(ledger, "crawls", "replaying")
    assert [letter.string for letter in await dead_letters.all(ledger, job.id)] == ["aa03", "aa09"]
    assert len(await dead_letters.replay(ledger, job.id)) == 1
    assert [each.string for each in await dead_letters.incomplete(ledger, job.id)] == ["aa02"]
    assert await jobs.finish(ledger, job.id) is False


async def test_of_a_deleted_job_the_rest_is_reaped_and_its_artists_stay(ledger):
    while await jobs.reap(ledger, chunk=1):
        pass
    async with ledger.transaction() as connection:
        left = """SELECT (SELECT count(*) FROM crawl_job WHERE name = 'gone'),
            (SELECT count(*) FROM crawl_run WHERE job_id = 4),
            (SELECT count(*) FROM dead_letter d LEFT JOIN crawl_job j USING (run_id) WHERE j.id IS NULL),
            (SELECT count(*) FROM artist WHERE id = 'of-gone')"""
        assert await (await connection.execute(left)).fetchone() == (0, 0, 0, 1)


async def test_a_large_run_gets_tables_of_its_own_and_a_seventeenth_shares(before_url):
    copies = """INSERT INTO crawl_job (namespace, name, uid, spec, identity, total, bucket_scope, limit_requests,
            limit_window_s, limit_timeout_s, limit_even, retention_s)
        SELECT 'more', 'large-' || n, 'u', '{}', identity, total, bucket_scope, 1, 1, 1, true, 1
        FROM crawl_job, generate_series(1, 17) n WHERE name = 'large'"""
    await execute(before_url, copies)
    await migrate(before_url)
    own = "SELECT run_id >= 1000000000, count(*) FROM crawl_job WHERE name LIKE 'large%' GROUP BY 1 ORDER BY 1"
    assert await rows(before_url, own) == [(False, 2), (True, 16)]
    gone = "SELECT run_id < 1000000000 FROM crawl_job WHERE name = 'gone'"
    assert await rows(before_url, gone) == [(True,)], "a deleted job takes a living one's place"
    assert await rows(before_url, "SELECT string FROM searches WHERE name = 'large'") == [("0000",)]


async def test_who_might_read_may_read(before_url):
    granting = """CREATE ROLE former_reader; GRANT SELECT ON search, artists, requests TO former_reader;
        GRANT SELECT ON progress TO PUBLIC"""
    await execute(before_url, granting)
    try:
        await migrate(before_url)
        may = "SELECT t, has_table_privilege('former_reader', t, 'SELECT') FROM unnest('{%s}'::text[]) t"
        relations = ["search", "artists", "requests", "runs", "run_artists", "progress", "artist", "dead_letter"]
        assert dict(await rows(before_url, may % ",".join(relations))) == {
            relation: relation not in ("artist", "dead_letter") for relation in relations
        }
    finally:
        await execute(before_url, "DROP OWNED BY former_reader; DROP ROLE former_reader")


async def test_who_might_read_the_view_of_the_requests_alone_reads_no_more_of_them(before_url):
    await execute(
        before_url,
        "GRANT SELECT ON requests TO PUBLIC; CREATE ROLE log_reader; GRANT SELECT ON api_request TO log_reader",
    )
    try:
        await migrate(before_url)
        granted = """SELECT c.relname, acl.grantee = 0 FROM pg_class c, aclexplode(c.relacl) acl
            WHERE c.relname IN ('requests', 'api_request') AND acl.grantee <> c.relowner ORDER BY 1"""
        assert await rows(before_url, granted) == [("api_request", False), ("requests", True)]
    finally:
        await execute(before_url, "DROP OWNED BY log_reader; DROP ROLE log_reader")


FAILURES = {
    "a later migration fails": ("SELECT 1/0", "division by zero"),
    "the disk is full": (
        "DO $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$",
        "its disk is full: make room",
    ),
}


@pytest.mark.parametrize(("sql", "message"), FAILURES.values(), ids=FAILURES.keys())
async def test_a_migration_that_fails_leaves_the_ledger_as_it_was(before_url, sql, message):
    before = await held(before_url, migrated=False)
    with pytest.raises(Exception, match=message):
        await migrate(before_url, known=[*migrations(), Migration(LATEST + 1, "broken", sql)])
    assert await held(before_url, migrated=False) == before
    assert await rows(before_url, "SELECT max(version) FROM schema_version") == [(BEFORE_SOURCES,)]


async def test_what_stands_on_the_old_views_is_named_and_nothing_is_changed(before_url):
    await execute(before_url, "CREATE VIEW mine AS SELECT name FROM artists")
    with pytest.raises(ConfigurationError, match=r"drop it, migrate, and make it again .*view mine depends on view"):
        await migrate(before_url)
    assert await rows(before_url, "SELECT max(version) FROM schema_version") == [(BEFORE_SOURCES,)]


KILLED = """
import asyncio, sys
from crawl_core.backends.migrate import Migration, migrate, migrations
slow = Migration(migrations()[-1].version + 1, "slow", "SELECT pg_sleep(600)")
asyncio.run(migrate(sys.argv[1], known=[*migrations(), slow]))
"""


async def test_a_migrating_process_that_is_killed_leaves_the_ledger_as_it_was_and_soon_free(before_url):
    """Without a look at whether it lives, the server would go on to its end, and hold every table."""
    before = await held(before_url, migrated=False)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, before_url)
    sleeping = """SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'artistcrawl-migrate' AND datname = current_database() AND wait_event = 'PgSleep'
          AND query LIKE '%pg_sleep(600)%'"""
    async with asyncio.timeout(60):
        while await rows(before_url, sleeping) != [(1,)]:
            await asyncio.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        assert await held(before_url, migrated=False) == before
    await migrate(before_url)


COMMIT_OF_BEFORE = (
    "UPDATE crawl_range SET fence = 8 WHERE id = 2",
    "INSERT INTO artist (id, name, first_query, first_seen, last_seen) VALUES ('late', 'n', 'aa11', now(), now())",
    "INSERT INTO job_artist VALUES (1, 'late')",
    "INSERT INTO search SELECT job_id, finished_at, 0, 0, 0, 1, false, 'aa11' FROM search WHERE string = 'aa10'",
)


@pytest.mark.parametrize("begun", range(1, len(COMMIT_OF_BEFORE)))
async def test_a_commit_that_has_begun_is_waited_for_wherever_it_is(before_url, begun):
    """A migration that takes one table after another holds what the commit needs next, and one of them fails."""
    async with await psycopg.AsyncConnection.connect(before_url) as connection:
        for statement in COMMIT_OF_BEFORE[:begun]:
            await connection.execute(statement.encode())
        migrating = asyncio.create_task(migrate(before_url))
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"
        async with asyncio.timeout(60):
            while await rows(before_url, waiting) == [(0,)]:
                await asyncio.sleep(0.01)
        for statement in COMMIT_OF_BEFORE[begun:]:
            await connection.execute(statement.encode())
        await connection.commit()
        await migrating
    stored = (
        "SELECT (SELECT fence FROM crawl_range WHERE id = 2), (SELECT count(*) FROM searches WHERE string = 'aa11')"
    )
    assert await rows(before_url, stored) == [(8, 1)]
    assert await rows(before_url, "SELECT first_job FROM artists WHERE id = 'late'") == [("half",)]
