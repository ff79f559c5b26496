"""What the frontier answers: leases of ranges, and counts of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lease:
    """Temporary ownership of one range. The token is drawn for one claim, so a late reply cannot be mistaken."""

    range_id: int
    token: str
    epoch: str


@dataclass(frozen=True, slots=True)
class Empty:
    """Nothing is pending. `next_expiry_s` is when the next lease may be taken back, None where none is held."""

    next_expiry_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontierStats:
    """Counts of ranges. `overdue` of the leased ones have expired; `completed`, `expired` count since the epoch."""

    epoch: str
    pending: int
    leased: int
    overdue: int
    completed: int
    expired: int
