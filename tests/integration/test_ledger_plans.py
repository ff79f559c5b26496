"""How the server runs the named queries: each is valid, and the hot ones keep to indexes whatever the tables held."""

import re

import pytest
from support.fakes.ledgers import open_ledger

from crawl_core.backends import queries

PLANNED = [name for group in queries.groups() for name in queries.names(group) if name != "jobs.copy_ranges"]


async def plan(ledger, name):
    """The plan that a prepared statement keeps."""
    numbers: dict[str, str] = {}
    sql = queries.query(name, run_id=1).decode()
    numbered = re.sub(r"%\((\w+)\)s", lambda match: numbers.setdefault(match[1], f"${len(numbers) + 1}"), sql)
    async with ledger.transaction() as connection:
        cursor = await connection.execute(f"EXPLAIN (GENERIC_PLAN) {numbered.replace('%%', '%')}".encode())
        return "\n".join(row[0] for row in await cursor.fetchall())


@pytest.fixture
async def ledger(ledger_url):
    async with open_ledger(ledger_url) as opened:
        yield opened


async def test_every_named_query_is_valid_on_the_schema(ledger):
    for name in PLANNED:
        assert await plan(ledger, name), name


async def test_a_commit_planned_while_artists_are_few_reads_no_whole_table(ledger):
    """The plan is kept when there are millions: artists are met by their unique index alone."""
    rows = "SELECT n, 1, now(), now(), n::text, 'n', 'q' FROM generate_series(1, 60) n"
    async with ledger.transaction() as connection:
        columns = "key, source_id, first_seen, last_seen, id, name, first_query"
        await connection.execute(f"INSERT INTO artist ({columns}) {rows}")
        await connection.execute("ANALYZE artist")
        await connection.execute("SELECT known_artists(1::smallint, ARRAY['1', '2'])")
        scans = "SELECT seq_scan, idx_scan FROM pg_stat_xact_user_tables WHERE relname = 'artist'"
        looked_up = await (await connection.execute(scans)).fetchone()
    assert looked_up == (0, 1)
    kept = await plan(ledger, "batches.commit")
    assert "Conflict Arbiter Indexes: artist_of_source" in kept
    assert "Seq Scan on artist" not in kept
