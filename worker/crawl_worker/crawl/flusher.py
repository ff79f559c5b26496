"""Commits the rows of all ranges of a process once they are old enough, and says when that no longer keeps up.

A range whose ledger hangs keeps no other range from committing: each has a task of its own. What a range has left at
its end is committed by whoever crawled it, through the same writer.
"""

from __future__ import annotations

import asyncio
import logging

from crawl_core.clock import Clock
from crawl_core.errors import FenceLostError, UnavailableError
from crawl_core.logs import fields
from crawl_worker.crawl.leases import HeldLease
from crawl_worker.crawl.writer import FLUSH_AGE_S, LIMIT_AGE_S, RangeWriter

log = logging.getLogger(__name__)

FLUSH_TICK_S = 0.25
"""Seconds between two looks for rows that are old enough to be committed."""


class Flusher:
    """Knows the writer of every range that this process works on, and the lease that each works under."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._leases: dict[RangeWriter, HeldLease] = {}
        self._flushing: set[RangeWriter] = set()

    def add(self, writer: RangeWriter, held: HeldLease) -> None:
        """Commit what this writer buffers, from now on."""
        self._leases[writer] = held

    def discard(self, writer: RangeWriter) -> None:
        """Its range is done with."""
        self._leases.pop(writer, None)

    @property
    def age_s(self) -> float:
        """Seconds since the oldest uncommitted row of the process came; 0 when everything is committed."""
        return max((writer.age_s for writer in self._leases), default=0.0)

    @property
    def behind(self) -> bool:
        """Whether rows are too old for spending more of the limit: the ledger does not take them."""
        return any(writer.age_s > LIMIT_AGE_S for writer in self._leases)

    @property
    def ranges(self) -> int:
        """How many ranges the process works on."""
        return len(self._leases)

    async def run(self, group: asyncio.TaskGroup) -> None:
        """Commit until cancelled. Commits are tasks of `group`, so that one under way outlives the cancellation."""
        while True:
            await self._clock.sleep(FLUSH_TICK_S)
            for writer in self._leases.keys() - self._flushing:
                # A tick early rather than late: FLUSH_AGE_S is a promise.
                if writer.age_s >= FLUSH_AGE_S - FLUSH_TICK_S:
                    self._flushing.add(writer)
                    group.create_task(self._flush(writer, self._leases[writer]))

    async def _flush(self, writer: RangeWriter, held: HeldLease) -> None:
        try:
            await writer.flush()
        except FenceLostError as error:
            note_fence_lost(held, error)
        except UnavailableError as error:
            log.warning("commit failed", extra=fields("batch.failed", range=writer.row.id, error=str(error)))
        finally:
            self._flushing.discard(writer)


def note_fence_lost(held: HeldLease, error: FenceLostError) -> None:
    """The range is somebody else's: the task that works on it stops, and its lease is not given back."""
    range_id = held.lease.range_id
    log.warning("range lost to its fence", extra=fields("range.fence_lost", range=range_id, error=str(error)))
    held.lose()
