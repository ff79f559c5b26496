"""Which of several operators acts: the one that holds the Lease. The others watch along, ready to take over.

The Lease makes a takeover quick; that nobody acts twice is the work of the resourceVersion which every write carries.
Clocks of two machines are never compared: a Lease has expired when this process saw it unchanged for its duration.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from crawl_core.clock import Clock
from crawl_core.errors import ArtistcrawlError
from crawl_core.logs import fields

log = logging.getLogger(__name__)

DURATION_S = 10.0
"""Seconds that the others wait after the last renewal."""
RENEW_S = 2.0
"""Seconds between two renewals, and between two looks of the others."""
GIVE_UP_S = 7.0
"""Seconds after the beginning of the last renewal that succeeded in which we act: less than the others wait."""


class LeaseConflictError(ArtistcrawlError):
    """Somebody else wrote the Lease since it was read."""


class LeaseUnavailableError(ArtistcrawlError):
    """The Lease can be neither read nor written now."""


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """The Lease as read."""

    holder: str
    """Empty: it was given back."""
    duration_s: float
    version: str
    transitions: int = 0
    """How often it changed hands."""


class Leases(Protocol):
    """Where the Lease is. Each raises LeaseUnavailableError, and a write LeaseConflictError."""

    async def read(self) -> LeaseRecord | None:
        """The Lease; None before anybody made it."""
        ...

    async def create(self, holder: str) -> LeaseRecord:
        """Make it, held."""
        ...

    async def renew(self, record: LeaseRecord) -> LeaseRecord:
        """Write the time into our own, at its version."""
        ...

    async def take(self, record: LeaseRecord, holder: str) -> LeaseRecord:
        """Make it ours, or (with an empty holder) nobody's, at its version."""
        ...


class Elector:
    """Keeps trying to hold the Lease. `leads()` is to be asked right before anything is written."""

    def __init__(self, leases: Leases, *, identity: str, clock: Clock, on_elected: Callable[[], None]) -> None:
        self.identity = identity
        self._leases = leases
        self._clock = clock
        self._on_elected = on_elected
        self._held: LeaseRecord | None = None
        self._good_until_s = float("-inf")
        self._seen: LeaseRecord | None = None
        self._seen_s = 0.0
        self._led = False
        self.turned_s = clock.monotonic()
        """When the last try ended, whatever came of it."""

    def leads(self) -> bool:
        """Whether we may act now. A clock that also counts while this process is stopped decides."""
        return self._clock.monotonic() < self._good_until_s

    async def run(self) -> None:
        """Try for ever."""
        while True:
            await self.turn()
            await self._clock.sleep(RENEW_S)

    async def turn(self) -> None:
        """Renew what we hold, or see whether it can be had."""
        began_s = self._clock.monotonic()
        # It may have run out since the last turn; leading again is then a new beginning, since rounds were left out.
        self._tell()
        try:
            self._held = await self._renewed() if self._held is not None else await self._taken()
        except LeaseConflictError:
            self._held = None
        except LeaseUnavailableError as error:
            log.warning("the lease is out of reach", extra=fields("lease.unavailable", error=str(error)))
        else:
            if self._held is not None:
                self._good_until_s = began_s + GIVE_UP_S
        if self._held is None:
            self._good_until_s = float("-inf")
        self._tell()
        self.turned_s = self._clock.monotonic()

    async def release(self) -> None:
        """Give the Lease back, so that another operator need not wait for its end."""
        held, self._held, self._good_until_s = self._held, None, float("-inf")
        if held is None:
            return
        try:
            await self._leases.take(held, "")
        except (LeaseConflictError, LeaseUnavailableError) as error:
            log.warning("the lease could not be given back", extra=fields("lease.not_released", error=str(error)))
        else:
            log.info("the lease is given back", extra=fields("lease.released"))

    async def _renewed(self) -> LeaseRecord | None:
        return None if self._held is None else await self._leases.renew(self._held)

    async def _taken(self) -> LeaseRecord | None:
        record = await self._leases.read()
        now_s = self._clock.monotonic()
        if record is None:
            return await self._leases.create(self.identity)
        if record != self._seen:
            self._seen, self._seen_s = record, now_s
        if record.holder in ("", self.identity) or now_s - self._seen_s > record.duration_s:
            return await self._leases.take(record, self.identity)
        return None

    def _tell(self) -> None:
        leads = self.leads()
        if leads and not self._led:
            log.info("leading", extra=fields("lease.acquired", identity=self.identity))
            self._on_elected()
        elif self._led and not leads:
            log.warning("no longer leading", extra=fields("lease.lost", identity=self.identity))
        self._led = leads
