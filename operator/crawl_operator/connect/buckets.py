"""The buckets of unfinished CrawlJobs, each kept alike in Redis and in the ledger, so that a freeze outlives either.

One record a bucket, however many CrawlJobs share it. It refuses to freeze, and to take permits.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from redis.asyncio import Redis

from crawl_core.clock import Clock
from crawl_core.ledger.buckets import BucketRows
from crawl_core.ledger.ledger import Ledger
from crawl_core.limiter.bucket import Bucket
from crawl_core.limiter.record import BucketRecord
from crawl_core.values.limits import BucketRow
from crawl_operator.connect.secrets import Given
from crawl_operator.values.model import BucketStatus

FRESH_S = 5.0
"""Seconds for which a bucket that was looked at is not looked at again."""
USED_S = 600.0
"""Seconds after which a bucket that no CrawlJob asked for is forgotten."""


@dataclass(frozen=True, slots=True)
class BucketKey:
    """A bucket, and where it is. The URLs hold passwords."""

    postgres_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    name: str

    @classmethod
    def of(cls, given: Given, name: str) -> BucketKey:
        """The bucket of this name in these backends."""
        return cls(given.postgres_url, given.redis_url, name)


class _Rows:
    """The ledger's rows, through whatever connections are open now."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    async def ensure(self, name: str) -> tuple[BucketRow, bool]:
        return await BucketRows(self.ledger).ensure(name)

    async def merge_freeze(self, name: str, *, epoch: int, frozen_until_us: int) -> BucketRow:
        return await BucketRows(self.ledger).merge_freeze(name, epoch=epoch, frozen_until_us=frozen_until_us)


@dataclass(slots=True)
class _Kept:
    record: BucketRecord
    rows: _Rows
    used_s: float
    looked_s: float = -math.inf
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Buckets:
    """All buckets that were asked for lately."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[BucketKey, _Kept] = {}

    async def status(self, key: BucketKey, ledger: Ledger, redis: Redis) -> BucketStatus | None:
        """A bucket as it is now. None where Redis lost it while we looked: ask again."""
        kept = self._keep(key, ledger, redis)
        kept.used_s = self._clock.monotonic()
        await self._reconcile(kept, ledger)
        view = kept.record.view
        if view is None:
            return None
        row = BucketRow(key.name, view.limits, view.frozen_until_us, view.epoch)
        # By Redis's clock, which set the end; this machine's may be another.
        seen_at_s = self._clock.time() - (self._clock.monotonic() - kept.looked_s)
        left = timedelta(microseconds=view.frozen_until_us - view.now_us)
        until = datetime.fromtimestamp(seen_at_s, UTC) + left
        frozen = left > timedelta() and until > datetime.fromtimestamp(self._clock.time(), UTC)
        return BucketStatus(
            row=row, frozen_until=until.replace(microsecond=0) if frozen else None, slots_free=view.slots_free
        )

    def doubt(self, key: BucketKey) -> None:
        """Look anew at the next asking: something was written."""
        if key in self._kept:
            self._kept[key].looked_s = -math.inf

    def due(self) -> list[BucketKey]:
        """The buckets to be looked at, since nobody did lately; what was not asked for is forgotten."""
        now_s = self._clock.monotonic()
        self._kept = {key: kept for key, kept in self._kept.items() if now_s - kept.used_s < USED_S}
        return [key for key, kept in self._kept.items() if now_s - kept.looked_s > 2 * FRESH_S]

    async def bring_together(self, key: BucketKey, ledger: Ledger, redis: Redis) -> None:
        """Reconcile bucket and row."""
        await self._reconcile(self._keep(key, ledger, redis), ledger)

    def _keep(self, key: BucketKey, ledger: Ledger, redis: Redis) -> _Kept:
        if key not in self._kept:
            rows = _Rows(ledger)
            record = BucketRecord(Bucket(redis, key.name), rows, clock=self._clock)
            self._kept[key] = _Kept(record, rows, used_s=self._clock.monotonic())
        return self._kept[key]

    async def _reconcile(self, kept: _Kept, ledger: Ledger) -> None:
        async with kept.looking:
            now_s = self._clock.monotonic()
            if now_s - kept.looked_s < FRESH_S:
                return
            kept.rows.ledger = ledger
            before = kept.record.view
            await kept.record.synchronize()
            if kept.record.view is before:
                # Redis did not know the bucket. Now it does, with the freeze of the ledger's row.
                await kept.record.synchronize()
            kept.looked_s = now_s
