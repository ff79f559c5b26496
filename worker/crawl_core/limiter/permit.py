"""A permit: the right to send one request at one instant.

    granted ── use ──> used ── answered ──> done
       └────── unused ──> returned

Its holder calls `use` right before the bytes leave, and `answered` when the whole answer is in. A request that timed
out calls neither: it may still arrive, so its slot stays held to the end. `unused` gives a permit back that was never
used.

`use` raises PermitExpiredError for a second write (HTTP clients send a GET again whose connection closed), for a late
write (a process may have been stopped meanwhile: test_a_stopped_process_finds_its_permit_expired), and for a write
after a freeze (test_a_permit_from_before_a_freeze_is_void).
"""

from __future__ import annotations

from typing import Protocol

from crawl_core.clock import Clock
from crawl_core.errors import ArtistcrawlError

SEND_DEADLINE_S = 0.25
"""Seconds after its instant for which a permit may be used. The scripts hold each slot for 0.5 s more than timeout and
window: this deadline, and as much again for the write."""
CLOSED_MARGIN_S = 0.25
"""Seconds that a request may still be on its way when its connection is found closed without an answer: the close can
overtake it."""


class PermitExpiredError(ArtistcrawlError):
    """The permit may not be used: too late, frozen since, or used before. Acquire another one; this is no failure."""


class PermitKeeper(Protocol):
    """What a permit tells the limiter that granted it."""

    @property
    def epoch(self) -> int:
        """The freeze epoch last heard of."""
        ...

    def give_back(self, permit: Permit) -> None:
        """Cancel the permit, which was never used."""
        ...

    def confirm(self, permit: Permit, answered_at_s: float) -> None:
        """The permit's request has arrived, not later than this instant."""
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
        """The longest that the request may take, as the bucket had it at the grant: the slot is held for that long."""
        self.free_us = free_us
        """When the slot was free before this permit took it, in us since 1970 by Redis TIME: `unused` restores it."""
        self.window_us = window_us

    def __repr__(self) -> str:
        return f"Permit({self.id!r}, {self._state})"

    @property
    def used(self) -> bool:
        """Whether a request was written, or was about to be."""
        return self._state in ("used", "done")

    def may_take_s(self, own_s: float) -> float:
        """How long its request may take where the job says `own_s`, in seconds.

        Never longer than the bucket reckoned with when it granted the permit: a timeout that is raised counts from the
        first permit on that was granted under it (test_the_model_finds_a_process_that_waits_by_its_own_timeout_alone).
        """
        return min(own_s, self.request_timeout_s)

    def use(self) -> None:
        """Call right before the write, on an open connection. Where it raises PermitExpiredError, write nothing."""
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
        """The whole answer is in. closed: instead the peer closed the connection, perhaps before the request came."""
        if self._state != "used":
            raise ValueError(f"permit {self.id} is {self._state}: only a used one is answered, and only once")
        self._state = "done"
        self._keeper.confirm(self, self._clock.monotonic() + (CLOSED_MARGIN_S if closed else 0.0))

    def unused(self) -> None:
        """Give the permit back: nothing was written, nothing will be, and its slot is free as it was before."""
        if self._state == "returned":
            return
        if self._state != "granted":
            raise ValueError(f"permit {self.id} is {self._state}: its request may have arrived")
        self._state = "returned"
        self._keeper.give_back(self)
