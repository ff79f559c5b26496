"""Time, injected: whoever waits or measures is given a clock, so that tests can turn it.

A clock speaks of one machine. What several machines must agree on is an instant of Redis's TIME or PostgreSQL's now().
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What a process reads time from."""

    def monotonic(self) -> float:
        """Seconds on a clock that never steps. Only differences mean anything."""
        ...

    def time(self) -> float:
        """Seconds since 1970, as this machine believes."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`, at once when not positive (but still yielding)."""
        ...


_BOOT_CLOCK: int | None = getattr(time, "CLOCK_BOOTTIME", None)


class SystemClock:
    """The machine's clocks."""

    def monotonic(self) -> float:
        """Seconds that count while the process is stopped and, on Linux, while the machine sleeps.

        Elsewhere a laptop's sleep is not counted: a permit in hand could then be used after its time.
        """
        return time.monotonic() if _BOOT_CLOCK is None else time.clock_gettime(_BOOT_CLOCK)

    def time(self) -> float:
        """Seconds since 1970."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the running event loop."""
        await asyncio.sleep(max(0.0, seconds))


SYSTEM_CLOCK = SystemClock()
