"""Which signals end a local run, and what they cut short."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from crawl_worker.local.interrupts import Interrupts, StartInterrupted


@contextmanager
def hangup(handler: Any) -> Iterator[None]:
    """SIGHUP treated as it is when the run starts."""
    before = signal.signal(signal.SIGHUP, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.fixture
def interrupts() -> Iterator[Interrupts]:
    with Interrupts() as heard:
        yield heard


async def test_a_closed_terminal_ends_a_run() -> None:
    with hangup(signal.SIG_DFL), Interrupts() as interrupts:
        interrupts.listen()
        os.kill(os.getpid(), signal.SIGHUP)
        await interrupts.wait(5)
        assert interrupts.count == 1


async def test_a_closed_terminal_does_not_end_a_run_under_nohup() -> None:
    with hangup(signal.SIG_IGN), Interrupts() as interrupts:
        interrupts.listen()
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)
        await interrupts.wait(5)
        assert interrupts.count == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_before_there_is_a_loop_a_signal_is_as_ctrl_c(interrupts: Interrupts, number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)
    assert interrupts.count == 1


async def test_the_last_words_are_not_interrupted(interrupts: Interrupts) -> None:
    interrupts.listen()
    interrupts.end()
    os.kill(os.getpid(), signal.SIGINT)
    assert interrupts.count == 1


async def test_what_is_awaited_is_cut_short(interrupts: Interrupts) -> None:
    interrupts.listen()
    asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), signal.SIGINT)
    with pytest.raises(StartInterrupted):
        await interrupts.cut_short(asyncio.sleep(60))


async def test_what_fails_because_it_was_cut_short_is_no_error_of_its_own(interrupts: Interrupts) -> None:
    async def start() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise OSError("the server does not start") from None

    interrupts.listen()
    asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), signal.SIGINT)
    with pytest.raises(StartInterrupted):
        await interrupts.cut_short(start())


async def test_without_an_interrupt_there_is_the_result(interrupts: Interrupts) -> None:
    assert await interrupts.cut_short(asyncio.sleep(0, "done")) == "done"
