"""Who sends the first request after a freeze: the one place of which a 429 says something of its string.

An API whose limit is below the configured one answers the first few requests after each freeze and refuses the next.
Permits go out in turn, so the same string can land on the refused place each time, and look as if it were at fault
(test_an_api_whose_limit_is_lower_than_the_configured_one_costs_no_string). So a string that is refused
again goes first after the freeze, and only its 429 there counts. No waiting here outlasts an outage: its probe could be
what everybody waits for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from crawl_worker.client.retry import Attempts

AFTER_LIMITS = 5
"""429s of a string from which it goes first."""


class FirstTurns:
    """Shared by the tasks of one process. `outage_lasts` is asked at each turn."""

    def __init__(self, *, outage_lasts: Callable[[], bool]) -> None:
        self._outage_lasts = outage_lasts
        self._epoch: int | None = None
        self._first: Attempts | None = None
        self._given = asyncio.Event()

    def sent(self, epoch: int) -> bool:
        """Note a request with a permit of this freeze epoch; whether it is this process's first after a freeze."""
        is_first = self._epoch is not None and epoch > self._epoch
        self._epoch = epoch if self._epoch is None else max(epoch, self._epoch)
        return is_first

    def ask(self, attempts: Attempts) -> None:
        """This one was refused again, and not at the first place: it goes first next time, unless another one does."""
        if self._first is None and attempts.limited >= AFTER_LIMITS:
            self._first = attempts
            self._given.clear()

    def admits(self, attempts: Attempts) -> bool:
        """Whether this one may send now."""
        return self._first is None or self._first is attempts or self._outage_lasts()

    async def turn(self, attempts: Attempts) -> None:
        """Return when this one may send."""
        while not self.admits(attempts):
            await self._given.wait()

    def leave(self, attempts: Attempts) -> None:
        """This one has had its turn, or sends no more."""
        if self._first is attempts:
            self._first = None
            self._given.set()
