"""An outage of the API: nobody of this process succeeds. It is probed by one request at a time.

The first failure that does not count against its string begins it; any success ends it. Meanwhile one task holds the
probe, and after a failed probe hands it to the next one that waits, so that a single bad string cannot pass for an
outage for ever: somebody else's success shows it up.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Outage:
    """Shared by the tasks of one process; `holder` values are whatever object stands for a task's attempt."""

    def __init__(self) -> None:
        self.successes = 0
        self.failures = 0
        self.probes = 0
        self._holder: object | None = None
        self._waiting: deque[tuple[object, asyncio.Future[None]]] = deque()

    @property
    def lasts(self) -> bool:
        """Whether there is an outage now."""
        return self.failures > 0

    def admits(self, holder: object) -> bool:
        """Whether this one may send now."""
        return self.failures == 0 or self._holder is holder

    async def admission(self, holder: object) -> None:
        """Return once `admits(holder)`."""
        while not self.admits(holder):
            if self._holder is None:
                self._holder = holder
                return
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            entry = (holder, future)
            self._waiting.append(entry)
            try:
                await future
            finally:
                if entry in self._waiting:
                    self._waiting.remove(entry)

    def succeeded(self) -> None:
        """A request was answered: any outage is over."""
        self.successes += 1
        if self.failures:
            self.failures = self.probes = 0
            self._holder = None
            while self._waiting:
                _wake(self._waiting.popleft()[1])

    def failed(self, holder: object) -> None:
        """A failure that counts against no string: an outage begins, or goes on, and the probe is passed on.

        `probes` counts those of the outage that began it or were its probe: what the backoff grows with.
        """
        self.failures += 1
        if self._holder is None or self._holder is holder:
            self.probes += 1
            self._pass_on(holder)

    def leave(self, holder: object) -> None:
        """This one sends no more; the probe must not stay with it."""
        if self._holder is holder:
            self._pass_on(None)

    def _pass_on(self, otherwise: object | None) -> None:
        while self._waiting:
            self._holder, future = self._waiting.popleft()
            if not future.done():
                _wake(future)
                return
        self._holder = otherwise


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
