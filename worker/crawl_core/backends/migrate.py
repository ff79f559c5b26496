"""Brings a ledger's schema to the version that this process knows, or says that it is newer.

All missing migrations run in one transaction under an advisory lock of that transaction: two processes at once, a
process killed half-way and PgBouncer in transaction mode are all harmless. It refuses to go back to an older version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from psycopg import AsyncConnection
from psycopg.rows import TupleRow, scalar_row

from crawl_core.backends.postgres import connect, mapped_errors
from crawl_core.errors import SchemaVersionError


class SchemaMissingError(SchemaVersionError):
    """The database has no ledger in it yet."""


LOCK_KEY = 0x61727473
"""Names the advisory lock among all users of the database: "arts" in ASCII."""


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
    """Apply what is missing; return the names of what was applied. Raises SchemaVersionError when it is newer."""
    steps = migrations() if known is None else known
    connection = await connect(url, application_name="artistcrawl-migrate", prepare=False)
    with mapped_errors():
        async with connection, connection.transaction():
            return await _apply_missing(connection, steps)


async def _apply_missing(connection: AsyncConnection[TupleRow], steps: Sequence[Migration]) -> list[str]:
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_KEY,))
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_version"
        " (version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    found = await read_version(connection)
    if found > steps[-1].version:
        raise newer_schema(found, steps[-1].version)
    missing = [step for step in steps if step.version > found]
    for step in missing:
        await connection.execute(step.sql.encode())
        await connection.execute(
            "INSERT INTO schema_version (version, name) VALUES (%s, %s)", (step.version, step.name)
        )
    return [step.name for step in missing]


async def read_version(connection: AsyncConnection[TupleRow]) -> int:
    """The version of the schema in this database; 0 when there is none."""
    cursor = connection.cursor(row_factory=scalar_row)
    await cursor.execute("SELECT to_regclass('schema_version') IS NOT NULL")
    if not await cursor.fetchone():
        return 0
    await cursor.execute("SELECT coalesce(max(version), 0) FROM schema_version")
    return int(await cursor.fetchone() or 0)


def newer_schema(found: int, known: int) -> SchemaVersionError:
    """What to say when the ledger is ahead of this process."""
    return SchemaVersionError(
        f"the ledger's schema is version {found}, this artistcrawl knows {known}: run artistcrawl of the newer version"
    )


def older_schema(found: int, known: int) -> SchemaVersionError:
    """What to say when this process is ahead of the ledger."""
    state = f"is version {found}" if found else "is missing"
    kind = SchemaVersionError if found else SchemaMissingError
    return kind(f"the ledger's schema {state}, this artistcrawl needs {known}: run artistcrawl migrate first")


async def check_schema(connection: AsyncConnection[TupleRow]) -> None:
    """Return when the schema is the one this process knows; raise SchemaVersionError when not."""
    found, known = await read_version(connection), known_version()
    if found > known:
        raise newer_schema(found, known)
    if found < known:
        raise older_schema(found, known)
