"""The end of tasks that go on until they are cancelled."""

from __future__ import annotations

import asyncio
from typing import Any

CANCEL_AGAIN_S = 1.0
"""Seconds that a task has to end in: more than any of ours needs for its own end."""


async def cancel(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks until all have ended, whatever with.

    Once is not enough: Python 3.11's asyncio.wait_for, by which redis-py sends each command, returns the result and
    loses the cancellation where both come in one turn of the loop. Such a task goes on, and who waits for it hangs.
    """
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=CANCEL_AGAIN_S)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # Read, so that asyncio does not report it as forgotten.
