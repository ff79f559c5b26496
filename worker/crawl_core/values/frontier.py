"""What the frontier answers: leases of ranges, and counts of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lease:
    """Temporary ownership of one range. The token is drawn for one claim, so that the reply of an earlier claim, which
    comes late, is not taken for this one's."""

    range_id: int
    token: str
    epoch: str


@dataclass(frozen=True, slots=True)
class Empty:
    """Nothing is pending. The next lease expires in `next_expiry_s` seconds; None where none is held."""

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
