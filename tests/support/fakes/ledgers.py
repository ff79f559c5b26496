"""Ledgers for tests: a recorded job, and batches that say only what a test is about."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from crawl_core.ledger import jobs, ranges
from crawl_core.ledger.ledger import Ledger
from crawl_core.spec import CrawlJob, crawljob_of
from crawl_core.values.jobs import JobRow
from crawl_core.values.rows import ArtistRow, Batch, Counters, Cursor, RangeRow, SearchRow

NOW_US = 1_760_000_000_123_457
UID = "uid-1"


def crawljob(name: str = "artists", **spec: Any) -> CrawlJob:
    """A CrawlJob of 36 + 36 strings in two ranges, unless `spec` says otherwise."""
    spec.setdefault("keyspace", {"minLength": 4, "maxLength": 4, "first": "aa00", "last": "aa1z", "rangeSize": 36})
    data = {
        "apiVersion": "artistcrawl.dev/v1alpha1",
        "kind": "CrawlJob",
        "metadata": {"name": name},
        "spec": spec,
    }
    return crawljob_of(data, origin="test")


@asynccontextmanager
async def open_ledger(url: str, *, max_connections: int = 4) -> AsyncIterator[Ledger]:
    ledger = await Ledger.open(url, max_connections=max_connections, application_name="test")
    try:
        yield ledger
    finally:
        await ledger.close()


async def record(ledger: Ledger, job: CrawlJob | None = None, *, uid: str = UID, **bucket: Any) -> JobRow:
    """Record a job; its bucket is `credential:test` unless said otherwise."""
    where = {"bucket": "credential:test", "bucket_scope": "Credential", **bucket}
    return await jobs.record(ledger, job or crawljob(), uid=uid, **where)


async def take(ledger: Ledger, range_id: int, *, owner: str | None = None, job_uid: str = UID) -> tuple[RangeRow, str]:
    """Own a range as a new owner; fails when that is refused."""
    owner = owner or str(uuid.uuid4())
    row = await ranges.read(ledger, range_id)
    assert row is not None
    taken = await ranges.take(ledger, range_id, fence=row.fence, owner=owner, job_uid=job_uid)
    assert taken is not None
    return taken, owner


async def taken_first_range(ledger: Ledger, job: JobRow) -> tuple[RangeRow, str]:
    return await take(ledger, (await ranges.open_ids(ledger, job.id, limit=1))[0])


def search(string: str, **fields: Any) -> SearchRow:
    return msgspec.structs.replace(SearchRow(string, 1, 0, False, 0, NOW_US), **fields)


def artist(artist_id: str, **fields: Any) -> ArtistRow:
    row = ArtistRow(artist_id, f"name of {artist_id}", 50, 1000, ["pop"], [{"url": "u"}], "aa00", NOW_US)
    return msgspec.structs.replace(row, **fields)


def batch_of(row: RangeRow, owner: str, *, strings: Sequence[str] = (), **fields: Any) -> Batch:
    """A batch from where `row` stands that finishes `strings` and moves on by one commit."""
    assert row.cursor is not None
    after = Cursor(string=strings[-1] + "+" if strings else row.cursor.string, batch=row.cursor.batch + 1)
    values: Mapping[str, Any] = {
        "run_id": row.run_id,
        "range_id": row.id,
        "owner": owner,
        "fence": row.fence,
        "expected": row.cursor,
        "cursor": after,
        "searches": [search(string) for string in strings],
        "counters": Counters(requests=len(strings), covered=len(strings)),
        **fields,
    }
    return Batch(**values)


async def table_counts(ledger: Ledger) -> dict[str, int]:
    """Rows of every table that a commit writes."""
    tables = ("search", "artist", "run_artist", "dead_letter", "api_request", "crawl_range")
    async with ledger.transaction() as connection:
        counts = {}
        for table in tables:
            cursor = await connection.execute(f"SELECT count(*) FROM {table}".encode())
            row = await cursor.fetchone()
            counts[table] = 0 if row is None else row[0]
    return counts


async def value(ledger: Ledger, sql: str) -> Any:
    """The only value of an ad-hoc query."""
    async with ledger.transaction() as connection:
        row = await (await connection.execute(sql.encode())).fetchone()
    return None if row is None else row[0]
