"""Connections to PostgreSQL, and the one seam where its errors become ours.

A pool of its own instead of psycopg_pool: a caller here fails with the reason (a wrong password, a missing database)
instead of a timeout, and connects at once after an outage instead of when a background retry wakes up. It keeps no
session state (no SET, no LISTEN, no session locks), so it works behind PgBouncer in transaction mode. No statement is
repeated: only its caller knows whether that is safe.
"""

from __future__ import annotations

import asyncio
import re
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import psycopg
from psycopg import AsyncConnection, errors
from psycopg.rows import TupleRow

from crawl_core.backends.addresses import check_postgres
from crawl_core.errors import BatchRefusedError, ConfigurationError, LedgerUnavailableError
from crawl_core.metrics.definitions import LEDGER_ERRORS

CONNECT_TIMEOUT_S = 10
CALL_TIMEOUT_S = 60.0
"""Seconds until an unanswered statement counts as unreachable; the longest honest one records 100,000 ranges."""
TCP_USER_TIMEOUT_MS = 30_000
"""Milliseconds until sent data that nobody acknowledges ends the connection. libpq wants this unit."""
PREPARE_AFTER_CALLS = 2
"""A statement is prepared on a connection when it runs there for the second time."""

_WITHOUT_PREPARING = re.compile(r"(?<=[?&])prepare=off(&|$)")

_CONFIGURATION = (
    # SQLSTATE prefix; a part of libpq's message, which has no SQLSTATE while it connects; what to do.
    ("28", "authentication failed", "PostgreSQL refuses the user or the password: correct them in the URL"),
    ("28", "no password supplied", "PostgreSQL wants a password: write postgresql://USER:PASSWORD@HOST/DATABASE"),
    ("28", "no pg_hba.conf entry", "PostgreSQL lets this user in from elsewhere only: see its pg_hba.conf"),
    ("\0", "connection is bad: invalid ", "the PostgreSQL URL has a value that libpq does not take: correct it"),
    ("28", 'role "', "PostgreSQL has no such user: create it, or correct the URL"),
    ("3D", 'database "', "PostgreSQL has no such database: create it, or correct the URL"),
    ("42501", "\0", "the database user lacks a privilege: make it the owner of the ledger's tables"),
    ("42P01", "\0", "the ledger's tables are missing: run artistcrawl migrate, or correct the URL"),
    ("42703", "\0", "the ledger's tables are of another version: run artistcrawl migrate"),
    ("3F", "\0", "the database has no schema to work in: create it, or set the user's search_path"),
)
_NOISE = re.compile(
    r" ?Is the server running (on that host|locally) and accepting (TCP/IP )?connections( on that socket)?\?"
    r"| ?This probably means the server terminated abnormally before or while processing the request\."
)
"""Guesses that libpq adds to its messages. The remedies here are more to the point."""
_REFUSED = ("22", "21")
_UNAVAILABLE = ("08", "25006", "40", "53", "55P03", "57", "58")
"""After these the same call may work later: connection, a standby, deadlock, resources, locks, shutdown, I/O."""


def translate(error: psycopg.Error) -> Exception:
    """The error of ours that an error of psycopg means; the error itself when it is a defect of this program."""
    state = error.sqlstate or ""
    text = _NOISE.sub("", " ".join(str(error).split())) or type(error).__name__
    for prefix, words, remedy in _CONFIGURATION:
        if state.startswith(prefix) if state else words in text:
            return ConfigurationError(f"{remedy} ({text})")
    if state.startswith(_REFUSED):
        return BatchRefusedError(f"PostgreSQL refuses the data: {text} (SQLSTATE {state})")
    if state == "23514" and error.diag.constraint_name is None:
        return LedgerUnavailableError(f"a partition was made or dropped in this very moment: {text}")
    lost = not state and isinstance(error, (errors.OperationalError, errors.InterfaceError))
    if lost or state.startswith(_UNAVAILABLE):
        return LedgerUnavailableError(f"PostgreSQL cannot be reached: {text}")
    return error


@contextmanager
def mapped_errors() -> Iterator[None]:
    """Turn every error of psycopg that a caller could act upon into one of ours."""
    try:
        yield
    except psycopg.Error as error:
        meaning = translate(error)
        if meaning is error:
            raise
        if isinstance(meaning, LedgerUnavailableError):
            # Counted here and nowhere above: what passes a second seam is an error of ours by then.
            LEDGER_ERRORS.inc()
        raise meaning from error


def plain(url: str) -> str:
    """The URL as libpq understands it: without prepare=off, which only `connect` reads."""
    return _WITHOUT_PREPARING.sub("", url).rstrip("?&")


async def connect(url: str, *, application_name: str, prepare: bool = True) -> AsyncConnection[TupleRow]:
    """One autocommitting connection. Raises what `translate` makes of a failure.

    `prepare=False` is for PgBouncer in transaction mode, where the next statement meets another server session; a URL
    that ends in `?prepare=off` says the same, wherever it is written.
    """
    plain_url = plain(url)
    prepare = prepare and plain_url == url
    check_postgres(plain_url)
    with mapped_errors():
        return await AsyncConnection.connect(
            plain_url,
            autocommit=True,
            prepare_threshold=PREPARE_AFTER_CALLS - 1 if prepare else None,
            application_name=application_name,
            connect_timeout=CONNECT_TIMEOUT_S,
            tcp_user_timeout=TCP_USER_TIMEOUT_MS,
        )


_living: set[weakref.ref[Pool]] = set()


def living_pools() -> list[Pool]:
    """The pools of this process, closed ones too while somebody has them. May be asked from another thread."""
    # The set is copied at once, while no other thread can change it.
    return [pool for reference in tuple(_living) if (pool := reference()) is not None]


class Pool:
    """At most `max_connections` connections, opened when needed. A failed one is closed and never lent again."""

    def __init__(self, url: str, *, max_connections: int, application_name: str, prepare: bool = True) -> None:
        self._url = url
        self._application_name = application_name
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
    async def connection(self) -> AsyncIterator[AsyncConnection[TupleRow]]:
        """Lend a connection for one statement or one transaction, waiting for a free one."""
        async with self._place():
            connection = await self._open_or_reuse()
            sound = False
            self._lent += 1
            try:
                with mapped_errors():
                    async with self._time_limit():
                        yield connection
                sound = True
            finally:
                self._lent -= 1
                await self._give_back(connection, sound=sound)

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
        return await connect(self._url, application_name=self._application_name, prepare=self._prepare)

    async def _give_back(self, connection: AsyncConnection[TupleRow], *, sound: bool) -> None:
        idle = connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        if self._closed or connection.closed or not (sound or idle):
            await connection.close()
        else:
            self._idle.append(connection)

    async def close(self) -> None:
        """Close the idle connections now, and the lent ones when they come back."""
        self._closed = True
        while self._idle:
            await self._idle.pop().close()
