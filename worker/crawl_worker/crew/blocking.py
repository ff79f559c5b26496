"""Calls that block, such as a server's start, in a thread that nobody has to wait for.

The event loop waits at its end for every thread of asyncio.to_thread, so that Ctrl-C would wait for a server that does
not start.
"""

from __future__ import annotations

import asyncio
import ctypes
import signal
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TypeVar

import psutil

_GRACE_S = 3.0
"""Seconds that the processes which the call started get to end by SIGINT: a fast shutdown, where it is PostgreSQL."""

_LONGEST_S = 15.0
"""Seconds for the call to clear up: a server that it started writes everything down."""

_TICK_S = 0.02

T = TypeVar("T")


class Abandoned(BaseException):
    """Raised inside the call when nobody waits for its result any more. No handler of errors takes it for one."""


async def in_thread(call: Callable[[], T]) -> T:
    """What the call returns or raises. Cancelled, the call is left by `Abandoned` and the processes that it started are
    ended; cancelled again, they are killed and nothing is waited for.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()
    before = set(_children())

    def work() -> None:
        try:
            value = call()
        except BaseException as error:
            _deliver(loop, result, error=error)
        else:
            _deliver(loop, result, value=value)

    thread = threading.Thread(target=work, name="blocking", daemon=True)
    thread.start()
    try:
        return await asyncio.shield(result)
    except asyncio.CancelledError:
        await _abandon(thread, before)
        raise


def _deliver(
    loop: asyncio.AbstractEventLoop,
    result: asyncio.Future[T],
    *,
    value: T | None = None,
    error: BaseException | None = None,
) -> None:
    def set_result() -> None:
        if result.cancelled():
            return
        if error is None:
            result.set_result(value)  # type: ignore[arg-type]
        elif isinstance(error, Abandoned):
            result.cancel()
        else:
            result.set_exception(error)
            # Where nobody waits any more, nobody needs to be told that it was not read.
            result.exception()

    # The loop is closed where nothing was waited for.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(set_result)


async def _abandon(thread: threading.Thread, before: set[psutil.Process]) -> None:
    clock = asyncio.get_running_loop().time
    started_s = clock()
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(Abandoned))
    # Those that come later belong to the clearing up: they stop servers.
    begun = set(_children()) - before
    _send(begun, signal.SIGINT)
    try:
        while thread.is_alive() and clock() - started_s < _LONGEST_S:
            if clock() - started_s > _GRACE_S:
                _send(begun, signal.SIGKILL)
            await asyncio.sleep(_TICK_S)
    finally:
        _send(set(_children()) - before, signal.SIGKILL)


def _send(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(number)


def _children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)
