"""The `concurrency` places of a process in which ranges are crawled, one task each.

A place outlives the ranges that are crawled in it, and ends only when it is retired.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from crawl_core.clock import Clock
from crawl_core.values.rows import RangeRow
from crawl_worker.crawl.leases import HeldLease
from crawl_worker.crawl.range_crawl import RangeCrawl
from crawl_worker.crawl.stopping import StoppedError, StopSwitch
from crawl_worker.crawl.view import PlaceView
from crawl_worker.crawl.writer import RangeWriter


@dataclass(eq=False, frozen=True, slots=True)
class RangeWork:
    """A claimed range that is being crawled, and what is needed to end that."""

    row: RangeRow
    held: HeldLease
    writer: RangeWriter
    crawl: RangeCrawl


@dataclass(eq=False, slots=True)
class CrawlPlace:
    """One place. It is retired when the process drains or its concurrency falls."""

    task: asyncio.Task[None] | None = None
    work: RangeWork | None = None
    _switch: StopSwitch = field(default_factory=StopSwitch)

    @property
    def retired(self) -> bool:
        """Whether this place's work ends as soon as no request is in flight."""
        return self._switch.stopped

    def retire(self) -> None:
        """End this place's work as soon as no request is in flight."""
        self._switch.stop()
        if self.work is not None:
            self.work.held.switch.stop()

    async def rest(self, seconds: float, clock: Clock) -> None:
        """Sleep until there may be something to claim, or the place is retired."""
        with suppress(StoppedError), self._switch.interruptible():
            await clock.sleep(seconds)

    def view(self) -> PlaceView:
        """What is crawled here now."""
        return PlaceView() if self.work is None else PlaceView(self.work.row.id, self.work.crawl.share_done)
