"""Which signals end a local run."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from crawl_worker.local.interrupts import Interrupts


@contextmanager
def hangup(handler: Any) -> Iterator[None]:
    """SIGHUP treated as it is when the run starts, and none of its handlers afterwards."""
    before = signal.signal(signal.SIGHUP, handler)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().remove_signal_handler(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, before)


async def test_a_closed_terminal_ends_a_run() -> None:
    with hangup(signal.SIG_DFL):
        interrupts = Interrupts()
        os.kill(os.getpid(), signal.SIGHUP)
        await interrupts.wait(5)
        assert interrupts.count == 1


async def test_a_closed_terminal_does_not_end_a_run_under_nohup() -> None:
    with hangup(signal.SIG_IGN):
        interrupts = Interrupts()
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)
        await interrupts.wait(5)
        assert interrupts.count == 1
