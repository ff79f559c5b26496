"""A call that blocks is left when nobody waits for it any more, with the processes that it started."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from contextlib import suppress

import psutil
import pytest

from crawl_worker.crew.blocking import Abandoned, in_thread

pytestmark = pytest.mark.skipif(
    sys.gettrace() is not None and sys.version_info < (3, 12),
    reason="CPython 3.11, traced, loops while another thread has an exception to come: not run with coverage",
)

DEAF = "import signal,time; signal.signal(signal.SIGINT, signal.SIG_IGN); print(flush=True); time.sleep(600)"


async def cancelled(task: asyncio.Future[object]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.wait_for(task, 20)


async def test_the_result_and_the_error_are_the_calls() -> None:
    assert await in_thread(lambda: 5) == 5
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0)


@pytest.mark.parametrize("program", ["import time; print(flush=True); time.sleep(600)", DEAF])
async def test_cancelled_it_ends_the_processes_of_the_call_and_clears_up(program: str) -> None:
    started: list[subprocess.Popen[bytes]] = []
    ended: list[BaseException] = []
    waits = threading.Event()

    def call() -> None:
        try:
            with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
                started.append(process)
                assert process.stdout is not None
                process.stdout.readline()
                waits.set()
                process.wait()
        except BaseException as error:
            ended.append(error)
            raise

    task = asyncio.ensure_future(in_thread(call))
    while not waits.is_set():
        await asyncio.sleep(0.01)
    await cancelled(task)
    assert not psutil.pid_exists(started[0].pid)
    assert [type(error) for error in ended] == [Abandoned]


async def test_cancelled_twice_nothing_is_waited_for() -> None:
    released = threading.Event()
    task = asyncio.ensure_future(in_thread(released.wait))
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.sleep(0.05)
    assert not task.done()
    await cancelled(task)
    assert not released.is_set()
    released.set()


async def test_processes_from_before_the_call_stay() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as earlier:
        released = threading.Event()
        task = asyncio.ensure_future(in_thread(lambda: released.wait(0.2)))
        await asyncio.sleep(0.05)
        await cancelled(task)
        assert earlier.poll() is None
        earlier.kill()
