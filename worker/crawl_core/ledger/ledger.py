"""The way to the ledger: a pool of connections, and named queries on it.

Rows are read by their columns' names, never by position: two counts that change places in a query would otherwise be
told for each other. What a statement means stands in `sql/`, who calls it in the modules beside this one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from psycopg import AsyncConnection
from psycopg.rows import TupleRow, kwargs_row, scalar_row

from crawl_core.backends.migrate import check_schema
from crawl_core.backends.postgres import Pool, mapped_errors
from crawl_core.backends.queries import query
from crawl_core.backends.trust import Trust

T = TypeVar("T")
Arguments = Mapping[str, object] | None

_STREAM = "artistcrawl_stream"
"""Name of the server's cursor; it lives in one transaction only."""


class Ledger:
    """An open ledger, of the schema that this process knows.

    Every call raises LedgerUnavailableError when PostgreSQL cannot be reached and ConfigurationError when a person must
    act. No statement is repeated by itself. Values come in binary: the text of an instant depends on settings of the
    session, which behind a pooler may be another one at each statement.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        max_connections: int = 2,
        application_name: str = "artistcrawl",
        prepare: bool = True,
        trust: Trust | None = None,
    ) -> Ledger:
        """Connect and check the schema. `trust`: what is known of this server from before."""
        pool = Pool(
            url, max_connections=max_connections, application_name=application_name, prepare=prepare, trust=trust
        )
        ledger = cls(pool)
        try:
            await ledger.check_schema()
        except BaseException:
            await ledger.close()
            raise
        return ledger

    async def check_schema(self) -> None:
        """Raise SchemaVersionError when the ledger's schema is newer or older than what this process knows."""
        async with self._pool.connection("schema") as connection:
            await check_schema(connection)

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()

    @asynccontextmanager
    async def transaction(self, name: str = "transaction") -> AsyncIterator[AsyncConnection[TupleRow]]:
        """A connection inside a transaction, for what one statement cannot do."""
        async with self._pool.connection(name) as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def stream(
        self, name: str, arguments: Arguments = None, *, chunk: int
    ) -> AsyncIterator[AsyncIterator[list[tuple[Any, ...]]]]:
        """The rows of the query GROUP.NAME as of one instant, as tuples in the order of its columns, `chunk` at a time.

        However many they are and however long it takes: it has a connection of its own, so that nobody waits for its
        end.
        """
        connection = await self._pool.connect()
        with mapped_errors():
            async with connection, connection.transaction(), connection.cursor(_STREAM, binary=True) as cursor:
                await cursor.execute(query(name), arguments)

                async def chunks() -> AsyncIterator[list[tuple[Any, ...]]]:
                    while rows := await cursor.fetchmany(chunk):
                        yield rows

                yield chunks()

    async def rows(
        self, name: str, arguments: Arguments = None, *, into: Callable[..., T], run_id: int | None = None
    ) -> list[T]:
        """All rows of the query GROUP.NAME, autocommitted; `into` is called with each one's columns by name.

        `run_id`: of the run whose tables it names.
        """
        async with self._pool.connection(name) as connection:
            cursor = connection.cursor(row_factory=kwargs_row(into), binary=True)
            return await (await cursor.execute(query(name, run_id), arguments)).fetchall()

    async def row(
        self,
        name: str,
        arguments: Arguments = None,
        *,
        into: Callable[..., T],
        run_id: int | None = None,
    ) -> T | None:
        """The only row of the query GROUP.NAME, or None; `into` is called with its columns by name.

        prepare=False: planned each time, for its very arguments. `run_id`: of the run whose tables it names.
        """
        async with self._pool.connection(name) as connection:
            cursor = connection.cursor(row_factory=kwargs_row(into), binary=True)
            return await (await cursor.execute(query(name, run_id), arguments)).fetchone()

    async def values(self, name: str, arguments: Arguments = None, *, run_id: int | None = None) -> list[Any]:
        """The query GROUP.NAME's only column, of all rows. `run_id`: of the run whose tables it names."""
        async with self._pool.connection(name) as connection:
            cursor = connection.cursor(row_factory=scalar_row, binary=True)
            return await (await cursor.execute(query(name, run_id), arguments)).fetchall()

    async def value(self, name: str, arguments: Arguments = None) -> Any:
        """The query GROUP.NAME's only column, of its only row; None without a row."""
        async with self._pool.connection(name) as connection:
            cursor = connection.cursor(row_factory=scalar_row, binary=True)
            return await (await cursor.execute(query(name), arguments)).fetchone()

    async def run(self, name: str, arguments: Arguments = None) -> int:
        """Run the query GROUP.NAME, which returns no rows; how many it changed."""
        async with self._pool.connection(name) as connection:
            return (await connection.execute(query(name), arguments)).rowcount
