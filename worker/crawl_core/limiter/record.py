"""What this process knows of its bucket, and how bucket and ledger row are kept alike.

A freeze is forgotten by nobody. Redis can lose its memory and the ledger can be away, so until both have a freeze
`recorded` is false, and the process takes no permit
(test_a_process_that_cannot_record_its_freeze_takes_no_permit_until_it_has). Freezes are compared as pairs (epoch, until
when): the higher epoch wins, though its end be earlier, since lifting a freeze is the newer word.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import replace

from redis.asyncio import Redis

from crawl_core.clock import Clock
from crawl_core.errors import ArtistcrawlError, ConfigurationError, RedisUnavailableError, UnavailableError
from crawl_core.limiter.bucket import MICROSECONDS, Bucket, BucketView, Freeze, Grant, Unknown
from crawl_core.limiter.freeze import asked_s, doubling_s, freeze_duration_s
from crawl_core.logs import fields
from crawl_core.values.limits import BucketLedger, BucketRow

log = logging.getLogger(__name__)

RECENT_S = 10.0
"""Seconds for which a grant says as much as a look: processes that crawl need not look."""
LOOK_S = 3600.0
"""Seconds after which a process looks all the same: only a look renews the life of the bucket's keys."""
_DEFAULT_WINDOW_S = 30.0
"""The window, in seconds, of a bucket that this process never saw: how long a 429 freezes that comes first of all."""


class BucketRecord:
    """A bucket in Redis, its row in the ledger, and the freeze last heard of."""

    def __init__(
        self, bucket: Bucket, ledger: BucketLedger, *, clock: Clock, on_epoch: Callable[[], None] = lambda: None
    ) -> None:
        self.bucket = bucket
        self.epoch = 0
        """The freeze epoch of the last reply. Permits of another one are void."""
        self.newest = (0, 0)
        """The newest freeze ever heard of: (epoch, until when in us since 1970). Redis may have forgotten it."""
        self.view: BucketView | None = None
        self.recorded = True
        self.clock_offset_us: float | None = None
        """Redis TIME minus this process's monotonic clock; None before the first grant."""
        self._ledger = ledger
        self._clock = clock
        self._on_epoch = on_epoch
        self._introducing = asyncio.Lock()
        self._paused_until_s = -math.inf
        self._alone = 0
        self._succeeded_epoch = 0
        self._last: Grant | None = None
        self._last_s = self._looked_s = -math.inf

    def hear_grant(self, grant: Grant, *, received_s: float) -> None:
        """Take in a grant, which says most of what a look does."""
        self.clock_offset_us = grant.now_us - received_s * MICROSECONDS
        self._last = grant
        self._last_s = received_s
        self.hear(grant.epoch, grant.frozen_until_us)

    def hear(self, epoch: int, frozen_until_us: int) -> None:
        """Take in the freeze of a reply. Another epoch makes the permits that were not used void."""
        self.newest = max(self.newest, (epoch, frozen_until_us))
        if epoch != self.epoch:
            self.epoch = epoch
            self._on_epoch()

    async def record_freeze(self, *, retry_after_s: float | None, sent_epoch: int | None = None) -> int:
        """Pause the bucket: in Redis at once, so that others stop, then in the ledger, which outlives Redis.

        Returns until when, in us since 1970 by Redis TIME. Where either is away the pause holds this process alone, and
        `synchronize` records it later. `sent_epoch` is that of the refused request's permit, None the newest.
        Raises ConfigurationError where a person must act, once the ledger has the freeze: the process ends by it.
        """
        refusal: ConfigurationError | None = None
        self.recorded = False
        window_s = self._window_s()
        first_s, longest_s = doubling_s(window_s)
        freeze: Freeze | Unknown | None = None
        try:
            freeze = await self.bucket.write_freeze(
                asked_us=round(asked_s(retry_after_s) * MICROSECONDS),
                first_us=round(first_s * MICROSECONDS),
                longest_us=round(longest_s * MICROSECONDS),
                epoch=self.newest[0],
                sent_epoch=self.epoch if sent_epoch is None else sent_epoch,
            )
        except RedisUnavailableError as error:
            log.warning("redis does not take the freeze: %s", error, extra=self._fields("limiter.freeze_alone"))
        except ConfigurationError as error:
            refusal = error
        if not isinstance(freeze, Freeze):
            freeze = self._freeze_alone(retry_after_s, window_s)
        self.recorded = False
        self.hear(freeze.epoch, freeze.frozen_until_us)
        seconds = (freeze.frozen_until_us - freeze.now_us) / MICROSECONDS
        extra = self._fields("limiter.frozen", epoch=freeze.epoch, seconds=seconds, retry_after_s=retry_after_s)
        log.warning("bucket frozen for %.0f s", seconds, extra=extra)
        try:
            await self.synchronize()
        except UnavailableError as error:
            log.warning("the freeze is not recorded yet: %s", error, extra=self._fields("limiter.unrecorded"))
        if refusal is not None:
            raise refusal
        return self.newest[1]

    async def note_success(self, epoch: int) -> None:
        """A request with a permit of this epoch was answered. Told to Redis once an epoch, where a freeze began it.

        Raises nothing: an answered page would be lost by it, and the next call for permits says the same.
        """
        if epoch <= self._succeeded_epoch:
            return
        self._succeeded_epoch = epoch
        self._alone = 0
        try:
            await self.bucket.note_success(epoch=epoch)
        except ArtistcrawlError as error:
            # No more than a longer pause comes of it, should the next request be refused.
            log.info("redis does not hear of a success: %s", error, extra=self._fields("limiter.success_untold"))

    def _window_s(self) -> float:
        """The bucket's window in seconds: as last seen, else as a grant said, which may come before a look."""
        if self.view is not None:
            return self.view.limits.window_s
        return _DEFAULT_WINDOW_S if self._last is None else self._last.window_us / MICROSECONDS

    async def synchronize(self) -> None:
        """Make bucket and row alike: the higher epoch wins, on a tie the later end, and the limits are the row's.

        Raises UnavailableError where either cannot be reached. A freeze that is not recorded is in the ledger then, if
        that can be: whoever comes when Redis is back hears of it there, also where this process has ended meanwhile.
        """
        try:
            view = self._recent_view() or await self._look()
        except ArtistcrawlError:
            if not self.recorded:
                await self._tell_ledger()
            raise
        if isinstance(view, Unknown):
            await self.introduce(view)
            return
        self.newest = max(self.newest, (view.epoch, view.frozen_until_us))
        row = await self._tell_ledger()
        if (row.epoch, row.frozen_until_us, row.limits) != (view.epoch, view.frozen_until_us, view.limits):
            brought = await self.bucket.apply_row(row, read_us=view.now_us)
            if isinstance(brought, Unknown):
                return
            view = brought
        self._see(view)

    async def bring_limits(self) -> bool:
        """Bring the row's limits into the bucket; False where somebody else configured it meanwhile, perhaps by what
        the row said before: look again. Raises UnavailableError where either cannot be reached."""
        view = await self._look()
        if isinstance(view, Unknown):
            await self.introduce(view)
            return False
        row = await self._tell_ledger()
        brought = await self.bucket.apply_row(row, read_us=view.now_us)
        if isinstance(brought, Unknown):
            return False
        self._see(brought)
        return brought.limits == row.limits

    async def _tell_ledger(self) -> BucketRow:
        """Merge the newest freeze into the row, and hear of one that is newer there."""
        epoch, frozen_until_us = self.newest
        row = await self._ledger.merge_freeze(self.bucket.name, epoch=epoch, frozen_until_us=frozen_until_us)
        self.newest = max(self.newest, (row.epoch, row.frozen_until_us))
        return row

    async def introduce(self, asked: Unknown) -> None:
        """Make a bucket that Redis does not know, from the ledger's row and what this process remembers of its freeze.

        One task at a time: the right to start free belongs to the one call that inserted the row.
        """
        async with self._introducing:
            row, inserted = await self._ledger.ensure(self.bucket.name)
            if self.newest > (row.epoch, row.frozen_until_us):
                epoch, frozen_until_us = self.newest
                row = await self._ledger.merge_freeze(self.bucket.name, epoch=epoch, frozen_until_us=frozen_until_us)
            if await self.bucket.init(row, asked=asked, fresh=inserted):
                log.info("bucket made", extra=self._fields("limiter.bucket_made", fresh=inserted))

    async def _look(self) -> BucketView | Unknown:
        looked_s = self._clock.monotonic()
        view = await self.bucket.look()
        if not isinstance(view, Unknown):
            self._looked_s = looked_s
        return view

    def _recent_view(self) -> BucketView | None:
        """The last view, with what grants said since; None where that is not enough and a look is due."""
        now_s = self._clock.monotonic()
        last, view = self._last, self.view
        if last is None or view is None or last.configured_us != view.configured_us:
            return None
        if now_s - self._last_s > RECENT_S or now_s - self._looked_s > LOOK_S:
            return None
        return replace(view, now_us=last.now_us, epoch=last.epoch, frozen_until_us=last.frozen_until_us)

    def paused_until_s(self) -> float:
        """Until when this process may not ask for permits, on the monotonic clock; -inf where it may."""
        return self._paused_until_s

    def frozen_s(self) -> float:
        """How much longer the newest freeze lasts, in seconds by Redis's clock; 0 where there is none."""
        return max(0.0, (self.newest[1] - self._now_us()) / MICROSECONDS)

    def _now_us(self) -> float:
        """Redis TIME, as well as this process can tell: from its last grant, before that by its own clock."""
        if self.clock_offset_us is None:
            return self._clock.time() * MICROSECONDS
        return self._clock.monotonic() * MICROSECONDS + self.clock_offset_us

    def _see(self, view: BucketView) -> None:
        if self.view is None or view.limits != self.view.limits:
            limits = view.limits
            extra = self._fields("limiter.limits", requests=limits.requests, window_s=limits.window_s, even=limits.even)
            log.info("%d requests per %g s are in force", limits.requests, limits.window_s, extra=extra)
        self.view = view
        self.hear(view.epoch, view.frozen_until_us)
        if (view.epoch, view.frozen_until_us) >= self.newest:
            self.recorded = True
            self._alone = 0
            self._paused_until_s = -math.inf

    def _freeze_alone(self, retry_after_s: float | None, window_s: float) -> Freeze:
        """A freeze while Redis is away: this process pauses by its own clock, and the ledger tells the others.

        Doubling counts the freezes that this process saw alone. Those of requests in flight are one event, as in the
        script: the count rises only once the pause before has ended.
        """
        now_s, now_us = self._clock.monotonic(), self._now_us()
        if now_s >= self._paused_until_s:
            self._alone += 1
        duration_s = freeze_duration_s(retry_after_s, window_s, self._alone - 1)
        self._paused_until_s = max(self._paused_until_s, now_s + duration_s)
        frozen_until_us = max(round(now_us + duration_s * MICROSECONDS), self.newest[1])
        return Freeze(round(now_us), self.newest[0] + 1, frozen_until_us)

    def _fields(self, action: str, **values: object) -> dict[str, object]:
        return fields(action, bucket=self.bucket.name, **values)


async def unfreeze(redis: Redis, ledger: BucketLedger, name: str) -> None:
    """Lift the freeze of a bucket for everybody: in Redis, and in the ledger under a higher epoch.

    Raises UnavailableError where either cannot be reached, ConfigurationError where no job uses such a bucket.
    """
    row, _ = await ledger.ensure(name)
    freeze = await Bucket(redis, name).lift_freeze(epoch=row.epoch)
    epoch = freeze.epoch if isinstance(freeze, Freeze) else row.epoch + 1
    await ledger.merge_freeze(name, epoch=epoch, frozen_until_us=0)
    log.info("bucket unfrozen", extra=fields("limiter.unfrozen", bucket=name, epoch=epoch))
