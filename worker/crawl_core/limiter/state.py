"""What a process's limiter knows and has done, at one moment."""

from __future__ import annotations

from dataclasses import dataclass

from crawl_core.values.limits import BucketLimits


@dataclass(frozen=True, slots=True)
class LimiterState:
    """A moment of one process's limiter."""

    limits: BucketLimits | None
    """The bucket's limits as last seen; None before the first look."""
    epoch: int
    frozen_until_us: int
    """In us since 1970 by Redis TIME; 0 where no freeze is known."""
    frozen_s: float
    """How much longer the freeze lasts, in seconds; 0 where there is none."""
    waiting: int
    granted: int
    """Permits that wait for their instant."""
    calls: int
    grants: int
    discarded: int
    confirmed: int
    round_trip_s: float
    reachable: bool
