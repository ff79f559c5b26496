"""The ledgers and Redis servers of all CrawlJobs: a pool for each database and a client for each Redis, shared by all
that name it and closed when idle.

Secrets name them, so any number of them may appear, vanish and be wrong. A call that fails is not repeated here: the
next round looks again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Generic, Protocol, TypeVar

from redis.asyncio import Redis

from crawl_core.backends.addresses import check_remote_postgres, check_remote_redis
from crawl_core.backends.migrate import migrate
from crawl_core.backends.postgres import plain
from crawl_core.backends.scripts import connect_redis, ping
from crawl_core.backends.trust import Trust
from crawl_core.clock import Clock
from crawl_core.errors import LedgerUnavailableError, RedisUnavailableError, SchemaVersionError
from crawl_core.ledger.ledger import Ledger
from crawl_operator.connect.circuit_breaker import CircuitBreaker

POSTGRES_CONNECTIONS = 4
"""To one database, whatever the number of its CrawlJobs."""
REDIS_CONNECTIONS = 64
"""To one Redis. Far above the rounds at a time: the client refuses what goes beyond, instead of waiting."""
IDLE_S = 300.0
"""Seconds after which what nobody used is closed."""

T = TypeVar("T", covariant=True)


class _Connectable(Protocol[T]):
    """A server that may be there."""

    async def open(self) -> T:
        """Reach it. Raises UnavailableError or ConfigurationError."""
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...


class _SharedServer(Generic[T]):
    """A server behind its gate, lent to many."""

    def __init__(self, server: _Connectable[T], breaker: CircuitBreaker[T], clock: Clock) -> None:
        self._server = server
        self._breaker = breaker
        self._clock = clock
        self._lent = 0
        self._used_s = clock.monotonic()

    @asynccontextmanager
    async def lend(self, *, keeps_open: bool) -> AsyncIterator[T]:
        """What is open. What is raised inside, for want of the server, makes the next one look first."""
        self._lent += 1
        try:
            opened = await self._breaker.connected()
            try:
                yield opened
            except self._breaker.unavailable:
                self._breaker.invalidate()
                raise
        finally:
            self._lent -= 1
            if keeps_open:
                self._used_s = self._clock.monotonic()

    def idle(self) -> bool:
        """Whether nobody used it for a while."""
        return not self._lent and self._clock.monotonic() - self._used_s > IDLE_S

    async def close(self) -> None:
        """Close what is open."""
        await self._server.close()


class Backends:
    """All that is open. Belongs to one event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ledgers: dict[str, _SharedServer[Ledger]] = {}
        self._redis: dict[str, _SharedServer[Redis]] = {}

    def ledger(self, url: str, *, keeps_open: bool = True) -> AbstractAsyncContextManager[Ledger]:
        """The ledger behind a URL, its schema up to date. keeps_open: whether this counts as use."""
        if url not in self._ledgers:
            server = _LedgerServer(url)
            breaker = CircuitBreaker(server.open, unavailable=LedgerUnavailableError, clock=self._clock)
            self._ledgers[url] = _SharedServer(server, breaker, self._clock)
        return self._ledgers[url].lend(keeps_open=keeps_open)

    def redis(self, url: str) -> AbstractAsyncContextManager[Redis]:
        """The Redis behind a URL."""
        if url not in self._redis:
            server = _RedisServer(url)
            breaker = CircuitBreaker(server.open, unavailable=RedisUnavailableError, clock=self._clock)
            self._redis[url] = _SharedServer(server, breaker, self._clock)
        return self._redis[url].lend(keeps_open=True)

    def ledger_urls(self) -> tuple[str, ...]:
        """Of all ledgers in use."""
        return tuple(self._ledgers)

    async def close_idle(self) -> None:
        """Close what nobody used for a while."""
        for url in [url for url, each in self._ledgers.items() if each.idle()]:
            await self._ledgers.pop(url).close()
        for url in [url for url, each in self._redis.items() if each.idle()]:
            await self._redis.pop(url).close()

    async def close(self) -> None:
        """Close all of them."""
        shared = [*self._ledgers.values(), *self._redis.values()]
        self._ledgers.clear()
        self._redis.clear()
        for each in shared:
            await each.close()


class _LedgerServer:
    """A database. Opened anew after a failure: what the pool has idle is then dead, too."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._trust = Trust()
        self._ledger: Ledger | None = None
        self._migrating: asyncio.Task[list[str]] | None = None

    async def open(self) -> Ledger:
        check_remote_postgres(plain(self._url))
        try:
            ledger = await self._connect()
        except SchemaVersionError:
            await self._migrate()
            ledger = await self._connect()
        before, self._ledger = self._ledger, ledger
        if before is not None:
            await before.close()
        return ledger

    async def _connect(self) -> Ledger:
        return await Ledger.open(
            self._url,
            max_connections=POSTGRES_CONNECTIONS,
            application_name="artistcrawl-operator",
            trust=self._trust,
        )

    async def _migrate(self) -> None:
        """Bring the schema up to date. It goes on when nobody waits for it any more: it may take long."""
        if self._migrating is None:
            self._migrating = asyncio.create_task(migrate(self._url))
        migrating = self._migrating
        await asyncio.wait({migrating})
        self._migrating = None
        migrating.result()

    async def close(self) -> None:
        if self._migrating is not None:
            self._migrating.cancel()
            await asyncio.gather(self._migrating, return_exceptions=True)
        if self._ledger is not None:
            await self._ledger.close()


class _RedisServer:
    """A Redis or Valkey. The client opens connections anew by itself."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._redis: Redis | None = None

    async def open(self) -> Redis:
        check_remote_redis(self._url)
        if self._redis is None:
            self._redis = connect_redis(self._url, max_connections=REDIS_CONNECTIONS)
        await ping(self._redis)
        return self._redis

    async def close(self) -> None:
        if self._redis is not None:
            await self._redis.aclose()
