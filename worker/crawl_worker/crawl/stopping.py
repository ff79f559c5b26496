"""How one crawling task is stopped: at once where it only waits, and nowhere else.

A request in flight is always finished, and so is a commit: cancelling either would lose what it brought. So a task says
where it may be struck (`interruptible`), and a stop that comes elsewhere waits for the next such place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class StoppedError(Exception):
    """This work is not to go on here: the process drains, or the range is somebody else's."""


class StopSwitch:
    """Stops one task, once and for good."""

    def __init__(self) -> None:
        self.stopped = False
        self._waiting_task: asyncio.Task[object] | None = None
        self._cancelled = False

    def stop(self) -> None:
        """Stop the task: now where it waits inside `interruptible`, else when it gets there."""
        self.stopped = True
        task = self._waiting_task
        # A task that finds its own lease lost, when it asks, goes on by itself to where it stops. A cancellation would
        # reach it later, in the middle of its commit, and end its place in the process for good
        # (test_a_task_that_finds_its_own_lease_lost_lives_to_commit).
        if task is not None and task is not asyncio.current_task():
            self._waiting_task = None
            self._cancelled = True
            task.cancel()

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Inside, the task only waits: `stop` ends the wait with StoppedError. Raises it at once after a stop.

        A cancellation by anybody else stays a cancellation.
        """
        if self.stopped:
            raise StoppedError
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 -- only coroutines wait
        cancellations = task.cancelling()
        self._waiting_task = task
        try:
            yield
        except asyncio.CancelledError:
            if self._cancelled and task.uncancel() <= cancellations:
                raise StoppedError from None
            raise
        finally:
            self._waiting_task = None

    @contextmanager
    def uninterruptible(self) -> Iterator[None]:
        """Inside, within an `interruptible` wait, something that must be finished: `stop` only takes note."""
        waiting_task, self._waiting_task = self._waiting_task, None
        try:
            yield
        finally:
            self._waiting_task = waiting_task
