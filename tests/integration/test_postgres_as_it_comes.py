"""PostgreSQL with the settings, the limits and the refusals that an administrator gives it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest
from support.processes.servers import Postgres, as_user, opened

from crawl_core.backends import postgres
from crawl_core.backends.migrate import migrate
from crawl_core.backends.postgres import Pool, connect
from crawl_core.errors import ConfigurationError, LedgerUnavailableError
from crawl_core.ledger import jobs
from crawl_core.ledger.ledger import Ledger
from crawl_core.spec import parse_crawljob
from crawl_core.values.jobs import JobRow

JOB = """
apiVersion: artistcrawl.dev/v1alpha1
kind: CrawlJob
metadata: {name: settings}
spec: {keyspace: {alphabet: abcdef, minLength: 2, maxLength: 2, rangeSize: 6}}
"""

ODD_SETTINGS = {
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "<-03>+03",
    "client_encoding": "LATIN1",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "standard_conforming_strings": "off",
    "default_transaction_isolation": "serializable",
    "xmloption": "document",
}


@pytest.fixture
def role(postgres_server: Postgres, ledger_url: str) -> Iterator[str]:
    """A user who owns the ledger, and no more."""
    name = re.sub(r".*/(\w+)\?.*", r"role_\1", ledger_url)
    postgres_server.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'pass'")
    with psycopg.connect(ledger_url, autocommit=True) as admin:
        admin.execute(f"GRANT ALL ON SCHEMA public TO {name}")
        admin.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}")
        admin.execute(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {name}")
        # The tables' owner, by membership; a superuser it is not.
        admin.execute(f"GRANT postgres TO {name}")
    yield name
    with psycopg.connect(ledger_url, autocommit=True) as admin:
        admin.execute(f"DROP OWNED BY {name}")
    postgres_server.execute(f"DROP ROLE {name}")


def as_role(url: str, role: str) -> str:
    return as_user(url, role, "pass")


async def record(ledger: Ledger, name: str = "settings") -> JobRow:
    job = parse_crawljob(JOB.replace("settings", name), origin="test")
    return await jobs.record(ledger, job, uid=f"uid-{name}", bucket="b", bucket_scope="Named")


async def test_what_a_role_and_a_database_have_set_changes_nothing(ledger_url: str, role: str) -> None:
    with psycopg.connect(ledger_url, autocommit=True) as admin:
        for name, value in ODD_SETTINGS.items():
            admin.execute(f"ALTER ROLE {role} SET {name} = '{value}'")
    async with opened(ledger_url) as ledger:
        plain = await record(ledger, "emile")
    async with opened(as_role(ledger_url, role)) as ledger:
        assert await jobs.find(ledger, "default", "emile") == plain
        await jobs.note_problem(ledger, plain.id, "Said", "日本語, \\ and 'quotes'")
        row = await jobs.get(ledger, plain.id)
        assert row is not None
        assert row.problem_message == "日本語, \\ and 'quotes'"
        assert (await jobs.progress(ledger, plain.id)).open_ranges == 6


async def test_an_instant_is_read_whatever_the_session_says_of_dates(ledger_url: str) -> None:
    """Behind a pooler the next statement may meet a session with other settings."""
    async with opened(ledger_url) as ledger:
        job = await record(ledger)
        async with ledger.transaction() as connection:
            await connection.execute("SET DateStyle = 'German'")
        assert await jobs.get(ledger, job.id) == job


async def slow_write(ledger: Ledger) -> None:
    async with ledger.transaction() as connection:
        await connection.execute("SELECT pg_sleep(1)")
        await connection.execute("UPDATE crawl_job SET name = name")


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("statement_timeout", "300ms", "raise the statement_timeout"),
        ("default_transaction_read_only", "on", "it takes no writes"),
    ],
)
async def test_a_bound_of_the_role_is_an_outage_that_names_it(
    ledger_url: str, role: str, setting: str, value: str, words: str
) -> None:
    async with opened(as_role(ledger_url, role)) as ledger:
        with psycopg.connect(ledger_url, autocommit=True) as admin:
            admin.execute(f"ALTER ROLE {role} SET {setting} = '{value}'")
        async with opened(as_role(ledger_url, role)) as bounded:
            with pytest.raises(LedgerUnavailableError, match=words):
                await slow_write(bounded)
        assert await record(ledger)


async def test_migrations_take_as_long_as_they_take(postgres_server: Postgres, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as admin:
        database = admin.info.dbname
        admin.execute(f"ALTER DATABASE \"{database}\" SET statement_timeout = '1ms'")
        admin.execute(f"ALTER DATABASE \"{database}\" SET lock_timeout = '1ms'")
    assert await migrate(database_url)


async def test_a_connection_that_met_a_standby_is_not_lent_again(database_url: str) -> None:
    """After a failover the address leads to the new primary; the connection goes on to lead to the old one."""
    pool = Pool(database_url, max_connections=1, application_name="test")
    async with pool.connection() as connection:
        first = connection.info.backend_pid
        await connection.execute("SET default_transaction_read_only = on")
    with pytest.raises(LedgerUnavailableError, match="name the primary"):
        async with pool.connection() as connection:
            await connection.execute("CREATE TABLE x ()")
    async with pool.connection() as connection:
        assert connection.info.backend_pid != first
        await connection.execute("CREATE TABLE x ()")
    await pool.close()


async def test_a_role_without_a_connection_left_is_waited_for(ledger_url: str, role: str) -> None:
    with psycopg.connect(ledger_url, autocommit=True) as admin:
        admin.execute(f"ALTER ROLE {role} CONNECTION LIMIT 1")
    url = as_role(ledger_url, role)
    async with opened(url) as ledger:
        with pytest.raises(LedgerUnavailableError, match=r"too many connections for role") as refused:
            await connect(url, application_name="test")
        assert "max_connections or the role's limit" in str(refused.value)
        assert await jobs.all(ledger) == []


async def test_a_privilege_that_is_missing_is_told_at_once_and_one_that_is_taken_away_after_minutes(
    ledger_url: str, role: str
) -> None:
    with psycopg.connect(ledger_url, autocommit=True) as admin:
        admin.execute(f"REVOKE postgres FROM {role}")
    async with opened(as_role(ledger_url, role)) as ledger, opened(as_role(ledger_url, role)) as fresh:
        assert await jobs.all(ledger) == []
        with psycopg.connect(ledger_url, autocommit=True) as admin:
            admin.execute(f"REVOKE ALL ON crawl_job FROM {role}")
            with pytest.raises(ConfigurationError, match="lacks a privilege"):
                await jobs.all(fresh)
            with pytest.raises(
                LedgerUnavailableError, match="refuses what it did not refuse before: the database user lacks"
            ):
                await jobs.all(ledger)
            admin.execute(f"GRANT ALL ON crawl_job TO {role}")
        assert await jobs.all(ledger) == []


RESTORES = {
    "its tables away": ("ALTER TABLE crawl_job RENAME TO away", "ALTER TABLE away RENAME TO crawl_job"),
    "a column away": (
        "ALTER TABLE crawl_job RENAME problem_message TO away",
        "ALTER TABLE crawl_job RENAME away TO problem_message",
    ),
    "its schema away": ("ALTER SCHEMA public RENAME TO away", "ALTER SCHEMA away RENAME TO public"),
}


@pytest.mark.parametrize("restored", RESTORES)
async def test_the_first_use_of_a_query_that_meets_a_restore_is_waited_for(ledger_url: str, restored: str) -> None:
    """What has worked for weeks is asked for something else for the first time, such as to note a problem."""
    taken_away, back = RESTORES[restored]
    async with opened(ledger_url) as ledger:
        job = await record(ledger)
        with psycopg.connect(ledger_url, autocommit=True) as admin:
            admin.execute(taken_away)
            with pytest.raises(LedgerUnavailableError, match="refuses what it did not refuse before"):
                await jobs.note_problem(ledger, job.id, "SourceFailing", "m")
            admin.execute(back)
        await jobs.note_problem(ledger, job.id, "SourceFailing", "m")


async def test_a_password_that_is_rotated_first_here_and_then_there_costs_nothing(fresh_postgres: Postgres) -> None:
    fresh_postgres.execute("CREATE ROLE crawler LOGIN SUPERUSER PASSWORD 'first'")
    await migrate(fresh_postgres.url())
    async with opened(as_user(fresh_postgres.url(), "crawler", "first")) as ledger:
        fresh_postgres.execute("ALTER ROLE crawler PASSWORD 'second'")
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'crawler'"
        fresh_postgres.execute(ended)
        for _ in range(2):
            with pytest.raises(LedgerUnavailableError):
                await jobs.all(ledger)
        with pytest.raises(LedgerUnavailableError, match="refuses what it did not refuse before"):
            await jobs.all(ledger)
        with pytest.raises(ConfigurationError, match="the user or the password"):
            await connect(as_user(fresh_postgres.url(), "crawler", "first"), application_name="test")
        fresh_postgres.execute("ALTER ROLE crawler PASSWORD 'first'")
        assert await jobs.all(ledger) == []


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
async def test_a_database_in_another_encoding_is_refused_with_the_statement_that_makes_one(
    postgres_server: Postgres, encoding: str
) -> None:
    name = f"enc_{encoding.lower()}"
    postgres_server.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
    try:
        with pytest.raises(ConfigurationError, match=encoding) as refused:
            await migrate(postgres_server.url(name))
        told = re.search(r"CREATE DATABASE .* TEMPLATE template0", str(refused.value))
        assert told is not None
        postgres_server.execute(told[0].replace("artistcrawl", f"{name}_utf8"))
        assert await migrate(postgres_server.url(f"{name}_utf8"))
    finally:
        postgres_server.execute(f"DROP DATABASE IF EXISTS {name}")
        postgres_server.execute(f"DROP DATABASE IF EXISTS {name}_utf8 WITH (FORCE)")


@pytest.mark.parametrize("prepare", ["prepare=perhaps", "prepare=", "prepare=OFF"])
async def test_a_word_that_prepare_does_not_take_is_refused(database_url: str, prepare: str) -> None:
    with pytest.raises(ConfigurationError, match="write prepare=on or prepare=off"):
        await connect(f"{database_url}&{prepare}", application_name="test")


def test_prepare_is_taken_off_wherever_it_stands() -> None:
    assert postgres.plain("postgresql://h/d?prepare=off") == "postgresql://h/d"
    assert postgres.plain("postgresql://h/d?prepare=on&sslmode=require") == "postgresql://h/d?sslmode=require"
    assert postgres.plain("postgresql://h/d?sslmode=require&prepare=off") == "postgresql://h/d?sslmode=require"
    assert postgres.plain("host=h dbname=d prepare=off") == "host=h dbname=d"
    assert postgres.plain("postgresql://u:prepare=off@h/d") == "postgresql://u:prepare=off@h/d"
