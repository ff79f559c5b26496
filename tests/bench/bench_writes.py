"""The write path: our one statement beside pipelined executemany of the same work and a bare COPY, on one server.

"The same work" is what a commit of 50 artists means: upsert them by the ledger's rules, link them to the job, count,
and move the range's cursor behind its fence, in one transaction. Rounds are interleaved and the median counts.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import psutil
import psycopg
from support.fakes.ledgers import NOW_US, open_ledger, record, search, taken_first_range
from support.processes.servers import Postgres

from crawl_core.backends.migrate import migrate
from crawl_core.ledger import batches
from crawl_core.ledger.ledger import Ledger
from crawl_core.values.rows import ArtistRow, Batch, Cursor, RangeRow, RequestRow
from tests.bench.rows import Row, at_least, stated

BATCH_ROWS = 50
ROWS = 10_000
ROUNDS = 7
SEARCHES_A_BATCH = 100

_IMAGES = [
    {"url": f"https://images.example/{size:x}{'0123456789abcdef' * 2}", "height": size, "width": size}
    for size in (640, 320, 160)
]
_UPSERT = """
INSERT INTO artist AS a (key, source_id, id, name, popularity, followers, genres, images, first_query, first_seen,
                         last_seen)
VALUES (nextval('artist_key'), 1, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (source_id, id) DO UPDATE SET
    name = excluded.name, popularity = coalesce(excluded.popularity, a.popularity),
    followers = coalesce(excluded.followers, a.followers), genres = coalesce(excluded.genres, a.genres),
    images = coalesce(excluded.images, a.images), last_seen = greatest(a.last_seen, excluded.last_seen)
WHERE a.last_seen < excluded.last_seen - interval '24 hours'
   OR (excluded.name, coalesce(excluded.popularity, a.popularity), coalesce(excluded.followers, a.followers),
       coalesce(excluded.genres, a.genres), coalesce(excluded.images, a.images))
      IS DISTINCT FROM (a.name, a.popularity, a.followers, a.genres, a.images)"""
_LINK = """
INSERT INTO run_artist (run_id, artist_key) SELECT %s, key FROM artist WHERE source_id = 1 AND id = %s
ON CONFLICT DO NOTHING"""
_CHECKPOINT = """
UPDATE crawl_range SET cursor = %s, artists = artists + %s, artists_new = artists_new + %s, changed_at = now()
WHERE id = %s AND owner = %s AND fence = %s AND cursor = %s::jsonb"""
_COPY = """
COPY artist (key, source_id, id, name, popularity, followers, genres, images, first_query, first_seen, last_seen)
FROM STDIN"""


def run() -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="acr-") as folder:
        server = Postgres(Path(folder) / "pg")
        try:
            return asyncio.run(_run(server))
        finally:
            server.stop()


async def _run(server: Postgres) -> list[Row]:
    await migrate(server.url())
    async with open_ledger(server.url()) as ledger:
        claimed = await taken_first_range(ledger, await record(ledger))
        writer = _Writer(ledger, *claimed)
        connection = await psycopg.AsyncConnection.connect(server.url(), autocommit=True)
        async with connection:
            rates: dict[str, list[float]] = {"ours": [], "executemany": [], "copy": []}
            await writer.commit_artists(_artists(BATCH_ROWS * 20))  # warm plans and caches
            for _ in range(ROUNDS):
                rates["ours"].append(await _rate(writer.commit_artists))
                rates["executemany"].append(await _rate(lambda rows: _executemany(connection, writer, rows)))
                rates["copy"].append(await _rate(lambda rows: _copy(connection, rows)))
        ours, executemany, copy = (statistics.median(rates[name]) for name in ("ours", "executemany", "copy"))
        return [
            at_least("one statement / pipelined executemany, artists", ours / executemany, 1.4),
            at_least("one statement / COPY into the same logged table", ours / copy, 0.2),
            stated("one statement", ours, "artists/s"),
            stated("pipelined executemany", executemany, "artists/s"),
            stated("COPY", copy, "artists/s"),
            *await _empty_searches(server, writer),
        ]


async def _rate(write: Any) -> float:
    rows = _artists(ROWS)
    started = time.perf_counter()
    await write(rows)
    return ROWS / (time.perf_counter() - started)


def _artists(count: int) -> list[ArtistRow]:
    """Artists that no ledger has, with ids in random order as they come from an API."""
    ids = [f"{random.getrandbits(110):022x}"[:22] for _ in range(count)]
    return [ArtistRow(i, f"Name {i[:9]}", 50, 12_345, ["pop", "indie"], _IMAGES, "aa00", NOW_US) for i in ids]


class _Writer:
    """One range, written by our statement; remembers where it stands."""

    def __init__(self, ledger: Ledger, row: RangeRow, owner: str) -> None:
        self.ledger = ledger
        self.row = row
        self.owner = owner
        assert row.cursor is not None
        self.cursor: Cursor = row.cursor

    def advance(self) -> tuple[Cursor, Cursor]:
        before, self.cursor = self.cursor, Cursor(string="aa00", batch=self.cursor.batch + 1)
        return before, self.cursor

    async def commit(self, **found: Any) -> None:
        before, after = self.advance()
        batch = Batch(
            run_id=self.row.run_id,
            range_id=self.row.id,
            owner=self.owner,
            fence=self.row.fence,
            expected=before,
            cursor=after,
            **found,
        )
        assert await batches.commit(self.ledger, batch) is not None

    async def commit_artists(self, rows: list[ArtistRow]) -> None:
        for start in range(0, len(rows), BATCH_ROWS):
            await self.commit(artists=rows[start : start + BATCH_ROWS])


async def _executemany(connection: Any, writer: _Writer, rows: list[ArtistRow]) -> None:
    seen = "2026-01-01T00:00:00Z"
    for start in range(0, len(rows), BATCH_ROWS):
        part = sorted(rows[start : start + BATCH_ROWS], key=lambda row: row.id)
        values = [
            (
                r.id,
                r.name,
                r.popularity,
                r.followers,
                r.genres,
                msgspec.json.encode(r.images).decode(),
                "aa00",
                seen,
                seen,
            )
            for r in part
        ]
        links = [(writer.row.run_id, r.id) for r in part]
        before, after = (msgspec.json.encode(cursor).decode() for cursor in writer.advance())
        async with connection.pipeline(), connection.transaction(), connection.cursor() as cursor:
            await cursor.executemany(_UPSERT, values)
            await cursor.executemany(_LINK, links)
            fence = (writer.row.id, writer.owner, writer.row.fence, before)
            await cursor.execute(_CHECKPOINT, (after, len(part), len(part), *fence))


async def _copy(connection: Any, rows: list[ArtistRow]) -> None:
    seen = "2026-01-01T00:00:00Z"
    images = msgspec.json.encode(_IMAGES).decode()
    async with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for number, r in enumerate(rows):
            row = (-number, 1, r.id, r.name, r.popularity, r.followers, r.genres, images, "aa00", seen, seen)
            await copy.write_row(row)


async def _empty_searches(server: Postgres, writer: _Writer) -> list[Row]:
    """96 % of an exhaustive crawl: strings that match nothing, each a search row and a request row."""
    strings = [f"{n:06x}" for n in range(40_000)]
    server_s, client_s, started = _cpu_s(server.pid), time.process_time(), time.perf_counter()
    for start in range(0, len(strings), SEARCHES_A_BATCH):
        part = strings[start : start + SEARCHES_A_BATCH]
        log = [RequestRow(NOW_US, string, 0, 50, 200, "ok", 0.01, "worker-1") for string in part]
        await writer.commit(searches=[search(string) for string in part], requests=log)
    seconds = time.perf_counter() - started
    size = "SELECT pg_total_relation_size('search') / count(*)::float FROM search"
    async with writer.ledger.transaction() as connection:
        row = await (await connection.execute(size)).fetchone()
    count = len(strings)
    return [
        stated("searches without artists, one connection", count / seconds, "searches/s"),
        stated("PostgreSQL's CPU", (_cpu_s(server.pid) - server_s) / count * 1e6, "us/search"),
        stated("client's CPU, commit only", (time.process_time() - client_s) / count * 1e6, "us/search"),
        stated("stored, index included", 0 if row is None else row[0], "bytes/search"),
    ]


def _cpu_s(pid: int) -> float:
    server = psutil.Process(pid)
    times = [process.cpu_times() for process in (server, *server.children())]
    return sum(one.user + one.system for one in times)
