"""The buckets of unfinished CrawlJobs, kept alike in Redis and in the ledger, so that a freeze outlives either.

A bucket has one record, however many CrawlJobs share it. Nothing here freezes a bucket or takes a permit.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from redis.asyncio import Redis

from crawl_core.clock import Clock
from crawl_core.job.look import FRESH_S, BucketLook
from crawl_core.job.views import BucketStatus
from crawl_core.ledger.ledger import Ledger
from crawl_operator.connect.secrets import JobSecrets

USED_S = 600.0
"""Seconds after which a bucket that no CrawlJob asked for is forgotten."""


@dataclass(frozen=True, slots=True)
class BucketKey:
    """A bucket, and where it is. The URLs hold passwords."""

    postgres_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    name: str

    @classmethod
    def of(cls, secrets: JobSecrets, name: str) -> BucketKey:
        """The bucket of this name in these backends."""
        return cls(secrets.postgres_url, secrets.redis_url, name)


@dataclass(slots=True)
class _UsedBucket:
    """A bucket, and when a CrawlJob asked for it last."""

    look: BucketLook
    used_s: float


class Buckets:
    """All buckets that were asked for lately."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._used: dict[BucketKey, _UsedBucket] = {}

    async def status(self, key: BucketKey, ledger: Ledger, redis: Redis) -> BucketStatus | None:
        """A bucket as it is now. None where Redis lost it while we looked: ask again."""
        bucket = self._bucket(key, ledger, redis)
        bucket.used_s = self._clock.monotonic()
        return await bucket.look.status(ledger)

    def invalidate(self, key: BucketKey) -> None:
        """Look anew at the next asking: something was written."""
        if key in self._used:
            self._used[key].look.doubt()

    def due(self) -> list[BucketKey]:
        """The buckets to be looked at, since nobody did lately; what was not asked for is forgotten."""
        now_s = self._clock.monotonic()
        self._used = {key: bucket for key, bucket in self._used.items() if now_s - bucket.used_s < USED_S}
        return [key for key, bucket in self._used.items() if now_s - bucket.look.looked_s > 2 * FRESH_S]

    async def sync(self, key: BucketKey, ledger: Ledger, redis: Redis) -> None:
        """Reconcile bucket and row."""
        await self._bucket(key, ledger, redis).look.reconcile(ledger)

    def _bucket(self, key: BucketKey, ledger: Ledger, redis: Redis) -> _UsedBucket:
        if key not in self._used:
            look = BucketLook(redis, ledger, key.name, clock=self._clock)
            self._used[key] = _UsedBucket(look, used_s=self._clock.monotonic())
        return self._used[key]
