"""What a worker finds out about the job as a whole, written to the ledger's job row beside the crawling.

A note is for people: it becomes a condition of the CrawlJob. Writing waits for nobody and nobody waits for it: what the
ledger does not take now is kept, and the same reason is written at most once a minute.
"""

from __future__ import annotations

import asyncio
import logging

from crawl_core.clock import Clock
from crawl_core.errors import UnavailableError
from crawl_core.job import reasons
from crawl_core.ledger import jobs
from crawl_core.ledger.ledger import Ledger
from crawl_core.logs import fields
from crawl_core.text import clean

log = logging.getLogger(__name__)

TICK_S = 1.0
REPEAT_S = 60.0
"""Seconds in which the same reason is written once."""

_MESSAGE_CHARACTERS = 500


class JobNotes:
    """Collects notes of one process and writes them from `run`."""

    def __init__(self, ledger: Ledger, job_id: int, clock: Clock) -> None:
        self._ledger = ledger
        self._job_id = job_id
        self._clock = clock
        self._page_size: int | None = None
        self._page_sizes_noted = self._page_sizes_written = 0
        self._problems: dict[str, str] = {}
        self._written_s: dict[str, float] = {}
        self._solved = False
        self._writing = asyncio.Lock()

    def page_size(self, size: int | None) -> None:
        """The upstream allows pages of this size only; None: as large as the job asks for."""
        self._page_size = size
        self._page_sizes_noted += 1

    @property
    def page_sizes_written(self) -> int | None:
        """How many page sizes were noted and written; None while one is not written yet.

        A row that was read between two equal ones has the last of them. Any other may be from before it.
        """
        return self._page_sizes_written if self._page_sizes_written == self._page_sizes_noted else None

    def problem(self, reason: str, message: str) -> None:
        """Something a person should know: a reason in CamelCase, and what happened in plain words."""
        now_s = self._clock.monotonic()
        if now_s - self._written_s.get(reason, -REPEAT_S) >= REPEAT_S:
            self._written_s[reason] = now_s
            self._problems[reason] = clean(message, _MESSAGE_CHARACTERS)

    def solved(self) -> None:
        """What was noted has passed: requests succeed again."""
        self._solved = not self._problems

    async def run(self) -> None:
        """Write what comes, until cancelled. What cannot be written now is kept."""
        while True:
            await self._clock.sleep(TICK_S)
            try:
                await self.write()
            except UnavailableError as error:
                log.warning("notes not written", extra=fields("notes.failed", error=str(error)))

    async def write(self) -> None:
        """Write what has been collected."""
        # One at a time: a drain begins one while the last of `run` is under way.
        async with self._writing:
            await self._write()

    async def _write(self) -> None:
        if (noted := self._page_sizes_noted) != self._page_sizes_written:
            await jobs.note_page_size(self._ledger, self._job_id, self._page_size)
            self._page_sizes_written = noted
        if self._solved:
            await jobs.clear_problem(self._ledger, self._job_id)
            self._solved = False
        for reason, message in list(self._problems.items()):
            gives_way = reason in reasons.HINTS
            await jobs.note_problem(self._ledger, self._job_id, reason, message, gives_way=gives_way)
            del self._problems[reason]
