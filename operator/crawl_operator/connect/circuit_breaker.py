"""Keeps an unreachable server from holding up everybody: while it is down, callers fail at once, without waiting.

200 CrawlJobs on one dead database then cost one attempt every ten seconds, and no round waits for another's. What a
server is does not matter here: the breaker is given the function that opens one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from crawl_core.clock import Clock
from crawl_core.errors import ArtistcrawlError, ConfigurationError, UnavailableError
from crawl_core.readings.backends import count_given_up

ATTEMPT_S = 5.0
"""Seconds a server has to show that it is there."""
REMEMBERED_S = 10.0
"""Seconds for which one that was not there counts as down without another look."""

T = TypeVar("T")


class CircuitBreaker(Generic[T]):
    """Stands before one server. `open_server` returns it, or raises UnavailableError or ConfigurationError."""

    def __init__(
        self,
        open_server: Callable[[], Awaitable[T]],
        *,
        unavailable: type[UnavailableError],
        clock: Clock,
        attempt_s: float = ATTEMPT_S,
    ) -> None:
        self.unavailable = unavailable
        self._open_server = open_server
        self._clock = clock
        self._attempt_s = attempt_s
        self._attempting = asyncio.Lock()
        self._opened: T | None = None
        self._failure: ArtistcrawlError | None = None
        self._failed_s = 0.0

    async def connected(self) -> T:
        """The server, opened where it is not; raises what is wrong with it."""
        if self._opened is not None:
            return self._opened
        if self._failure is not None and self._attempting.locked():
            raise self._failure
        async with self._attempting:
            if self._opened is not None:
                return self._opened
            if self._failure is not None and self._clock.monotonic() - self._failed_s < REMEMBERED_S:
                raise self._failure
            self._opened = await self._attempt()
            self._failure = None
            return self._opened

    def invalidate(self) -> None:
        """A call failed: open it anew before the next one."""
        self._opened = None

    async def _attempt(self) -> T:
        try:
            async with asyncio.timeout(self._attempt_s):
                return await self._open_server()
        except (UnavailableError, ConfigurationError) as error:
            self._remember(error)
            raise
        except TimeoutError:
            count_given_up(self.unavailable)
            raise self._remember(self.unavailable(f"no answer within {self._attempt_s:g} s")) from None

    def _remember(self, failure: ArtistcrawlError) -> ArtistcrawlError:
        self._failure = failure
        self._failed_s = self._clock.monotonic()
        return failure
