"""A permit: the right to send one request at one instant.

Its holder calls `use` right before the bytes leave, then exactly one of `answered` and nothing (a request that timed
out holds its slot to the end), or `unused` where nothing was ever written. It refuses a second write, a late write, and
a write after the bucket was frozen.
"""

from __future__ import annotations

from typing import Protocol

from crawl_core.clock import Clock
from crawl_core.errors import ArtistcrawlError

SEND_DEADLINE_S = 0.25
"""Seconds after its instant until which a permit may be used. HOLD in the scripts counts on it."""
CLOSED_MARGIN_S = 0.25
"""Seconds a request may still be on its way when its connection is found closed without an answer."""


class PermitExpiredError(ArtistcrawlError):
    """The permit may not be used: too late, frozen since, or used before. Take another one; this is no failure."""


class PermitKeeper(Protocol):
    """What a permit tells the limiter that granted it."""

    @property
    def epoch(self) -> int:
        """The freeze epoch last heard of."""
        ...

    def give_back(self, permit: Permit) -> None:
        """The permit was never used: cancel it."""
        ...

    def confirm(self, permit: Permit, answered_at_s: float) -> None:
        """Its request has arrived, not later than this instant."""
        ...


class Permit:
    """One slot of a bucket, for one request. All instants are on the clock's `monotonic()`."""

    __slots__ = (
        "_clock",
        "_keeper",
        "_state",
        "epoch",
        "free_us",
        "id",
        "not_before_s",
        "request_timeout_s",
        "send_by_s",
        "window_us",
    )

    def __init__(
        self,
        keeper: PermitKeeper,
        clock: Clock,
        *,
        permit_id: str,
        epoch: int,
        not_before_s: float,
        send_by_s: float,
        request_timeout_s: float,
        free_us: int,
        window_us: int,
    ) -> None:
        self._keeper = keeper
        self._clock = clock
        self._state = "granted"
        self.id = permit_id
        self.epoch = epoch
        self.not_before_s = not_before_s
        self.send_by_s = send_by_s
        self.request_timeout_s = request_timeout_s
        """The longest the request may take: the slot is held only as long as that."""
        self.free_us = free_us
        """When the slot was free before it was taken, by Redis TIME: what cancelling restores."""
        self.window_us = window_us

    def __repr__(self) -> str:
        return f"Permit({self.id!r}, {self._state})"

    @property
    def used(self) -> bool:
        """Whether a request was written, or was about to be."""
        return self._state in ("used", "done")

    def use(self) -> None:
        """Call right before the write, on an open connection. Raises PermitExpiredError: nothing may be written."""
        if self._state != "granted":
            raise PermitExpiredError(f"permit {self.id} was {self._state} before: one permit, one write")
        if self.epoch != self._keeper.epoch:
            raise PermitExpiredError(f"permit {self.id} was granted before a freeze")
        now_s = self._clock.monotonic()
        if now_s > self.send_by_s:
            raise PermitExpiredError(f"permit {self.id} is {now_s - self.send_by_s:.3f} s too late")
        if now_s < self.not_before_s:
            raise PermitExpiredError(f"permit {self.id} is {self.not_before_s - now_s:.3f} s too early")
        self._state = "used"

    def answered(self, *, closed: bool = False) -> None:
        """The whole answer is in. closed: instead of an answer the peer closed the connection, perhaps before the
        request reached it."""
        if self._state != "used":
            raise ValueError(f"permit {self.id} is {self._state}: only a used one is answered, and only once")
        self._state = "done"
        self._keeper.confirm(self, self._clock.monotonic() + (CLOSED_MARGIN_S if closed else 0.0))

    def unused(self) -> None:
        """Nothing was ever written, and nothing will be: the slot is free as it was before."""
        if self._state == "returned":
            return
        if self._state != "granted":
            raise ValueError(f"permit {self.id} is {self._state}: its request may have arrived")
        self._state = "returned"
        self._keeper.give_back(self)
