"""A ledger of many millions of searches beside one of a million: what a commit costs, and what people and boards look
at; and what it takes to delete a large run.

GROWTH_SEARCHES says how many there are (20,000,000), 200 bytes of disk and 20 us for each. docs/growth.md has what was
measured at 100 million.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
from msgspec.structs import replace
from psycopg import AsyncConnection
from support.fakes.large_ledger import OPEN_STRINGS, Crawl, crawl, fill_artists, fill_requests, known_artist, string_of
from support.fakes.ledgers import NOW_US, artist, batch_of, crawljob, open_ledger, record, search, take
from support.processes.servers import Postgres
from support.proofs.board_sql import NAMES, Board

from crawl_core.backends.migrate import migrate
from crawl_core.backends.queries import query
from crawl_core.ledger import batches, jobs, ranges, requests, runs
from crawl_core.ledger.ledger import Ledger
from crawl_core.values.jobs import JobRow
from crawl_core.values.rows import RangeRow, RequestRow
from tests.bench.rows import Row, at_most, stated

SEARCHES = int(os.environ.get("GROWTH_SEARCHES", "20000000"))
MILLION = 1_000_000
DOOMED = 10 * MILLION
"""Searches, and links to artists, of the run that is deleted."""

SHARED = 900_000
"""Searches of a run that has no tables of its own."""

ROUNDS = 200
RANGES = 8
STRINGS_A_BATCH = 100
ARTISTS_A_BATCH = 50
NEW_ARTISTS = 5
"""Of a batch: a ledger with millions of artists knows most of them."""

SPREAD = 1_000
"""Keys among which a batch's known artists are: those of one string got their keys at about one time."""

OTHER_JOBS = 999
LARGE_RUNS = 16
VIEWS = ("progress", "runs", "searches", "incomplete_searches", "requests", "run_artists")


def crawls(searches: int) -> list[Crawl]:
    """What fills a ledger of so many searches: the largest run there can be, another, one to be deleted, small ones."""
    small = max(1, searches // 10 // SHARED)
    left = searches - DOOMED - small * SHARED
    largest = min(left, 36**5 - OPEN_STRINGS)
    sizes = {"largest": largest, "doomed": DOOMED, "second": left - largest}
    sizes |= {f"shared-{number}": SHARED for number in range(small)}
    return [Crawl(name, count, count) for name, count in sizes.items() if count > 0]


def run() -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="acr-") as folder:
        server = Postgres(Path(folder) / "pg")
        try:
            with server.database() as small, server.database() as large:
                asyncio.run(fill(small, [Crawl("largest", MILLION, MILLION)], artists=MILLION))
                asyncio.run(fill(large, crawls(SEARCHES), artists=max(MILLION, SEARCHES // 10)))
                return asyncio.run(measure(small, large))
        finally:
            server.stop()


async def fill(url: str, wanted: list[Crawl], *, artists: int) -> None:
    """A ledger of the current schema, with these jobs and so many artists."""
    await migrate(url)
    async with open_ledger(url) as ledger, await AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("SET synchronous_commit = off")
        rows = [await crawl(ledger, connection, each) for each in wanted]
        await fill_artists(connection, rows[0], artists)
        await connection.execute("VACUUM ANALYZE")


async def measure(small_url: str, large_url: str) -> list[Row]:
    """All rows of the table; the run `doomed` of the large ledger is gone afterwards."""
    async with AsyncExitStack() as stack:
        small, large = [
            await stack.enter_async_context(open_ledger(url, max_connections=1)) for url in (small_url, large_url)
        ]
        connection = await stack.enter_async_context(await AsyncConnection.connect(large_url, autocommit=True))
        await connection.execute("SET jit = off")  # as grafana/readonly.sql has it
        await fill_requests(connection, await _largest(large))
        return [
            *await _sizes(connection),
            *await _commits(small, large),
            *await _looks(large, connection),
            *await _boards(connection),
            *await _deletion(large, large_url, connection),
            *await _planning(small, small_url),
        ]


async def _sizes(connection: AsyncConnection) -> list[Row]:
    sql = """
        SELECT sum(c.reltuples)::bigint, sum(pg_total_relation_size(c.oid))
        FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = %s::regclass"""
    found = []
    for table, unit, bound in (("search", "bytes/search", 100), ("run_artist", "bytes/artist of a run", 60)):
        count, size = await (await connection.execute(sql, [table])).fetchone()  # type: ignore[misc]
        found += [
            stated(f"rows of {table}", count, "rows"),
            at_most("stored, indexes included", size / count, bound, unit),
        ]
    return found


# --- Commits ----------------------------------------------------------------------------------------------------------


_numbers = itertools.count()
"""Of the strings that are searched: ranges would end too soon, so theirs are longer than the keyspace's."""


@dataclass
class _Writer:
    """Some ranges of a run in work, one commit after another in each."""

    ledger: Ledger
    held: list[tuple[RangeRow, str]]
    artists: int
    new: int
    spread: int

    @classmethod
    async def on(cls, ledger: Ledger, job: JobRow, *, new: int = NEW_ARTISTS, spread: int = SPREAD) -> _Writer:
        """`new`: artists of a batch that the ledger does not have yet. `spread`: keys that the known ones are among."""
        held = []
        for range_id in await ranges.open_ids(ledger, job.id, limit=RANGES):
            held.append(await take(ledger, range_id))
        async with ledger.transaction() as connection:
            known = await (
                await connection.execute("SELECT count(*) FROM artist WHERE first_query = 'abcde'")
            ).fetchone()
        return cls(ledger, held, 0 if known is None else int(known[0]), new, spread)

    async def commit(self) -> float:
        """A batch as a crawl makes them. Returns the seconds that it took."""
        row, owner = self.held.pop(0)
        strings = [row.first + string_of(next(_numbers))[1:] for _ in range(STRINGS_A_BATCH)]
        first = random.randrange(1, self.artists - self.spread)
        artists = [known_artist(first + n) for n in random.sample(range(self.spread), ARTISTS_A_BATCH - self.new)]
        artists += [artist(f"{random.getrandbits(110):022x}") for _ in range(self.new)]
        batch = batch_of(
            row,
            owner,
            strings=strings,
            searches=[
                search(string, total=25 * (n % 25 == 0), results=25 * (n % 25 == 0)) for n, string in enumerate(strings)
            ],
            artists=artists,
            requests=[
                RequestRow(NOW_US + n, string, 0, 50, 200, "ok", 0.01, "worker-1") for n, string in enumerate(strings)
            ],
        )
        started = time.perf_counter()
        assert await batches.commit(self.ledger, batch) is not None
        took = time.perf_counter() - started
        self.held.append((replace(row, cursor=batch.cursor), owner))
        return took


async def _largest(ledger: Ledger) -> JobRow:
    job = await jobs.find(ledger, "default", "largest")
    assert job is not None
    return job


async def _commits(small: Ledger, large: Ledger) -> list[Row]:
    usual = await _commit_ratios(small, large)
    anywhere = await _commit_ratios(small, large, spread=MILLION // 2)
    all_new = await _commit_ratios(small, large, new=ARTISTS_A_BATCH)
    what = "a commit of 100 searches and 50 artists, beside one at a million searches"
    return [
        at_most(f"{what}: the server's CPU", usual.cpu, 1.2),
        stated("the same, known artists from anywhere", anywhere.cpu, "x"),
        stated("the same, all 50 artists new", all_new.cpu, "x"),
        stated(f"{what}: time", usual.time, "x"),
        stated("the same, known artists from anywhere", anywhere.time, "x"),
        stated("the same, all 50 artists new", all_new.time, "x"),
        stated("the server's CPU of a commit", usual.cpu_ms, "ms"),
    ]


@dataclass(frozen=True)
class _Ratios:
    """Of a commit to the large ledger, to one to the small: CPU of the server's process, median time. And that CPU."""

    cpu: float
    time: float
    cpu_ms: float


async def _commit_ratios(small: Ledger, large: Ledger, *, new: int = NEW_ARTISTS, spread: int = SPREAD) -> _Ratios:
    """Commits in turns. Their CPU is what they cost; their time is also what else the machine does."""
    writers = [await _Writer.on(ledger, await _largest(ledger), new=new, spread=spread) for ledger in (small, large)]
    servers = [await _process(ledger) for ledger in (small, large)]
    for writer in writers:
        await _least_s(writer.commit, ROUNDS // 10)
    took: list[list[float]] = [[], []]
    before = [_cpu_s(server) for server in servers]
    for _ in range(ROUNDS):
        for writer, seconds in zip(writers, took, strict=True):
            seconds.append(await writer.commit())
    of_small, of_large = (_cpu_s(server) - cpu for server, cpu in zip(servers, before, strict=True))
    time_of_small, time_of_large = map(statistics.median, took)
    return _Ratios(of_large / of_small, time_of_large / time_of_small, of_large / ROUNDS * 1000)


async def _process(ledger: Ledger) -> psutil.Process:
    """The server's process behind the only connection of a ledger."""
    async with ledger.transaction() as connection:
        pid = await (await connection.execute("SELECT pg_backend_pid()")).fetchone()
    assert pid is not None
    return psutil.Process(pid[0])


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


# --- Looks ------------------------------------------------------------------------------------------------------------


async def _least_s(look: Callable[[], Awaitable[object]], times: int = 3) -> float:
    """The least of some times: others use the machine, too."""
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        await look()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


async def _looks(ledger: Ledger, connection: AsyncConnection) -> list[Row]:
    job = await _largest(ledger)

    async def view(name: str, more: str = "") -> None:
        sql = f"SELECT * FROM {name} WHERE namespace = 'default' AND name = 'largest' {more}"
        assert await (await connection.execute(sql.encode())).fetchall(), name

    looks = {
        "progress of a job": lambda: jobs.progress(ledger, job.id),
        "the last five runs of a job": lambda: runs.latest(ledger, job.id),
        "the view progress": lambda: view("progress"),
        "the view runs": lambda: view("runs"),
        "the view searches, a string": lambda: view("searches", "AND string = '00100'"),
        "the view searches, a hundred": lambda: view("searches", f"AND run_id = {job.run_id} LIMIT 100"),
    }
    return [at_most(name, await _least_s(look), 1, "s") for name, look in looks.items()]


def board_of_the_largest() -> Board:
    """All of its time, on a board of a thousand points."""
    now, shown = datetime.now(UTC), timedelta(days=60)
    until = now + timedelta(minutes=10)
    return Board(crawljob="largest", since=now - shown, until=until, interval=shown / 1000)


async def _boards(connection: AsyncConnection) -> list[Row]:
    board = board_of_the_largest()

    async def show(name: str) -> Row:
        sql = board.sql(name).encode()
        return at_most(f"board query {name}, 60 days", await _least_s(lambda: connection.execute(sql)), 1, "s")

    return [await show(name) for name in NAMES]


# --- Deletion ---------------------------------------------------------------------------------------------------------


async def _deletion(ledger: Ledger, url: str, connection: AsyncConnection) -> list[Row]:
    """The operator's reaper takes a run away, while another one's commits go on."""
    doomed = await jobs.find(ledger, "default", "doomed")
    assert doomed is not None
    before = await _database_bytes(connection)
    writer = await _Writer.on(ledger, await _largest(ledger))
    await _least_s(writer.commit, 20)
    done, longest_s = asyncio.Event(), 0.0

    async def keep_committing() -> None:
        nonlocal longest_s
        while not done.is_set():
            longest_s = max(longest_s, await writer.commit())

    committing = asyncio.create_task(keep_committing())
    async with open_ledger(url, max_connections=1) as of_the_operator:
        started = time.perf_counter()
        await jobs.mark_deleted(of_the_operator, doomed.id)
        while await jobs.reap(of_the_operator):
            pass
        seconds = time.perf_counter() - started
    done.set()
    await committing
    left = await connection.execute("SELECT to_regclass(%s)", [f"search_{doomed.run_id}"])
    assert await left.fetchone() == (None,)
    return [
        at_most(f"deletion of a run of {DOOMED:,} searches and as many artists", seconds, 10, "s"),
        at_most("longest commit of another run meanwhile", longest_s, 1, "s"),
        stated("given back to the disk", (before - await _database_bytes(connection)) / 1e6, "MB"),
    ]


async def _database_bytes(connection: AsyncConnection) -> int:
    row = await (await connection.execute("SELECT pg_database_size(current_database())")).fetchone()
    return 0 if row is None else int(row[0])


# --- Planning ---------------------------------------------------------------------------------------------------------


async def _planning(ledger: Ledger, url: str) -> list[Row]:
    """A thousand jobs, and as many partitions as there may be."""
    for number in range(OTHER_JOBS):
        await record(ledger, crawljob(f"other-{number}"))
    keyspace = {"minLength": 5, "maxLength": 5, "first": "00000", "last": "2zzzz", "rangeSize": 36**4}
    for number in range(LARGE_RUNS):
        await record(ledger, crawljob(f"large-{number}", keyspace=keyspace))
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("ANALYZE")
        job = (await _largest(ledger)).id
        planned = [await _plan_ms(connection, query("jobs.progress"), {"job_id": job, "kept_rows": requests.KEPT_ROWS})]
        looks = [board_of_the_largest().sql(name) for name in NAMES]
        looks += [f"SELECT * FROM {view} WHERE namespace = 'default' AND name = 'largest'" for view in VIEWS]
        planned += [await _plan_ms(connection, look.encode(), None) for look in looks]
    return [at_most("planning of a look at one of 1,000 jobs, the slowest of all", max(planned), 5, "ms")]


async def _plan_ms(connection: AsyncConnection, sql: bytes, arguments: dict[str, object] | None) -> float:
    """What the server says of the planning, once its catalogue is at hand."""
    for _ in range(2):
        explained = await (await connection.execute(b"EXPLAIN (SUMMARY) " + sql, arguments)).fetchall()
    return float(explained[-1][0].split()[-2])
