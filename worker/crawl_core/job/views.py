"""What a look at one job's Redis brings back: plain values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from crawl_core.values.limits import Binder, BucketRow


@dataclass(frozen=True, slots=True)
class FrontierView:
    """The job's frontier. `known` is False where Redis lost it or never had it."""

    known: bool
    pending: int = 0
    leased: int = 0
    overdue: int = 0
    completed: int = 0
    expired: int = 0
    epoch: str = ""
    """Since which Redis counts `completed` and `expired`."""


@dataclass(frozen=True, slots=True)
class BucketStatus:
    """The job's bucket: its row of the ledger, reconciled with Redis. Limits are the strictest of its jobs."""

    row: BucketRow
    frozen_until: datetime | None
    """When the freeze ends, in whole seconds; None where it is not frozen now."""
    slots_free: int | None = None
    """Requests that may be sent now; None where that is not known."""
    binders: tuple[Binder, ...] = ()
    """The other jobs whose limits count, the strictest first; read where the limit is not the job's own."""
