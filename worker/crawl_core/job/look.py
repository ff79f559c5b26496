"""Looks at one job's ledger, frontier and bucket. What it means is judged in `verdicts` and `time_left`."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from redis.asyncio import Redis

from crawl_core.clock import Clock
from crawl_core.errors import UnknownJobError
from crawl_core.frontier.frontier import Frontier
from crawl_core.job.views import BucketStatus, FrontierView
from crawl_core.ledger import jobs
from crawl_core.ledger.buckets import BucketRows, binders
from crawl_core.ledger.ledger import Ledger
from crawl_core.limiter.bucket import Bucket
from crawl_core.limiter.record import BucketRecord
from crawl_core.values.limits import BucketLimits, BucketRow
from crawl_core.values.progress import Progress

FRESH_S = 5.0
"""Seconds for which a bucket that was looked at is not looked at again."""


async def frontier_view(redis: Redis, uid: str) -> FrontierView:
    """The frontier of the job with this uid. Raises RedisUnavailableError, and SchemaVersionError."""
    try:
        stats = await Frontier(redis, uid).stats()
    except UnknownJobError:
        return FrontierView(known=False)
    return FrontierView(
        known=True,
        pending=stats.pending,
        leased=stats.leased,
        overdue=stats.overdue,
        completed=stats.completed,
        expired=stats.expired,
        epoch=stats.epoch,
    )


async def counted(ledger: Ledger, job_id: int, *, frontier: FrontierView | None) -> tuple[Progress, bool]:
    """The ledger's counts, and whether the frontier lacks ranges that are open. Raises KeyError without the job.

    `frontier` must have been read before: what a worker completes in between is gone from both, while counts that were
    read first would show ranges as missing that are done.
    """
    progress = await jobs.progress(ledger, job_id)
    return progress, frontier is not None and progress.open_ranges > frontier.pending + frontier.leased


async def with_binders(
    status: BucketStatus | None, ledger: Ledger, *, job_id: int, own: BucketLimits
) -> BucketStatus | None:
    """A job's bucket, with the jobs whose limits count where it is held to less than its own ones."""
    if status is None or status.row.limits == own:
        return status
    return replace(status, binders=await binders(ledger, job_id))


class _Rows:
    """The ledger's bucket rows, through whatever connections are open now."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    async def ensure(self, name: str) -> tuple[BucketRow, bool]:
        return await BucketRows(self.ledger).ensure(name)

    async def merge_freeze(self, name: str, *, epoch: int, frozen_until_us: int) -> BucketRow:
        return await BucketRows(self.ledger).merge_freeze(name, epoch=epoch, frozen_until_us=frozen_until_us)


class BucketLook:
    """One bucket, as it was last. Looking keeps it alike in Redis and in the ledger, so that a freeze outlives either.

    It takes no permit and freezes nothing.
    """

    def __init__(self, redis: Redis, ledger: Ledger, name: str, *, clock: Clock, fresh_s: float = FRESH_S) -> None:
        self._name = name
        self._clock = clock
        self._fresh_s = fresh_s
        self._rows = _Rows(ledger)
        self._record = BucketRecord(Bucket(redis, name), self._rows, clock=clock)
        self._looking = asyncio.Lock()
        self.looked_s = -math.inf
        """When it was looked at last, on the monotonic clock."""

    def doubt(self) -> None:
        """Something was written: the next look is a new one."""
        self.looked_s = -math.inf

    async def reconcile(self, ledger: Ledger) -> None:
        """Look, unless somebody has just done so; many jobs may share the bucket."""
        async with self._looking:
            now_s = self._clock.monotonic()
            if now_s - self.looked_s < self._fresh_s:
                return
            self._rows.ledger = ledger
            before = self._record.view
            await self._record.synchronize()
            if self._record.view is before:
                # Redis did not know the bucket. Now it does, with the freeze of the ledger's row.
                await self._record.synchronize()
            self.looked_s = now_s

    async def status(self, ledger: Ledger) -> BucketStatus | None:
        """The bucket as it is now. None where Redis lost it while we looked: ask again."""
        await self.reconcile(ledger)
        view = self._record.view
        if view is None:
            return None
        row = BucketRow(self._name, view.limits, view.frozen_until_us, view.epoch)
        # What is left is by Redis's clock, which set the end; this machine's clock may be another.
        looked_at_s = self._clock.time() - (self._clock.monotonic() - self.looked_s)
        left = timedelta(microseconds=view.frozen_until_us - view.now_us)
        until = datetime.fromtimestamp(looked_at_s, UTC) + left
        frozen = left > timedelta() and until > datetime.fromtimestamp(self._clock.time(), UTC)
        return BucketStatus(
            row=row, frozen_until=until.replace(microsecond=0) if frozen else None, slots_free=view.slots_free
        )
