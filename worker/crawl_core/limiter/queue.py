"""Hands permits to waiting tasks: the first permit to the first waiter, at the permit's instant.

No permit is lost, since each is a slot of the shared budget. One whose waiter was cancelled goes to the next waiter,
even where both happen in the same turn of the event loop
(test_a_waiter_cancelled_in_the_moment_of_the_handover_loses_no_permit); one that nobody takes in time is given back.
"""

from __future__ import annotations

import asyncio
from bisect import insort
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress

from crawl_core.clock import Clock
from crawl_core.limiter.permit import Permit


def _instant(permit: Permit) -> float:
    return permit.not_before_s


class PermitQueue:
    """The waiters of one process, in order, and the permits that it was granted and has not handed out."""

    def __init__(self, clock: Clock, *, on_demand: Callable[[], None]) -> None:
        self._clock = clock
        self._on_demand = on_demand
        self._waiting: deque[asyncio.Future[Permit]] = deque()
        self._granted: list[Permit] = []
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """How many tasks wait."""
        return len(self._waiting)

    @property
    def granted(self) -> int:
        """How many permits wait for their instant."""
        return len(self._granted)

    @property
    def demand(self) -> int:
        """How many more permits are needed."""
        return max(0, len(self._waiting) - len(self._granted))

    async def next_permit(self) -> Permit:
        """The next permit, at its instant."""
        waiter: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        if self._granted:
            self._hand_out()
        if self.demand:
            self._on_demand()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                with suppress(ValueError):
                    self._waiting.remove(waiter)
            elif waiter.exception() is None:
                # The permit was handed over before this task could see its cancellation: the next waiter has it.
                self.add([waiter.result()])
            raise

    def add(self, permits: Iterable[Permit]) -> None:
        """Take in permits that were granted, and hand out those whose instant has come."""
        for permit in permits:
            insort(self._granted, permit, key=_instant)
        self._hand_out()

    def withdraw(self) -> None:
        """Give back every permit that is not handed out: a freeze made them void."""
        granted, self._granted = self._granted, []
        for permit in granted:
            permit.unused()
        self._hand_out()

    def fail(self, error: BaseException) -> None:
        """End every wait with `error`: nothing will be granted any more."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(error)

    def close(self) -> None:
        """Give everything back; waiters are cancelled."""
        self.withdraw()
        if self._timer:
            self._timer.cancel()
        for waiter in tuple(self._waiting):
            waiter.cancel()

    def _hand_out(self) -> None:
        now_s = self._clock.monotonic()
        while self._granted and (late := self._granted[0]).send_by_s < now_s:
            self._granted.pop(0)
            late.unused()
        while self._granted and self._waiting and self._granted[0].not_before_s <= now_s:
            waiter = self._waiting.popleft()
            if not waiter.done():  # Else it was cancelled, and its task has not run since.
                waiter.set_result(self._granted.pop(0))
        self._arm(now_s)

    def _arm(self, now_s: float) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._granted:
            first = self._granted[0]
            due_s = first.not_before_s if first.not_before_s > now_s and self._waiting else first.send_by_s
            # Event loops round timers to a millisecond, either way. A permit may be used a little late, never early.
            delay_s = max(due_s - now_s, 0.0) + 0.0005
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._hand_out)
