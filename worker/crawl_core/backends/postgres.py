"""Connections to PostgreSQL, and the one seam where its errors become ours.

A pool of its own instead of psycopg_pool: a caller here fails with the reason (a wrong password, a missing database)
instead of a timeout, and connects at once after an outage instead of when a background retry wakes up. It needs no
session state (no LISTEN, no session locks), so it works behind PgBouncer in transaction mode. No statement is
repeated: only its caller knows whether that is safe.
"""

from __future__ import annotations

import asyncio
import re
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import psycopg
from psycopg import AsyncConnection, IsolationLevel
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow, scalar_row

from crawl_core.backends.addresses import check_postgres
from crawl_core.backends.postgres_errors import is_of_server, shown, translate
from crawl_core.backends.trust import CONNECT, Trust
from crawl_core.backends.unforeseen import log_unforeseen
from crawl_core.errors import ArtistcrawlError, ConfigurationError, LedgerUnavailableError
from crawl_core.metrics.definitions import LEDGER_ERRORS

CONNECT_TIMEOUT_S = 10
CALL_TIMEOUT_S = 60.0
"""Seconds until an unanswered statement counts as unreachable; the longest honest one records 100,000 ranges."""
TCP_USER_TIMEOUT_MS = 30_000
"""Milliseconds until sent data that nobody acknowledges ends the connection. libpq wants this unit."""
PREPARE_AFTER_CALLS = 2
"""A statement is prepared on a connection when it runs there for the second time."""

_PREPARE = re.compile(r"(?<=[?&])prepare=(on|off)(?:&|$)|(?:^|(?<=\s))prepare\s*=\s*(on|off)(?=\s|$)")

_WANTED = (("DateStyle", "ISO"), ("standard_conforming_strings", "on"))
"""Settings that a session must begin with, as the server reports them. A role or database may have others."""


@contextmanager
def mapped_errors(
    trust: Trust | None = None, call: str = "", connection: AsyncConnection[TupleRow] | None = None
) -> Iterator[None]:
    """Turn every error of psycopg that a caller could act upon into one of ours, and whatever else is raised because
    `connection` died. `call` is what is done, by the name under which `trust` knows it."""
    trust = trust or Trust()
    try:
        yield
    except psycopg.Error as error:
        meaning = _meaning(error, trust, call)
        if meaning is error:
            raise
        if isinstance(meaning, LedgerUnavailableError):
            # Counted here and nowhere above: what passes a second seam is an error of ours by then.
            LEDGER_ERRORS.inc()
        raise meaning from error
    except LedgerUnavailableError:
        trust.away(call)
        raise
    except ArtistcrawlError:
        raise
    except Exception as error:
        if connection is None or not _died(connection):
            raise
        trust.away(call)
        raise _unforeseen(error) from error


def _meaning(error: psycopg.Error, trust: Trust, call: str) -> Exception:
    meaning = translate(error)
    if isinstance(meaning, LedgerUnavailableError):
        trust.away(call)
    elif isinstance(meaning, ConfigurationError) and not trust.is_proof(call, of_server=is_of_server(error)):
        return LedgerUnavailableError(f"PostgreSQL refuses what it did not refuse before: {meaning}")
    return meaning


def _died(connection: AsyncConnection[TupleRow]) -> bool:
    """Whether the connection is gone, or was left in the middle of a statement."""
    status = connection.info.transaction_status
    return connection.closed or status in (TransactionStatus.ACTIVE, TransactionStatus.UNKNOWN)


def _unforeseen(error: Exception) -> LedgerUnavailableError:
    LEDGER_ERRORS.inc()
    if isinstance(error, TimeoutError):
        return LedgerUnavailableError(f"PostgreSQL did not answer within {CONNECT_TIMEOUT_S} s")
    log_unforeseen("PostgreSQL", error)
    return LedgerUnavailableError(f"PostgreSQL cannot be reached: {type(error).__name__}: {shown(str(error))}")


def plain(url: str) -> str:
    """The URL as libpq understands it: without prepare=, which only `connect` reads."""
    return _PREPARE.sub("", url).rstrip("?& ")


def _asked_to_prepare(url: str) -> bool | None:
    """What the URL says of preparing statements; None where it says nothing."""
    found = _PREPARE.search(url)
    return None if found is None else "on" in found.groups()


async def connect(
    url: str, *, application_name: str, prepare: bool = True, trust: Trust | None = None
) -> AsyncConnection[TupleRow]:
    """One autocommitting connection. Raises what `translate` makes of a failure.

    Statements are prepared where the server's own process is at the other end. `prepare=False` is for a connection that
    has no use of it; ?prepare=off or ?prepare=on in the URL is a person's word, and decides.
    """
    address = plain(url)
    check_postgres(address)
    with mapped_errors(trust, CONNECT):
        try:
            connection = await AsyncConnection.connect(
                address,
                autocommit=True,
                prepare_threshold=None,
                application_name=application_name,
                client_encoding="UTF8",
                connect_timeout=CONNECT_TIMEOUT_S,
                tcp_user_timeout=TCP_USER_TIMEOUT_MS,
            )
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    await _settle(connection, prepare=prepare, asked=_asked_to_prepare(url))
            except BaseException:
                await connection.close()
                raise
        except (psycopg.Error, ArtistcrawlError):
            raise
        except Exception as error:
            raise _unforeseen(error) from error
    return connection


async def _settle(connection: AsyncConnection[TupleRow], *, prepare: bool, asked: bool | None) -> None:
    """Make the session what this program expects, whatever its role, its database and its server have set."""
    await connection.set_isolation_level(IsolationLevel.READ_COMMITTED)
    for name, wanted in _WANTED:
        if not (connection.info.parameter_status(name) or wanted).startswith(wanted):
            await connection.execute("SELECT set_config(%s, %s, false)", (name, wanted))
    if asked or (asked is None and prepare and not await _is_pooled(connection)):
        connection.prepare_threshold = PREPARE_AFTER_CALLS - 1


async def _is_pooled(connection: AsyncConnection[TupleRow]) -> bool:
    """Whether a pooler stands between: it makes up the process id that a client is told when it connects.

    Through one, the next statement may meet another session, where the name of a prepared statement means nothing, or
    another client's statement.
    """
    cursor = connection.cursor(row_factory=scalar_row)
    await cursor.execute("SELECT pg_backend_pid()")
    return await cursor.fetchone() != connection.info.backend_pid


_living: set[weakref.ref[Pool]] = set()


def living_pools() -> list[Pool]:
    """The pools of this process, closed ones too while somebody has them. May be asked from another thread."""
    # The set is copied at once, while no other thread can change it.
    return [pool for reference in tuple(_living) if (pool := reference()) is not None]


class Pool:
    """At most `max_connections` connections, opened when needed. A failed one is closed and never lent again."""

    def __init__(
        self,
        url: str,
        *,
        max_connections: int,
        application_name: str,
        prepare: bool = True,
        trust: Trust | None = None,
    ) -> None:
        self._url = url
        self._application_name = application_name
        self._trust = trust or Trust()
        self._prepare = prepare
        self._max_connections = max_connections
        self._places = asyncio.Semaphore(max_connections)
        self._idle: list[AsyncConnection[TupleRow]] = []
        self._lent = 0
        self._waiting = 0
        self._closed = False
        _living.add(weakref.ref(self, _living.discard))

    @property
    def lent(self) -> int:
        """How many connections are lent now."""
        return self._lent

    @property
    def idle(self) -> int:
        """How many connections are open and not lent."""
        return len(self._idle)

    @property
    def limit(self) -> int:
        """How many connections it may open; none once it is closed."""
        return 0 if self._closed else self._max_connections

    @property
    def waiting(self) -> int:
        """How many tasks wait for a connection."""
        return self._waiting

    @asynccontextmanager
    async def connection(self, call: str = "") -> AsyncIterator[AsyncConnection[TupleRow]]:
        """Lend a connection for one statement or one transaction, waiting for a free one. `call` names what is done."""
        async with self._place():
            connection = await self._open_or_reuse()
            reusable = False
            self._lent += 1
            try:
                with mapped_errors(self._trust, call, connection):
                    async with self._time_limit():
                        yield connection
                reusable = True
                self._trust.worked(call)
            except LedgerUnavailableError:
                # Another connection may meet the new primary, or a session without a plan that is out of date.
                raise
            except BaseException:
                reusable = connection.info.transaction_status == TransactionStatus.IDLE
                raise
            finally:
                self._lent -= 1
                await self._give_back(connection, reusable=reusable)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._places.release()

    @asynccontextmanager
    async def _time_limit(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                yield
        except TimeoutError as error:
            LEDGER_ERRORS.inc()
            raise LedgerUnavailableError(f"PostgreSQL did not answer within {CALL_TIMEOUT_S:.0f} s") from error

    async def _open_or_reuse(self) -> AsyncConnection[TupleRow]:
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
        return await self.connect()

    async def connect(self) -> AsyncConnection[TupleRow]:
        """A connection outside the pool, the caller's to close."""
        connection = await connect(
            self._url, application_name=self._application_name, prepare=self._prepare, trust=self._trust
        )
        self._trust.worked(CONNECT)
        return connection

    async def _give_back(self, connection: AsyncConnection[TupleRow], *, reusable: bool) -> None:
        if self._closed or connection.closed or not reusable:
            await connection.close()
        else:
            self._idle.append(connection)

    async def close(self) -> None:
        """Close the idle connections now, and the lent ones when they come back."""
        self._closed = True
        while self._idle:
            await self._idle.pop().close()
