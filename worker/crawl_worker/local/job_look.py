"""What one look of a local run at its job brings back: plain values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from crawl_core.errors import RedisUnavailableError
from crawl_core.job.views import BucketStatus, FrontierView
from crawl_core.values.jobs import JobRow
from crawl_core.values.progress import Progress


@dataclass(frozen=True, slots=True)
class JobLook:
    """What is there. `redis_error` is why frontier and bucket are not known, where Redis is out of reach."""

    now: datetime
    row: JobRow
    progress: Progress
    frontier: FrontierView | None
    bucket: BucketStatus | None
    floor_s: float
    """Seconds since 1970 until which a bucket that was made anew grants nothing; 0 where it need not wait."""
    redis_error: RedisUnavailableError | None = None
