"""Commits one range's steps, in order, each exactly once. The only writer of a range while its fence is ours.

A batch whose acknowledgement was lost may be in the ledger or not. It is kept to the byte and sent again before
anything else: the ledger compares the cursor that the batch starts from, so it lands once. Were later steps merged into
it, a batch that had landed would be refused, and the new steps lost with it
(test_a_batch_without_acknowledgement_lands_once).

Nothing is thrown away while the ledger is merely out of reach. A batch that the ledger refuses for its data is halved
until one step is left, and that step's string is given up
(test_data_that_the_ledger_refuses_costs_its_own_string_only).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from crawl_core.clock import Clock
from crawl_core.errors import BatchRefusedError, FenceLostError, LedgerUnavailableError
from crawl_core.ledger import batches
from crawl_core.ledger.ledger import Ledger
from crawl_core.logs import fields
from crawl_core.metrics import definitions as metrics
from crawl_core.text import clean
from crawl_core.values.rows import Batch, Committed, Cursor, DeadLetterRow, RangeRow
from crawl_worker.crawl.range_strings import RangeStrings
from crawl_worker.crawl.row_counts import count_rows
from crawl_worker.crawl.steps import RangeStep, batch_of, buried

log = logging.getLogger(__name__)

FLUSH_AGE_S = 1.0
"""Seconds after which a row is committed: what a killed worker may have to ask for again."""

FLUSH_ROWS = 600
"""Rows at which a batch is committed at once: about half a megabyte of JSON."""

LIMIT_AGE_S = 5.0
"""Seconds after which an uncommitted row stops the spending: the ledger is out of reach."""


class RangeWriter:
    """Buffers and commits the steps of one range whose fence we hold.

    `on_children` gets the ids of child ranges after their commit.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        row: RangeRow,
        owner: str,
        strings: RangeStrings,
        clock: Clock,
        on_children: Callable[[list[int]], Awaitable[None]],
    ) -> None:
        if row.cursor is None:
            raise ValueError(f"range {row.id} has no cursor: it is done")
        self.row = row
        self.buried_strings: set[str] = set()
        self._ledger = ledger
        self._owner = owner
        self._clock = clock
        self._on_children = on_children
        self._strings = strings
        self._committed: Cursor = row.cursor
        self._buffer = _Chunk([], 0.0)
        self._queue: deque[_Chunk] = deque()
        self._rows = 0
        self._lock = asyncio.Lock()

    def add(self, step: RangeStep) -> None:
        """Buffer a step behind those before it."""
        if step.string in self.buried_strings:
            return
        if not self._buffer.steps:
            self._buffer.since_s = self._clock.monotonic()
        self._buffer.steps.append(step)
        self._rows += step.size

    @property
    def full(self) -> bool:
        """Whether there is enough for a commit."""
        return self._rows >= FLUSH_ROWS

    @property
    def age_s(self) -> float:
        """Seconds since the oldest uncommitted row came; 0 when everything is committed."""
        oldest = self._queue[0] if self._queue else self._buffer
        return self._clock.monotonic() - oldest.since_s if oldest.steps else 0.0

    async def flush(self) -> None:
        """Commit what is buffered. Raises FenceLostError, and LedgerUnavailableError with everything kept."""
        async with self._lock:
            while self._queue or self._buffer.steps:
                if not self._queue:
                    self._queue.append(self._buffer)
                    self._buffer, self._rows = _Chunk([], 0.0), 0
                try:
                    await self._send(self._queue[0])
                except BatchRefusedError as error:
                    self._divide(self._queue.popleft(), str(error))
                else:
                    self._queue.popleft()

    async def _send(self, chunk: _Chunk) -> None:
        """Commit a chunk. Where nobody knows whether it landed, it is sent again as it was: then it lands once."""
        batch = chunk.batch or batch_of(
            chunk.steps, row=self.row, owner=self._owner, fence=self.row.fence, expected=self._committed
        )
        chunk.batch = batch
        committed = await self._commit(batch)
        if committed is None and await batches.landed(self._ledger, batch) is not True:
            # A failover may also have taken the ledger back to an earlier state of the range. The fence is ours then,
            # and the cursor is not: going on would leave out what was lost between the two
            # (test_a_range_that_fell_back_with_the_ledger_is_given_up).
            metrics.COMMITS.labels("fence_lost").inc()
            raise FenceLostError(f"range {self.row.id} is somebody else's: {len(chunk.steps)} steps are dropped")
        if batch.cursor is not None:
            self._committed = batch.cursor
        if committed is not None and committed.children:
            await self._on_children(committed.children)
        metrics.COMMITS.labels("committed").inc()
        count_rows(batch, committed)

    async def _commit(self, batch: Batch) -> Committed | None:
        started_s = self._clock.monotonic()
        try:
            return await batches.commit(self._ledger, batch)
        except BatchRefusedError:
            metrics.COMMITS.labels("refused").inc()
            raise
        except LedgerUnavailableError:
            metrics.COMMITS.labels("unavailable").inc()
            raise
        finally:
            metrics.COMMIT_DURATION.observe(self._clock.monotonic() - started_s)

    def _divide(self, chunk: _Chunk, error: str) -> None:
        """Queue the halves of a refused chunk, in order; of a single step, give the string up instead.

        Raises LedgerUnavailableError, with everything kept, where the ledger refuses the dead letter as well.
        """
        steps, middle = chunk.steps, len(chunk.steps) // 2
        if not middle and steps[0].dead_letter is not None:
            self._queue.appendleft(chunk)
            raise LedgerUnavailableError(f"the ledger refuses the dead letter of a string: {error}")
        parts = [steps[:middle], steps[middle:]] if middle else [self._bury(steps[0], error)]
        self._queue.extendleft(_Chunk(part, chunk.since_s) for part in reversed(parts))

    def _bury(self, step: RangeStep, error: str) -> list[RangeStep]:
        self.buried_strings.add(step.string)
        metrics.DEAD_LETTERS.labels("ledger").inc()
        for chunk in (*self._queue, self._buffer):
            chunk.steps[:] = [later for later in chunk.steps if later.string != step.string]
        self._queue = deque(chunk for chunk in self._queue if chunk.steps)
        log.error(
            "a string cannot be stored and is dead-lettered",
            extra=fields("string.dead_lettered", string=step.string, reason="refused_by_ledger", error=error),
        )
        letter = DeadLetterRow(
            string=step.string,
            reason="refused_by_ledger",
            attempts=1,
            last_error=clean(error, 500),
            at_us=int(self._clock.time() * 1e6),
        )
        after, covered = self._strings.after(step.string), self._strings.covered_by_giving_up(step.string)
        return [buried(step, dead_letter=letter, after=after, covered=covered)]


@dataclass(slots=True)
class _Chunk:
    """Steps that are committed together; `batch` is what was sent of them, kept while nobody knows its fate."""

    steps: list[RangeStep]
    since_s: float
    batch: Batch | None = None
