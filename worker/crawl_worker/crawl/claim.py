"""Claims a range: lease from the frontier, fence from the ledger, in an order that no pause and no fault can break.

    1. take a lease             2. read the range's fence
    3. renew the lease          4. raise the fence, from the value that was read

Step 3 looks superfluous and is not. A claimer that is stopped after step 1 wakes when its lease is long somebody
else's: it would read the new owner's fence, raise it, and throw the rightful owner out in the middle of its work. The
renewal says that the lease was ours after the fence was read, and a fence that moved since makes step 4 fail
(test_a_claimer_that_slept_past_its_lease_does_not_throw_out_the_owner).

The fence lives in PostgreSQL because a Redis that failed over can hand out the same lease twice; its number only grows.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from crawl_core.clock import Clock
from crawl_core.errors import RedisUnavailableError, UnavailableError, UnknownJobError
from crawl_core.frontier.frontier import Frontier
from crawl_core.ledger import jobs, ranges
from crawl_core.ledger.ledger import Ledger
from crawl_core.logs import fields
from crawl_core.metrics import definitions as metrics
from crawl_core.values.frontier import Empty, Lease
from crawl_core.values.rows import RangeRow

log = logging.getLogger(__name__)

IDLE_S = 1.0
"""Seconds between two looks at a frontier that has nothing for us: how soon released work is taken up."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A range that is ours, and until when its lease is good without renewal (monotonic seconds)."""

    row: RangeRow
    lease: Lease
    good_until_s: float


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing to do now: ask again after `wait_s`."""

    wait_s: float
    reason: str


class Claimer:
    """Claims for one process incarnation. `owner` is its UUID, never a name that a successor could bear.

    `bring_limits` returns when the job's bucket has the limits that count now.
    """

    def __init__(
        self,
        *,
        frontier: Frontier,
        ledger: Ledger,
        owner: str,
        clock: Clock,
        bring_limits: Callable[[], Awaitable[None]],
    ) -> None:
        self._bring_limits = bring_limits
        self._frontier = frontier
        self._ledger = ledger
        self._owner = owner
        self._clock = clock

    async def claim(self) -> Claimed | Nothing:
        """The next range; Nothing where there is none, or where a backend is away. Raises nothing that may pass."""
        try:
            return await self._claim()
        except UnknownJobError:
            return Nothing(IDLE_S, "the frontier does not know the job: it is seeded (again) soon")
        except UnavailableError as error:
            return Nothing(IDLE_S, str(error))

    async def _claim(self) -> Claimed | Nothing:
        sent_s = self._clock.monotonic()
        lease = await self._frontier.claim()
        if isinstance(lease, Empty):
            return Nothing(min(IDLE_S, lease.next_expiry_s or IDLE_S), "no range is pending")
        row = await ranges.read(self._ledger, lease.range_id)
        if row is None or row.state == "done":
            await self._frontier.complete(lease)
            return Nothing(0.0, "the range is done")
        sent_s = self._clock.monotonic()
        if not (await self._frontier.renew([lease]))[0]:
            return Nothing(0.0, "the lease ran out before the fence was taken")
        taken = await ranges.take(
            self._ledger, lease.range_id, fence=row.fence, owner=self._owner, job_uid=self._frontier.uid
        )
        if taken is None:
            return await self._refused(lease)
        metrics.LEASES.labels("won").inc()
        log.debug(
            "range claimed",
            extra=fields("range.claimed", range=taken.id, fence=taken.fence, first=taken.first, last=taken.last),
        )
        return Claimed(taken, lease, sent_s + self._frontier.lease_ttl_s)

    async def _refused(self, lease: Lease) -> Nothing:
        """The fence moved, the range ended, the job is not ours any more, or its limits do not count: the range goes
        back, or away."""
        if await jobs.bind(self._ledger, self._frontier.uid):
            # Others send by their own limits until the bucket has this job's. Only then anybody may claim.
            await self._bring_limits()
            await jobs.reopen(self._ledger, self._frontier.uid)
            await self._frontier.release(lease)
            return Nothing(0.0, "the job's limits count again")
        row = await ranges.read(self._ledger, lease.range_id)
        if row is None or row.state == "done":
            await self._frontier.complete(lease)
        else:
            await self._frontier.release(lease)
        return Nothing(IDLE_S, "the ledger gives the range to somebody else")

    async def give_back(self, lease: Lease, *, done: bool) -> None:
        """End a lease. Where Redis does not answer, the lease expires by itself after its TTL."""
        metrics.LEASES.labels("completed" if done else "released").inc()
        try:
            await (self._frontier.complete(lease) if done else self._frontier.release(lease))
        except (RedisUnavailableError, UnknownJobError) as error:
            log.info("lease left to run out", extra=fields("lease.abandoned", range=lease.range_id, error=str(error)))
