"""Brings a ledger's schema to the version that this process knows, or says that it is newer.

All missing migrations run in one transaction under an advisory lock of that transaction: two processes at once, a
process that is killed half-way and PgBouncer in transaction mode do no harm. There is no way back to an older version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from psycopg import AsyncConnection
from psycopg.rows import TupleRow, scalar_row

from crawl_core.backends.postgres import connect, mapped_errors
from crawl_core.errors import ConfigurationError, SchemaVersionError


class SchemaMissingError(SchemaVersionError):
    """The database has no ledger in it yet."""


_TIMEOUTS = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"]

_NOTICE_A_DEATH = """
SELECT set_config('client_connection_check_interval', '1s', true)
WHERE current_setting('server_version_num')::integer >= 150000
"""
"""A migration of minutes holds the ledger to its end, whoever waits for it: where its process was killed, in vain.
PostgreSQL 14 cannot tell everywhere."""

LOCK_KEY = 0x61727473
"""The advisory lock's number among all users of the database: "arts" in ASCII."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file in `sql/migrations`."""

    version: int
    name: str
    sql: str


@cache
def migrations() -> tuple[Migration, ...]:
    """All migrations this process knows, in order."""
    folder = resources.files("crawl_core") / "sql" / "migrations"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return tuple(Migration(int(f.name[:4]), f.name[5:-4], f.read_text(encoding="utf-8")) for f in files)


def known_version() -> int:
    """The schema version this process works with."""
    return migrations()[-1].version


async def migrate(url: str, *, known: Sequence[Migration] | None = None) -> list[str]:
    """Apply the migrations that are missing; return their names. Raises SchemaVersionError when the ledger is newer."""
    steps = migrations() if known is None else known
    connection = await connect(url, application_name="artistcrawl-migrate", prepare=False)
    with mapped_errors():
        async with connection, connection.transaction():
            return await _apply_missing(connection, steps)


async def _apply_missing(connection: AsyncConnection[TupleRow], steps: Sequence[Migration]) -> list[str]:
    # A role or a database may have bounds of its own, and building an index takes what it takes.
    await connection.execute("SELECT set_config(name, '0', true) FROM unnest(%s::text[]) name", (_TIMEOUTS,))
    await connection.execute(_NOTICE_A_DEATH)
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_KEY,))
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_version"
        " (version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    version = await read_version(connection)
    if version == 0:
        await _check_encoding(connection)
    if version > steps[-1].version:
        raise newer_schema(version, steps[-1].version)
    missing = [step for step in steps if step.version > version]
    for step in missing:
        await connection.execute(step.sql.encode())
        await connection.execute(
            "INSERT INTO schema_version (version, name) VALUES (%s, %s)", (step.version, step.name)
        )
    return [step.name for step in missing]


async def _check_encoding(connection: AsyncConnection[TupleRow]) -> None:
    """Return where names in any script can be stored. A ledger that is there already goes on as it is."""
    cursor = connection.cursor(row_factory=scalar_row)
    encoding = await (await cursor.execute("SELECT current_setting('server_encoding')")).fetchone()
    if encoding != "UTF8":
        raise ConfigurationError(
            f"the database has the encoding {encoding}, which cannot store every name: make another one with "
            "CREATE DATABASE artistcrawl ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0, and name it in the URL"
        )


async def read_version(connection: AsyncConnection[TupleRow]) -> int:
    """The version of the schema in this database; 0 when there is none."""
    cursor = connection.cursor(row_factory=scalar_row)
    await cursor.execute("SELECT to_regclass('schema_version') IS NOT NULL")
    if not await cursor.fetchone():
        return 0
    await cursor.execute("SELECT coalesce(max(version), 0) FROM schema_version")
    return int(await cursor.fetchone() or 0)


def newer_schema(version: int, known: int) -> SchemaVersionError:
    """The error for a ledger that is ahead of this process."""
    return SchemaVersionError(
        f"the ledger's schema is version {version}, this artistcrawl knows {known}: "
        "run artistcrawl of the newer version"
    )


def older_schema(version: int, known: int) -> SchemaVersionError:
    """The error for a ledger that is behind this process, or (version 0) does not exist."""
    state = f"is version {version}" if version else "is missing"
    kind = SchemaVersionError if version else SchemaMissingError
    return kind(f"the ledger's schema {state}, this artistcrawl needs {known}: run artistcrawl migrate first")


async def check_schema(connection: AsyncConnection[TupleRow]) -> None:
    """Return when the schema is the one this process knows; raise SchemaVersionError when not."""
    version, known = await read_version(connection), known_version()
    if version > known:
        raise newer_schema(version, known)
    if version < known:
        raise older_schema(version, known)
