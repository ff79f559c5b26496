"""The limiter of one process: takes permits from the bucket for all tasks, and tells it what became of them.

One task talks to the bucket, so that a process makes one call at a time however many tasks wait. Nothing is granted
without the bucket: tasks wait while Redis is away, while the ledger has no row, and while a freeze that this process
caused is not in Redis and in the ledger.

Waits here end by an event or a timer of the event loop; the injected clock says how late it is.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

from redis.asyncio import Redis

from crawl_core.clock import SYSTEM_CLOCK, Clock
from crawl_core.errors import ArtistcrawlError, UnavailableError
from crawl_core.limiter.bucket import MICROSECONDS, Bucket, Grant, Unknown
from crawl_core.limiter.permit import SEND_DEADLINE_S, Permit
from crawl_core.limiter.queue import PermitQueue
from crawl_core.limiter.record import BucketRecord
from crawl_core.limiter.returns import Returns
from crawl_core.limiter.state import LimiterState
from crawl_core.logs import fields
from crawl_core.tasks import cancel
from crawl_core.values.limits import BucketLedger

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LimiterSettings:
    """How often a process talks to its bucket. None of it changes what is allowed."""

    max_batch: int = 100
    """The most permits that one call asks for: a larger share would be unfair to other processes."""
    reconcile_s: float = 10.0
    """Seconds between comparisons of bucket and row: how late a freeze or limit that was set elsewhere is heard of."""
    unrecorded_retry_s: float = 1.0
    """Seconds between attempts to record a freeze that Redis or the ledger did not take."""
    warn_round_trip_s: float = 0.1
    """Redis round trips longer than this are worth a warning, in seconds. Above 0.25 every permit comes too late."""
    backoff_s: float = 0.05
    """Seconds until an unreachable backend is asked again. Doubles with each failure, up to backoff_max_s."""
    backoff_max_s: float = 2.0
    poll_s: float = 0.1
    """Seconds between looks at a freeze that is not recorded yet."""
    linger_s: float = 0.02
    """The longest that demand is collected for one call, in seconds, while permits in hand are still to come."""


DEFAULT_SETTINGS = LimiterSettings()


class Limiter:
    """Permits of one bucket for the tasks of one process."""

    def __init__(
        self,
        redis: Redis,
        bucket: str,
        ledger: BucketLedger,
        *,
        clock: Clock = SYSTEM_CLOCK,
        settings: LimiterSettings = DEFAULT_SETTINGS,
    ) -> None:
        self._redis = redis
        self._clock = clock
        self._settings = settings
        self._queue = PermitQueue(clock, on_demand=self._on_demand)
        self._record = BucketRecord(Bucket(redis, bucket), ledger, clock=clock, on_epoch=self._queue.withdraw)
        self._returns = Returns()
        self._alarm: asyncio.Future[None] | None = None
        self._unrecorded = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._failure: BaseException | None = None
        self._ask_at_s = self._linger_until_s = self._ahead_until_s = self._warned_at_s = -math.inf
        self._horizon_s = 0.1
        self._losses = self._failures = 0
        self._calls = self._grants = self._discarded = self._confirmed = 0
        self._round_trip_s = 0.0

    async def __aenter__(self) -> Limiter:
        await self._check_memory_policy()
        running = (self._acquire_always, self._reconcile_always)
        self._tasks = [asyncio.create_task(self._guard(always)) for always in running]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await cancel(*self._tasks)
        self._queue.close()
        if self._failure:
            return
        with suppress(UnavailableError, TimeoutError):
            async with asyncio.timeout(1.0):
                await self._call_bucket()

    async def acquire(self) -> Permit:
        """A permit, at its instant; first come, first served among this process's tasks.

        Raises what ended the task that talks to the bucket, such as SchemaVersionError.
        """
        if self._failure:
            raise self._failure
        return await self._queue.next_permit()

    async def freeze(self, *, retry_after_s: float | None, sent_epoch: int | None = None) -> int:
        """Pause the bucket for everybody, because of a 429. Returns until when, in us since 1970 by Redis TIME.

        `sent_epoch` is that of the refused request's permit, None the newest. Until Redis and the ledger both have the
        freeze, this process takes no permit.
        """
        frozen_until_us = await self._record.record_freeze(retry_after_s=retry_after_s, sent_epoch=sent_epoch)
        if not self._record.recorded:
            self._unrecorded.set()
        self._wake()
        return frozen_until_us

    async def succeeded(self, epoch: int) -> None:
        """A request whose permit was of this epoch was answered with a page: a freeze before it was long enough."""
        await self._record.note_success(epoch)

    async def bring_limits(self) -> None:
        """Return when the bucket has the limits that count now. Raises UnavailableError."""
        while not await self._record.bring_limits():
            await self._clock.sleep(self._settings.unrecorded_retry_s)
        self._wake()

    def state(self) -> LimiterState:
        """What the process knows of its bucket, and has done so far."""
        view = self._record.view
        return LimiterState(
            limits=view.limits if view else None,
            epoch=self._record.epoch,
            frozen_until_us=self._record.newest[1],
            frozen_s=self._record.frozen_s(),
            waiting=self._queue.waiting,
            granted=self._queue.granted,
            calls=self._calls,
            grants=self._grants,
            discarded=self._discarded,
            confirmed=self._confirmed,
            round_trip_s=self._round_trip_s,
            reachable=self._failures == 0,
        )

    @property
    def epoch(self) -> int:
        """The freeze epoch last heard of. A permit of another epoch is void."""
        return self._record.epoch

    def give_back(self, permit: Permit) -> None:
        """Cancel a permit that was never used."""
        self._discarded += 1
        self._returns.add_unsent(permit, now_s=self._clock.monotonic())
        self._wake()

    def confirm(self, permit: Permit, answered_at_s: float) -> None:
        """The permit's request has arrived, not later than this instant of the monotonic clock."""
        self._confirmed += 1
        # The slot is of no use to anybody before a window has passed, so there is time: where this process asks for
        # permits soon anyway, that call carries the answer. Otherwise it goes by itself, so that an idle process does
        # not keep slots from the others (test_an_idle_process_confirms_on_its_own).
        due_s = self._clock.monotonic() + self._horizon_s * (2 if self._queue.demand else 0.5)
        earlier = due_s < self._returns.due_s
        self._returns.add_answer(permit, answered_at_s, due_s=due_s)
        if earlier:
            self._wake()

    async def _acquire_always(self) -> None:
        while True:
            await self._sleep_until_due()
            try:
                await self._call_bucket()
                self._failures = 0
            except UnavailableError as error:
                self._failures += 1
                if self._failures in (1, 10) or self._failures % 100 == 0:
                    log.warning("no permits: %s", error, extra=self._fields("limiter.waits", failures=self._failures))
                backoff_s = self._settings.backoff_s * 2 ** min(self._failures, 10)
                await self._clock.sleep(min(backoff_s, self._settings.backoff_max_s) * random.uniform(0.5, 1.0))

    async def _sleep_until_due(self) -> None:
        while True:
            now_s = self._clock.monotonic()
            due_s = self._returns.due_s
            if self._queue.demand:
                due_s = min(due_s, max(self._ask_at_s, self._linger_until_s, self._may_take_at_s(now_s)))
            if due_s <= now_s:
                return
            loop = asyncio.get_running_loop()
            self._alarm = loop.create_future()
            timer = None if due_s == math.inf else loop.call_later(due_s - now_s, self._wake)
            try:
                await self._alarm
            finally:
                self._alarm = None
                if timer:
                    timer.cancel()

    def _may_take_at_s(self, now_s: float) -> float:
        """When permits may be asked for: now, or not before a freeze that is not recorded has been."""
        paused_until_s = self._record.paused_until_s()
        if self._record.recorded and now_s >= paused_until_s:
            return now_s
        return max(paused_until_s, now_s + self._settings.poll_s)

    def _on_demand(self) -> None:
        """A task waits. The first one lingers a moment for others, so that one call asks for all of them."""
        if self._queue.demand == 1:
            now_s = self._clock.monotonic()
            ahead_s = self._ahead_until_s - now_s
            self._linger_until_s = now_s + max(0.0, min(self._settings.linger_s, ahead_s / 2 - 0.005))
        self._wake()

    def _wake(self) -> None:
        if self._alarm and not self._alarm.done():
            self._alarm.set_result(None)

    async def _call_bucket(self) -> None:
        """One call: say what became of earlier permits, and ask for those that are needed now.

        What a failed call carried is carried again by the next one. The clock is read before and after: a permit's
        instant counts from `received_s`, its deadline from `sent_s`. Redis read its clock somewhere between the two,
        so both err on the safe side (test_the_model_finds_a_process_that_sends_late).
        """
        returns = self._returns.drain()
        sent_s = self._clock.monotonic()
        contended = sent_s >= self._ask_at_s
        may_take = self._may_take_at_s(sent_s) <= sent_s
        count = min(self._queue.demand, self._settings.max_batch) if may_take else 0
        self._calls += 1
        try:
            reply = await self._record.bucket.request_permits(
                count, answered=returns.answers_by_age(sent_s), unsent=returns.unsent_as_granted()
            )
        except BaseException:
            self._returns.put_back(returns, due_s=sent_s)
            raise
        if isinstance(reply, Unknown):
            await self._record.introduce(reply)
            return
        received_s = self._clock.monotonic()
        self._note_round_trip(received_s - sent_s, received_s)
        self._horizon_s = reply.horizon_us / MICROSECONDS
        self._record.hear_grant(reply, received_s=received_s)
        permits = self._permits(reply, sent_s=sent_s, received_s=received_s)
        self._grants += len(permits)
        if reply.wait_us >= 0:
            self._wait(reply.wait_us / MICROSECONDS, received_s, won=bool(permits), contended=contended)
        if permits:
            self._keep_or_give_back(permits, received_s=received_s, round_trip_s=received_s - sent_s)

    def _keep_or_give_back(self, permits: list[Permit], *, received_s: float, round_trip_s: float) -> None:
        if round_trip_s <= SEND_DEADLINE_S:
            self._ahead_until_s = permits[-1].not_before_s
            self._queue.add(permits)
            return
        # All of them are too late already. Asking again at once would hold slots that processes near Redis can use
        # (test_a_worker_whose_redis_is_too_far_sends_nothing_and_keeps_nobody_else_from_it).
        self._ask_at_s = max(self._ask_at_s, received_s + 4 * round_trip_s)
        for permit in permits:
            permit.unused()

    def _permits(self, reply: Grant, *, sent_s: float, received_s: float) -> list[Permit]:
        permits = []
        for at in range(0, len(reply.permits), 3):
            permit_id, delay_us, free_us = reply.permits[at : at + 3]
            permit = Permit(
                self,
                self._clock,
                permit_id=permit_id,
                epoch=reply.epoch,
                not_before_s=received_s + delay_us / MICROSECONDS,
                send_by_s=sent_s + delay_us / MICROSECONDS + SEND_DEADLINE_S,
                request_timeout_s=reply.timeout_us / MICROSECONDS,
                free_us=free_us,
                window_us=reply.window_us,
            )
            permits.append(permit)
        return permits

    def _wait(self, wait_s: float, received_s: float, *, won: bool, contended: bool) -> None:
        """Ask again at the instant that Redis named to all, or a little later: who lost most often asks first.

        If all asked at that instant, the process nearest to Redis would win every race
        (test_the_nearest_process_does_not_win_every_race). A permit is granted a horizon before its own instant, so
        waiting for a quarter of the horizon costs nothing.
        """
        if won:
            self._losses = 0
        elif contended:
            self._losses = min(self._losses + 1, 10)
        self._ask_at_s = received_s + wait_s + self._horizon_s / 4 / 2**self._losses

    async def _reconcile_always(self) -> None:
        while True:
            try:
                await self._record.synchronize()
                self._wake()
            except UnavailableError as error:
                log.info("bucket and row not compared: %s", error, extra=self._fields("limiter.reconcile_failed"))
            if self._record.view and self._record.recorded:
                # Processes that started together must not compare together for ever.
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._settings.reconcile_s * random.uniform(0.8, 1.0)):
                        await self._unrecorded.wait()
                self._unrecorded.clear()
            else:
                await self._clock.sleep(self._settings.unrecorded_retry_s)

    def _note_round_trip(self, round_trip_s: float, now_s: float) -> None:
        self._round_trip_s = round_trip_s
        if round_trip_s > self._settings.warn_round_trip_s and now_s - self._warned_at_s > 10.0:
            self._warned_at_s = now_s
            extra = self._fields("limiter.slow_redis", round_trip_s=round(round_trip_s, 3))
            log.warning("redis is slow: above 0.25 s no permit can be used", extra=extra)

    async def _check_memory_policy(self) -> None:
        with suppress(ArtistcrawlError):
            policy = (await self._redis.info("memory")).get("maxmemory_policy", "noeviction")
            if policy != "noeviction":
                extra = self._fields("limiter.eviction", policy=policy)
                log.warning("redis may evict buckets and leases: set its maxmemory-policy to noeviction", extra=extra)

    async def _guard(self, running: Callable[[], Coroutine[None, None, None]]) -> None:
        """Run a task that the limiter cannot do without; its unexpected end reaches every task that waits."""
        try:
            await running()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._failure = error
            self._queue.fail(error)
            raise

    def _fields(self, action: str, **values: object) -> dict[str, object]:
        return fields(action, bucket=self._record.bucket.name, **values)
