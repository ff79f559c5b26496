"""Tasks that go on until they are cancelled have an end."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from crawl_core import tasks


async def test_a_task_that_loses_its_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "CANCEL_AGAIN_S", 0.01)
    lost = 0

    async def goes_on() -> None:
        nonlocal lost
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        lost += 1
        await asyncio.Event().wait()

    task = asyncio.create_task(goes_on())
    await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await tasks.cancel(task)
    assert task.cancelled()
    assert lost == 1


async def test_tasks_end_whatever_with() -> None:
    async def fails() -> None:
        raise ValueError

    failing, done = asyncio.create_task(fails()), asyncio.create_task(asyncio.sleep(0))
    await asyncio.sleep(0.01)
    await tasks.cancel(failing, done)
    assert isinstance(failing.exception(), ValueError)
