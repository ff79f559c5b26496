"""What a process's limiter knows and has done, at one moment."""

from __future__ import annotations

from dataclasses import dataclass

from crawl_core.values.limits import BucketLimits


@dataclass(frozen=True, slots=True)
class LimiterState:
    """What status, metrics and the live view show."""

    limits: BucketLimits | None
    """As last seen in the bucket; None before the first look."""
    epoch: int
    frozen_until_us: int
    """Epoch microseconds by Redis TIME; 0 where no freeze is known."""
    frozen_s: float
    """Seconds that the freeze lasts from now; 0 where there is none."""
    waiting: int
    granted: int
    """Permits that wait for their instant."""
    calls: int
    grants: int
    discarded: int
    confirmed: int
    round_trip_s: float
    reachable: bool
