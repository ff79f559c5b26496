"""Keeps this process's leases alive, and tells the tasks whose lease is lost.

A lease is trusted no longer than its TTL after the last renewal was sent, on a clock that runs while the process is
stopped, so that a process that slept asks before it sends anything more. A lease that is lost stays lost, even where a
later renewal would succeed: somebody else may have had the range in between.
"""

from __future__ import annotations

import logging

from crawl_core.clock import Clock
from crawl_core.errors import RedisUnavailableError, UnknownJobError
from crawl_core.frontier.frontier import Frontier
from crawl_core.logs import fields
from crawl_core.metrics import definitions as metrics
from crawl_core.values.frontier import Lease
from crawl_worker.crawl.stopping import StopSwitch

log = logging.getLogger(__name__)

CONFIRM_RETRY_S = 0.5
"""Seconds between two tries to ask a Redis that is out of reach whether a lease is still ours."""


class HeldLease:
    """One lease of this process. `switch` stops the task that works under it, once it is somebody else's."""

    def __init__(self, lease: Lease, *, good_until_s: float, switch: StopSwitch) -> None:
        self.lease = lease
        self.good_until_s = good_until_s
        self.lost = False
        self.switch = switch

    def lose(self) -> None:
        """It is somebody else's now."""
        if not self.lost:
            self.lost = True
            metrics.LEASES.labels("lost").inc()
            self.switch.stop()


class LeaseKeeper:
    """Renews all leases of one process in one call, three times in a TTL."""

    def __init__(self, frontier: Frontier, clock: Clock) -> None:
        self._frontier = frontier
        self._clock = clock
        self._held: set[HeldLease] = set()

    def hold(self, held: HeldLease) -> None:
        """Renew this lease from now on."""
        self._held.add(held)

    def drop(self, held: HeldLease) -> None:
        """Renew it no more."""
        self._held.discard(held)

    def good(self, held: HeldLease) -> bool:
        """Whether the lease is ours without asking."""
        return not held.lost and self._clock.monotonic() < held.good_until_s

    async def run(self) -> None:
        """Renew until cancelled."""
        while True:
            await self._clock.sleep(self._frontier.lease_ttl_s / 3)
            try:
                await self.renew()
            except RedisUnavailableError as error:
                log.warning("leases not renewed", extra=fields("lease.renewal_failed", error=str(error)))

    async def renew(self) -> None:
        """Renew everything held; whatever is lost is told so. Raises RedisUnavailableError."""
        held_leases = [held for held in self._held if not held.lost]
        if not held_leases:
            return
        sent_s = self._clock.monotonic()
        try:
            still_mine = await self._frontier.renew([held.lease for held in held_leases])
        except UnknownJobError:
            # The frontier lost its memory, and our leases with it. What we have is committed under the fence.
            still_mine = [False] * len(held_leases)
        for held, mine in zip(held_leases, still_mine, strict=True):
            if mine:
                held.good_until_s = sent_s + self._frontier.lease_ttl_s
            else:
                log.warning("lease lost", extra=fields("lease.lost", range=held.lease.range_id))
                held.lose()

    async def confirm(self, held: HeldLease) -> bool:
        """Whether the lease is ours, asking where it may have run out; waits while Redis is out of reach."""
        while not held.lost and not self.good(held):
            try:
                await self.renew()
            except RedisUnavailableError:
                await self._clock.sleep(CONFIRM_RETRY_S)
        return not held.lost
