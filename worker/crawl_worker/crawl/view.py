"""One look at a worker, as a value: what its metrics are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crawl_core.limiter.state import LimiterState


@dataclass(frozen=True, slots=True)
class PlaceView:
    """One of the `concurrency` places in which a range may be crawled."""

    range_id: int = 0
    """0: none."""
    position: float = 0.0
    """The share of the range that is done, 0 to 1."""


@dataclass(frozen=True, slots=True)
class WorkerView:
    """What a worker is doing at one instant."""

    draining: bool
    places: Sequence[PlaceView]
    in_flight: int
    """Requests sent and not answered yet."""
    arrivals: int
    """Requests that were written since the start: what the limit counts."""
    outage: bool
    outage_age_s: float
    """Seconds since the failure that began it; 0 where there is none."""
    behind: bool
    """Whether rows are so old that it sends nothing."""
    uncommitted_age_s: float
    limiter: LimiterState
