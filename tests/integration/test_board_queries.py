"""The SQL of the boards on a real ledger, read by the role that grafana/readonly.sql makes: what it says, by which way
it finds that out, and that it can do nothing else.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import re
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.rows import dict_row
from support.fakes.ledgers import artist, batch_of, crawljob, open_ledger, record, search, take, value
from support.fakes.long_crawl import crawl
from support.proofs.board_sql import FOLDER, NAMES, Board, admit_reader, as_reader

from crawl_core.ledger import batches, dead_letters, jobs, ranges, runs
from crawl_core.values.rows import Counters, Cursor, DeadLetterRow, RequestRow

NOW = datetime.now(UTC).replace(microsecond=0)
BOARD = Board(since=NOW - timedelta(hours=3), until=NOW + timedelta(hours=1))
SEARCHED = {
    # What the query reads of the 100,000 searches of the long crawl, and nothing of them otherwise.
    "dead_letters": set(),
    "ranges": set(),
    "requests": set(),
    "results": set(),
    "runs": set(),
    "searches": {"search_finished"},
    "source": set(),
    "strings": set(),
    "truncated": {"search_truncated"},
    "workers": set(),
    "yield": {"search_found"},
}


def ago_us(**past: float) -> int:
    return int((NOW - timedelta(**past)).timestamp() * 1_000_000)


def shown(url: str, name: str, board: Board = BOARD) -> list[dict]:
    """What a panel gets."""
    with as_reader(url) as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(board.sql(name).encode()).fetchall()


def only(rows: list[dict], *columns: str) -> list[tuple]:
    return [tuple(row[column] for column in columns) for row in rows]


@pytest.fixture
async def ledger(ledger_url):
    admit_reader(ledger_url)
    async with open_ledger(ledger_url) as opened:
        yield opened


async def crawled(ledger, job):
    """Half an hour of a crawl: aa00 to aa07 in one range, three hours ago aa10 in another."""
    first, second = await ranges.open_ids(ledger, job.id, limit=2)
    early, owner = await take(ledger, second)
    batch = batch_of(early, owner, searches=[search("aa10", total=7, results=7, finished_at_us=ago_us(hours=4))])
    await batches.commit(ledger, batch)
    row, owner = await take(ledger, first)
    await batches.commit(
        ledger,
        batch_of(
            row,
            owner,
            cursor=Cursor(string="aa09", batch=1),
            searches=[
                search("aa00", finished_at_us=ago_us(minutes=30)),
                search("aa01", total=2, results=2, finished_at_us=ago_us(minutes=29)),
                search("aa02", total=1500, results=1000, pages=20, truncated=True, finished_at_us=ago_us(minutes=28)),
                search("aa03", total=2500, results=1000, pages=20, truncated=True, finished_at_us=ago_us(minutes=1)),
            ],
            artists=[artist("one", first_query="aa01"), artist("two", first_query="aa01")],
            dead_letters=[
                DeadLetterRow("aa04", "http_503", 8, "the API answered 503", ago_us(minutes=5)),
                DeadLetterRow("aa05", "invalid_body", 3, "no page in it", ago_us(minutes=4)),
            ],
            requests=[
                RequestRow(ago_us(minutes=30), "aa00", 0, 50, 200, "ok", 0.5, "worker-1"),
                RequestRow(ago_us(minutes=29), "aa04", 0, 50, None, "answer_timeout", 1.0, "worker-2"),
                RequestRow(ago_us(minutes=28), "aa03", 950, 50, 200, "ok", 0.25, "worker-1"),
                RequestRow(ago_us(minutes=27), "aa06", 0, 50, 429, "rate_limited", 0.75, "worker-1"),
            ],
            counters=Counters(requests=4, covered=6),
        ),
    )


@pytest.fixture
async def job(ledger):
    """The CrawlJob artists, beside another one that has crawled the same."""
    await crawled(ledger, await record(ledger, crawljob(name="other")))
    one = await record(ledger)
    await crawled(ledger, one)
    return one


# --- What they say ----------------------------------------------------------------------------------------------------


async def test_requests_are_shown_newest_first(ledger_url, job):
    columns = ("time", "query", "page_offset", "page_size", "status", "outcome", "duration_s", "worker")
    assert only(shown(ledger_url, "requests"), *columns) == [
        (NOW - timedelta(minutes=27), "aa06", 0, 50, 429, "rate_limited", 0.75, "worker-1"),
        (NOW - timedelta(minutes=28), "aa03", 950, 50, 200, "ok", 0.25, "worker-1"),
        (NOW - timedelta(minutes=29), "aa04", 0, 50, None, "answer_timeout", 1.0, "worker-2"),
        (NOW - timedelta(minutes=30), "aa00", 0, 50, 200, "ok", 0.5, "worker-1"),
    ]


async def test_no_requests_beyond_the_retention_are_shown(ledger, ledger_url, job):
    _, second = await ranges.open_ids(ledger, job.id, limit=2)
    log = [RequestRow(ago_us(hours=hours), f"aa1{hours}", 0, 50, 200, "ok", 0.1, "worker-1") for hours in (1, 2)]
    await batches.commit(ledger, batch_of(*await take(ledger, second), requests=log))
    await value(ledger, f"UPDATE crawl_job SET retention_s = 5400 WHERE id = {job.id} RETURNING 1")
    assert [row["query"] for row in shown(ledger_url, "requests")] == ["aa06", "aa03", "aa04", "aa00", "aa11"]


async def test_searches_are_shown_newest_first_and_only_of_the_boards_time(ledger_url, job):
    columns = ("time", "query", "total", "results", "pages", "new_artists", "truncated")
    assert only(shown(ledger_url, "searches"), *columns) == [
        (NOW - timedelta(minutes=1), "aa03", 2500, 1000, 20, 0, True),
        (NOW - timedelta(minutes=28), "aa02", 1500, 1000, 20, 0, True),
        (NOW - timedelta(minutes=29), "aa01", 2, 2, 1, 0, False),
        (NOW - timedelta(minutes=30), "aa00", 0, 0, 1, 0, False),
    ]


async def test_new_artists_are_those_of_the_job_that_met_them_first(ledger_url, job):
    rows = shown(ledger_url, "searches", Board(crawljob="other"))
    assert only(rows, "query", "new_artists") == [("aa03", 0), ("aa02", 0), ("aa01", 2), ("aa00", 0), ("aa10", 0)]


async def test_truncated_strings_are_shown_by_their_total_whenever_it_was(ledger_url, job):
    rows = shown(ledger_url, "truncated", Board(since=NOW, until=NOW))
    assert only(rows, "query", "total", "results", "refined", "new_artists") == [
        ("aa03", 2500, 1000, False, 0),
        ("aa02", 1500, 1000, False, 0),
    ]


async def test_a_truncated_string_whose_extensions_are_searched_is_refined(ledger, ledger_url):
    await crawled(ledger, await record(ledger, crawljob(keyspace={"minLength": 4, "maxLength": 5})))
    assert [row["refined"] for row in shown(ledger_url, "truncated")] == [True, True]


async def test_dead_letters_say_whether_they_are_searched_again(ledger, ledger_url, job):
    await dead_letters.replay(ledger, job.id, ["aa04"])
    columns = ("time", "query", "reason", "attempts", "last_error", "replayed")
    assert only(shown(ledger_url, "dead_letters"), *columns) == [
        (NOW - timedelta(minutes=4), "aa05", "invalid_body", 3, "no page in it", False),
        (NOW - timedelta(minutes=5), "aa04", "http_503", 8, "the API answered 503", True),
    ]


async def test_the_source_says_what_is_crawled_and_in_which_run(ledger, ledger_url, job):
    columns = ("run", "source_type", "dataset", "market", "detail")
    assert only(shown(ledger_url, "source"), *columns) == [(1, "Sandbox", "sandbox", None, None)]
    await jobs.note_source(ledger, job.id, {"catalogue": "artists.csv"})
    assert only(shown(ledger_url, "source"), "detail") == [("catalogue artists.csv",)]


async def test_runs_are_shown_with_what_is_new_and_gone_the_latest_first(ledger, ledger_url, job):
    ended = (
        f"finished_at = now(), requests = 9, artists = 4, artists_new = 3, added = 2, gone = 1 WHERE id = {job.run_id}"
    )
    await value(ledger, f"UPDATE crawl_run SET {ended} RETURNING 1")
    assert await runs.begin(ledger, job.id, 2)
    await value(ledger, f"UPDATE crawl_run SET deleted_at = now() WHERE id = {job.run_id} RETURNING 1")
    columns = ("run", "requests", "artists", "new", "gone", "deleted")
    rows = shown(ledger_url, "runs")
    assert only(rows, *columns) == [(2, 0, 0, None, None, False), (1, 9, 4, 2, 1, True)]
    assert [row["finished"] is None for row in rows] == [True, False]
    assert only(shown(ledger_url, "runs", Board(crawljob="other")), "run", "requests") == [(1, 4)]


async def test_ranges_in_work_say_how_far_they_are(ledger_url, job):
    rows = [row for row in shown(ledger_url, "ranges") if row["first"] == "aa00"]
    assert only(rows, "first", "last", "cursor", "done_ratio", "searches", "new_artists") == [
        ("aa00", "aa0z", "aa09", 9 / 36, 4, 0)
    ]
    assert 0 <= rows[0]["commit_age_s"] < 60


async def test_a_range_is_in_work_when_it_moved_shortly_before_the_jobs_last_commit(ledger, ledger_url, job):
    moved = "UPDATE crawl_range SET changed_at = now() - interval {} WHERE run_id = %d AND first = '{}' RETURNING 1"
    await value(ledger, moved.format("'9 hours'", "aa00") % job.run_id)
    await value(ledger, moved.format("'9 hours 11 minutes'", "aa10") % job.run_id)
    rows = shown(ledger_url, "ranges")
    assert [(row["first"], round(row["commit_age_s"] / 3600)) for row in rows] == [("aa00", 9)]


async def test_ranges_nobody_has_had_are_not_in_work(ledger, ledger_url):
    await record(ledger)
    assert shown(ledger_url, "ranges") == []


async def test_yield_counts_what_was_found_by_the_width_of_a_point_and_says_it_for_an_hour(ledger_url, job):
    board = Board("default", "other", since=BOARD.since, until=BOARD.until, interval=timedelta(minutes=10))
    rows = only(shown(ledger_url, "yield", board), "time", "found_per_hour", "new_artists_per_hour")
    assert {time.minute % 10 for time, _, _ in rows} == {0}
    assert rows == sorted(rows)
    assert sum(found for _, found, _ in rows) == 3 * 6
    assert sum(artists for _, _, artists in rows) == 2 * 6


async def test_yield_counts_nothing_before_or_after_the_boards_time(ledger, job):
    then = NOW - timedelta(days=3)
    rows = ",".join(
        f"('{then - timedelta(seconds=20 * n)}', {job.run_id}, 5, 5, 1, 1, false, 'n{n}')" for n in range(9)
    )
    await value(ledger, f"INSERT INTO search VALUES {rows} RETURNING 1")
    since, until = then - timedelta(seconds=110), then - timedelta(seconds=30)
    shown_of_them = f"yield_over_time({job.run_id}, '{since}', '{until}', '30 seconds')"
    assert await value(ledger, f"SELECT sum(found) FROM {shown_of_them}") == 4
    assert await value(ledger, f"SELECT sum(found) FROM {shown_of_them.replace('30 seconds', '1 hour')}") == 4


async def test_strings_are_empty_found_truncated_or_given_up(ledger_url, job):
    columns = ("empty", "found", "truncated", "dead_letters")
    assert only(shown(ledger_url, "strings"), *columns) == [(1, 2, 2, 2)]


async def test_results_are_counted_by_how_many_there_are(ledger_url, job):
    assert only(shown(ledger_url, "results"), "results", "strings") == [
        ("1", 0),
        ("2-5", 1),
        ("6-20", 1),
        ("21-50", 0),
        ("51-200", 0),
        ("201-999", 0),
        ("1000 or more", 2),
    ]


async def test_workers_show_their_last_request_and_how_all_went(ledger_url, job):
    columns = ("worker", "time", "query", "outcome", "status", "requests", "ok", "rate_limited", "failed", "duration_s")
    assert only(shown(ledger_url, "workers"), *columns) == [
        ("worker-1", NOW - timedelta(minutes=27), "aa06", "rate_limited", 429, 3, 2, 1, 0, 0.5),
        ("worker-2", NOW - timedelta(minutes=29), "aa04", "answer_timeout", None, 1, 0, 0, 1, 1.0),
    ]


@pytest.mark.parametrize("name", NAMES)
async def test_nothing_is_shown_of_another_or_a_deleted_job(ledger, ledger_url, job, name):
    assert shown(ledger_url, name, Board(crawljob="nobody")) == []
    await jobs.mark_deleted(ledger, job.id)
    assert shown(ledger_url, name) == []


@pytest.mark.parametrize("name", NAMES)
async def test_several_jobs_may_be_chosen(ledger_url, job, name):
    both = Board(crawljob=("artists", "other"), since=BOARD.since, until=BOARD.until)
    assert shown(ledger_url, name, both) != shown(ledger_url, name)


@pytest.mark.parametrize("name", NAMES)
def test_every_file_says_what_it_takes_and_returns(name):
    head = re.findall(r"^-- (name: \w+|ARGS|RESULT|TIME)", (FOLDER / f"{name}.sql").read_text(), re.MULTILINE)
    assert head == [f"name: {name}", "ARGS", "RESULT", "TIME"]


# --- The functions below them -----------------------------------------------------------------------------------------


async def test_the_newest_searches_are_those_that_sorting_all_would_find(ledger, job):
    """However they are spread over time: bursts, and pauses of days."""
    drawn = random.Random(7)
    ages_s = list(itertools.accumulate(drawn.choice([1e-3, 1, 60, 86_400]) * drawn.random() for _ in range(400)))
    rows = ",".join(
        f"('{NOW - timedelta(seconds=age)}', {job.run_id}, 0, 0, 0, 1, false, 'n{n}')" for n, age in enumerate(ages_s)
    )
    await value(ledger, f"INSERT INTO search VALUES {rows} RETURNING 1")
    await value(
        ledger, f"UPDATE crawl_run SET started_at = now() - interval '90 days' WHERE id = {job.run_id} RETURNING 1"
    )
    for _ in range(30):
        since, until = (f"'{NOW - timedelta(seconds=drawn.random() * ages_s[-1])}'" for _ in range(2))
        limit = drawn.choice([1, 10, 200, 1000])
        of_all = f"SELECT * FROM search WHERE run_id = {job.run_id} AND finished_at BETWEEN {since} AND {until}"
        expected = f"SELECT array_agg(string) FROM ({of_all} ORDER BY finished_at DESC LIMIT {limit}) s"
        found = f"SELECT array_agg(string) FROM newest_searches({job.run_id}, {since}, {until}, {limit})"
        assert await value(ledger, found) == await value(ledger, expected)


async def test_searches_on_whole_seconds_are_shown_once_each(ledger, job):
    """The times that are looked at, one after another, begin and end on some of these."""
    until = NOW - timedelta(hours=2)
    rows = ",".join(f"('{until - timedelta(seconds=n)}', {job.run_id}, 0, 0, 0, 1, false, 'n{n}')" for n in range(100))
    await value(ledger, f"INSERT INTO search VALUES {rows} RETURNING 1")
    found = (
        f"SELECT array_agg(string) FROM newest_searches({job.run_id}, '{until - timedelta(hours=1)}', '{until}', 60)"
    )
    assert await value(ledger, found) == [f"n{n}" for n in range(60)]


async def test_searches_of_clocks_ahead_of_the_ledgers_are_found(ledger, job):
    future = "now() + interval '20 minutes'"
    await value(ledger, f"INSERT INTO search VALUES ({future}, {job.run_id}, 0, 0, 0, 1, false, 'ahead') RETURNING 1")
    newest = (
        f"SELECT string FROM newest_searches({job.run_id}, now() - interval '1 hour', now() + interval '1 hour', 1)"
    )
    assert await value(ledger, newest) == "ahead"


@pytest.mark.parametrize(
    ("string", "position"), [("0000", 0), ("000a", 10), ("0010", 36), ("zzzz", 36**4 - 1), ("zzzzzzzz", 36**8 - 1)]
)
async def test_a_strings_position_counts_from_the_first_of_its_length(ledger, string, position):
    alphabet = "0123456789abcdefghijklmnopqrstuvwxyz"
    assert await value(ledger, f"SELECT keyspace_position('{alphabet}', '{string}')") == position


# --- What the role may ------------------------------------------------------------------------------------------------

WRITING = (
    "INSERT INTO dead_letter SELECT * FROM dead_letter",
    "UPDATE crawl_job SET deleted_at = now()",
    "UPDATE search SET total = 0",
    "DELETE FROM search",
    "DELETE FROM api_request",
    "TRUNCATE artist",
    "DROP VIEW searches",
    "CREATE TABLE mine (id integer)",
    "SELECT * FROM crawl_job FOR UPDATE",
)


@pytest.mark.parametrize("statement", WRITING)
async def test_the_role_may_write_nothing_even_where_it_turns_its_own_guard_off(ledger_url, job, statement):
    with as_reader(ledger_url) as connection:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute(statement.encode())
        connection.execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())


async def test_the_role_is_given_again_without_harm(ledger_url, job):
    admit_reader(ledger_url)
    assert len(shown(ledger_url, "requests")) == 4


@pytest.mark.parametrize("view", ["artists", "progress", "requests", "searches"])
async def test_the_role_reads_the_views_for_people(ledger_url, job, view):
    with as_reader(ledger_url) as connection:
        assert connection.execute(f"SELECT count(*) FROM {view}".encode()).fetchone() > (0,)


# --- The way to it ----------------------------------------------------------------------------------------------------


def scans(connection: psycopg.Connection) -> set[str]:
    """Ways by which this transaction has read the table of searches."""
    found = connection.execute(
        "SELECT whole.inhparent::regclass::text FROM pg_inherits part"
        " JOIN pg_index i ON i.indrelid = part.inhrelid JOIN pg_inherits whole ON whole.inhrelid = i.indexrelid"
        " WHERE part.inhparent = 'search'::regclass AND pg_stat_get_xact_numscans(i.indexrelid) > 0"
        " UNION ALL SELECT 'search' FROM pg_inherits"
        " WHERE inhparent = 'search'::regclass AND pg_stat_get_xact_numscans(inhrelid) > 0"
    )
    return {name for (name,) in found}


@pytest.fixture(scope="module")
def long_ledger(postgres_server, ledger_template):
    """100,000 searches: enough for the planner to know better than to read them all."""
    with postgres_server.database(ledger_template) as url:
        asyncio.run(crawl(url, searches=100_000))
        admit_reader(url)
        yield url


@pytest.mark.parametrize("name", NAMES)
def test_no_query_of_recent_things_reads_all_searches(long_ledger, name):
    with as_reader(long_ledger) as connection, connection.transaction():
        connection.execute("SET LOCAL max_parallel_workers_per_gather = 0")  # their scans are not this transaction's
        board = Board(since=NOW - timedelta(hours=1), until=NOW + timedelta(hours=1))
        rows = connection.execute(board.sql(name).encode()).fetchall()
        assert rows
        assert scans(connection) == SEARCHED[name]
