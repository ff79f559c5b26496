"""Time, injected: nothing else reads a clock, so that tests can turn it.

It refuses to compare clocks of two machines; Redis TIME and PostgreSQL now() are asked for that.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What a process needs to know about time."""

    def monotonic(self) -> float:
        """Seconds on a clock that never steps. Only differences mean anything."""
        ...

    def time(self) -> float:
        """Seconds since the Unix epoch, as this machine believes."""
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
        """Seconds since the Unix epoch."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the running event loop."""
        await asyncio.sleep(max(0.0, seconds))


SYSTEM_CLOCK = SystemClock()
