"""The SQL of the boards after 58 days of crawling, and beside a thousand CrawlJobs: nobody waits for a panel."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from support.fakes.long_crawl import STRINGS, crawl
from support.proofs.board_sql import NAMES, Board, admit_reader, as_reader

pytestmark = pytest.mark.slow

BOUND_S = 5.0
"""A common machine answers within a second, as grafana/sql.md says; a busy one that is slower may take this long."""
SEARCHES = STRINGS - 700
"""All but the last of 36 ranges: so some are in work."""

OTHER_JOBS = 999

_OTHER_JOB = """
INSERT INTO crawl_job (namespace, name, uid, spec, identity, source_id, bucket, bucket_scope, limit_requests,
                       limit_window_s, limit_timeout_s, limit_even, retention_s)
SELECT namespace, 'other-' || %s::int, 'uid', spec, identity, source_id, bucket, bucket_scope, limit_requests,
       limit_window_s, limit_timeout_s, limit_even, retention_s
FROM crawl_job WHERE name = 'artists'
"""


@pytest.fixture(scope="module")
def ledger(postgres_server, ledger_template):
    """1,678,916 searches and a full request log, beside a thousand other jobs."""
    with postgres_server.database(ledger_template) as url:
        asyncio.run(crawl(url, searches=SEARCHES))
        admit_reader(url)
        with psycopg.connect(url, autocommit=True) as connection:
            for number in range(OTHER_JOBS):
                connection.execute(_OTHER_JOB, [number])
            connection.execute("ANALYZE crawl_job")
        yield url


def took_s(url: str, board: Board, name: str) -> float:
    """As long as a panel waits, the connection included."""
    started = time.perf_counter()
    with as_reader(url) as connection:
        assert connection.execute(board.sql(name).encode()).fetchall()
    return time.perf_counter() - started


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shown", [timedelta(hours=1), timedelta(days=60)], ids=["an hour", "the whole crawl"])
def test_every_panel_is_there_soon(ledger, name, shown):
    now = datetime.now(UTC)
    board = Board(since=now - shown, until=now + timedelta(minutes=10), interval=shown / 1000)
    assert min(took_s(ledger, board, name) for _ in range(3)) < BOUND_S


def test_the_ledger_is_as_long_as_the_default_crawl(ledger):
    with as_reader(ledger) as connection:
        counted = "SELECT count(*) FROM searches WHERE name = 'artists'"
        assert connection.execute(counted).fetchone() == (SEARCHES,)
