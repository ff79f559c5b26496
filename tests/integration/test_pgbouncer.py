"""A ledger through the real PgBouncer in transaction mode, where each statement may meet another session."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from support.processes.pgbouncer import pgbouncer, sessions
from support.processes.servers import opened

from crawl_core.backends import postgres
from crawl_core.backends.migrate import migrate
from crawl_core.backends.postgres import connect
from crawl_core.errors import ConfigurationError, LedgerUnavailableError
from crawl_core.ledger import jobs, ranges
from crawl_core.ledger.ledger import Ledger
from crawl_core.spec import parse_crawljob
from crawl_core.values.jobs import JobRow

JOB = """
apiVersion: artistcrawl.dev/v1alpha1
kind: CrawlJob
metadata: {name: pooled}
spec: {keyspace: {alphabet: abcdef, minLength: 2, maxLength: 2, rangeSize: 6}}
"""


@pytest.fixture(params=[1, 3])
def pooled_url(ledger_url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    with pgbouncer(ledger_url, pool_size=request.param) as url:
        yield url


async def record(ledger: Ledger) -> JobRow:
    job = parse_crawljob(JOB, origin="test")
    return await jobs.record(ledger, job, uid="uid", bucket="b", bucket_scope="Named")


async def test_two_clients_never_run_each_others_statements(pooled_url: str) -> None:
    """The first statement that each prepares has the same name."""
    async with opened(pooled_url, max_connections=4) as one, opened(pooled_url, max_connections=4) as other:
        job = await record(one)

        async def reads_jobs() -> None:
            for _ in range(40):
                assert await jobs.get(one, job.id) == job

        async def counts_ranges() -> None:
            for _ in range(40):
                assert await ranges.count_open(other, job.id) == 6

        await asyncio.gather(*(each() for each in (reads_jobs, counts_ranges) * 4))


async def test_nothing_is_prepared_through_it_unless_a_person_says_so(ledger_url: str, pooled_url: str) -> None:
    for url, prepared in ((pooled_url, False), (f"{pooled_url}?prepare=on", True), (ledger_url, True)):
        connection = await connect(url, application_name="test")
        assert (connection.prepare_threshold is not None) is prepared
        await connection.close()


async def test_a_database_is_migrated_through_it(database_url: str) -> None:
    with pgbouncer(database_url) as url:
        first, second = await asyncio.gather(migrate(url), migrate(url))
        assert bool(first) is not bool(second)
        async with opened(url, max_connections=4) as ledger:
            assert await jobs.all(ledger) == []


async def test_rows_are_streamed_and_instants_read_through_it(ledger_url: str, pooled_url: str) -> None:
    with psycopg.connect(ledger_url, autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE \"{admin.info.dbname}\" SET DateStyle = 'German'")
    async with opened(pooled_url, max_connections=4) as ledger:
        job = await record(ledger)
        async with ledger.stream("jobs.all", chunk=1) as chunks:
            assert sum([len(chunk) async for chunk in chunks]) == 1
        assert await jobs.get(ledger, job.id) == job
    assert sessions(ledger_url) <= 3


async def test_a_database_that_it_does_not_know_is_a_persons_matter(ledger_url: str) -> None:
    with pgbouncer(ledger_url) as url:
        server, _, _ = url.rpartition("/")
        with pytest.raises((ConfigurationError, LedgerUnavailableError), match="nowhere"):
            await connect(f"{server}/nowhere", application_name="test")


async def test_an_option_that_it_does_not_take_is_named(ledger_url: str) -> None:
    with pgbouncer(ledger_url) as url, pytest.raises(ConfigurationError, match="ignore_startup_parameters"):
        await connect(f"{url}?options=-csearch_path%3Dpublic", application_name="test")


async def test_a_pooler_without_a_free_session_is_waited_for_briefly(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "CONNECT_TIMEOUT_S", 2)
    with pgbouncer(ledger_url, pool_size=1) as url:
        async with opened(url, max_connections=4) as ledger, ledger.transaction() as connection:
            await connection.execute("SELECT 1")
            with pytest.raises(LedgerUnavailableError):
                await connect(url, application_name="test")
        await (await connect(url, application_name="test")).close()
