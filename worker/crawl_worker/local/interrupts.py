"""Ctrl-C, SIGTERM and a closed terminal: the first ends a start, or drains a run; the second ends it at once.

They are heard from before the first file is read until the last word is printed. Before the event loop runs, and from
the third on, one raises KeyboardInterrupt: whatever blocks then is left.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, TypeVar

_POLL_S = 0.05
_PATIENCE = 3
"""So many of them, and nothing is waited for any more."""

T = TypeVar("T")


class StartInterrupted(Exception):  # noqa: N818 - as KeyboardInterrupt
    """The start was cut short, and what it had begun is ended."""


class Interrupts:
    """Counts them. Under nohup the terminal may close: a SIGHUP that is ignored when the run starts stays ignored."""

    def __init__(self) -> None:
        self.count = 0
        self._event = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self._over:
            return
        if self._loop is None or self.count >= _PATIENCE:
            raise KeyboardInterrupt
        self._loop.call_soon_threadsafe(self._event.set)

    def listen(self) -> None:
        """From now on the running loop is told."""
        self._loop = asyncio.get_running_loop()

    def end(self) -> None:
        """Nothing is left to interrupt but the last words."""
        self._over = True

    async def wait(self, timeout_s: float) -> None:
        """Return on the first interrupt, or after a while; after the first one at once."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), timeout_s)

    async def cut_short(self, work: Awaitable[T]) -> T:
        """The result of `work`, which each interrupt cancels. Raises StartInterrupted where one came."""
        task = asyncio.ensure_future(work)
        heard = 0
        while not task.done():
            if self.count > heard:
                heard = self.count
                task.cancel()
            await asyncio.wait({task}, timeout=_POLL_S)
        if heard:
            # What ends half way may say so by an error of its own, such as that a server does not start.
            if not task.cancelled():
                task.exception()
            raise StartInterrupted
        return task.result()
