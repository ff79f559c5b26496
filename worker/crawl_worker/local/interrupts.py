"""Ctrl-C, SIGTERM and a closed terminal: the first drains a run, the second ends it at once."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress


class Interrupts:
    """Counts them. Under nohup the terminal may close: a SIGHUP that is ignored when the run starts stays ignored."""

    def __init__(self) -> None:
        self.count = 0
        self._event = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                asyncio.get_running_loop().add_signal_handler(number, self._note)

    def _note(self) -> None:
        self.count += 1
        self._event.set()

    async def wait(self, timeout_s: float) -> None:
        """Return on the first interrupt, or after a while; after the first one at once."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), timeout_s)
