"""Keeps this process's leases alive, and tells the tasks whose lease is lost.

A lease is trusted no longer than its TTL after the last renewal was sent, on a clock that runs while the process is
stopped, so that a process that slept asks before it sends anything more. It refuses to take a lost lease back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from crawl_core.clock import Clock
from crawl_core.errors import RedisUnavailableError, UnknownJobError
from crawl_core.frontier import Frontier, Lease
from crawl_core.logs import fields
from crawl_core.metrics import definitions as metrics

log = logging.getLogger(__name__)


class HeldLease:
    """One lease of this process. `on_lost` is called once, when it is found to be somebody else's."""

    def __init__(self, lease: Lease, *, good_until_s: float, on_lost: Callable[[], None]) -> None:
        self.lease = lease
        self.good_until_s = good_until_s
        self.lost = False
        self._on_lost = on_lost

    def lose(self) -> None:
        """It is somebody else's now."""
        if not self.lost:
            self.lost = True
            metrics.LEASES.labels("lost").inc()
            self._on_lost()


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
        held = [one for one in self._held if not one.lost]
        if not held:
            return
        sent_s = self._clock.monotonic()
        try:
            mine = await self._frontier.renew([one.lease for one in held])
        except UnknownJobError:
            # The frontier lost its memory, and our leases with it. What we have is committed under the fence.
            mine = [False] * len(held)
        for one, still_mine in zip(held, mine, strict=True):
            if still_mine:
                one.good_until_s = sent_s + self._frontier.lease_ttl_s
            else:
                log.warning("lease lost", extra=fields("lease.lost", range=one.lease.range_id))
                one.lose()

    async def confirm(self, held: HeldLease) -> bool:
        """Whether the lease is ours, asking where it may have run out; waits while Redis is out of reach."""
        while not held.lost and not self.good(held):
            try:
                await self.renew()
            except RedisUnavailableError:
                await asyncio.sleep(0.5)
        return not held.lost
