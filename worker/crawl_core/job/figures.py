"""Views of a job's Redis as its metrics take them. Pure."""

from __future__ import annotations

from crawl_core.job.views import BucketStatus, FrontierView
from crawl_core.readings.job import BucketFigures
from crawl_core.values.frontier import FrontierStats


def frontier_figures(view: FrontierView | None) -> FrontierStats | None:
    """The frontier's counts; None where Redis was not read, or does not know the job."""
    if view is None or not view.known:
        return None
    return FrontierStats(
        epoch=view.epoch,
        pending=view.pending,
        leased=view.leased,
        overdue=view.overdue,
        completed=view.completed,
        expired=view.expired,
    )


def bucket_figures(status: BucketStatus | None) -> BucketFigures | None:
    """The bucket's numbers; None where it was not read."""
    if status is None:
        return None
    row = status.row
    return BucketFigures(
        name=row.name,
        requests=row.limits.requests,
        window_s=row.limits.window_s,
        slots_free=status.slots_free,
        frozen_until_s=0.0 if status.frozen_until is None else status.frozen_until.timestamp(),
        epoch=row.epoch,
    )
