"""Crawls one range: page by page, string by string, from its cursor to its end.

A stop strikes where the task only waits, and nowhere else: a request in flight is always finished, and what it brought
is a step for the commit. Which range to crawl, and when to commit the rest, is the worker's to say.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from crawl_core.clock import Clock
from crawl_core.errors import FenceLostError, UnavailableError
from crawl_core.logs import fields
from crawl_core.metrics import definitions as metrics
from crawl_core.text import clean
from crawl_core.values.rows import Cursor, DeadLetterRow, RequestRow, SearchRow
from crawl_worker.client.client import Client
from crawl_worker.client.session import Dead
from crawl_worker.crawl.leases import HeldLease, LeaseKeeper
from crawl_worker.crawl.paging import STALE_AFTER_S, AfterPage, Paging
from crawl_worker.crawl.range_strings import RangeStrings
from crawl_worker.crawl.steps import RangeStep, artist_rows
from crawl_worker.crawl.stopping import StoppedError, StopSwitch
from crawl_worker.sources.outcomes import Page

log = logging.getLogger(__name__)


BEHIND_POLL_S = 0.2
"""Seconds between two looks at a ledger that is out of reach."""

_LAST_ERROR_CHARACTERS = 500
"""Of the reason in a dead letter. Sources clean what they say; this is for one that does not."""


class StepSink(Protocol):
    """Where a range's steps go: its writer."""

    buried_strings: set[str]
    """Strings whose rows the ledger refuses: nothing more is asked for them."""

    @property
    def full(self) -> bool:
        """Whether there is enough for a commit."""
        ...

    def add(self, step: RangeStep) -> None:
        """Buffer a step behind those before it."""
        ...

    async def flush(self) -> None:
        """Commit what is buffered. Raises FenceLostError, and UnavailableError with everything kept."""
        ...


class RangeCrawl:
    """One task's work on one range that starts at `cursor`; it is the client's Session.

    `ledger_behind` tells whether the process has rows that are too old for spending more.
    """

    def __init__(
        self,
        *,
        cursor: Cursor | None,
        strings: RangeStrings,
        held: HeldLease,
        keeper: LeaseKeeper,
        writer: StepSink,
        client: Client,
        clock: Clock,
        ledger_behind: Callable[[], bool],
    ) -> None:
        self._cursor = cursor
        self._strings = strings
        self._held = held
        self._switch: StopSwitch = held.switch
        self._keeper = keeper
        self._writer = writer
        self._client = client
        self._clock = clock
        self._ledger_behind = ledger_behind
        self._paging = Paging(cap=client.source.cap, refinable=False)
        self._first_at_us: int | None = None
        self._answered: list[RequestRow] = []

    @property
    def current_string(self) -> str | None:
        """The string in progress, None at the end of the range."""
        return None if self._cursor is None else self._cursor.string

    @property
    def share_done(self) -> float:
        """The share of the range that is behind the cursor, 0 to 1."""
        return self._strings.share_before(self._cursor)

    async def run(self) -> bool:
        """Crawl to the end of the range; False when it was stopped before.

        What is buffered at the end is the worker's to commit.
        """
        try:
            while self._cursor is not None:
                self._cursor = await self._search(self._cursor)
        except StoppedError:
            return False
        return True

    def interruptible(self) -> AbstractContextManager[None]:
        """The client only waits inside. Raises StoppedError where the range must not go on."""
        return self._switch.interruptible()

    async def ready(self) -> None:
        """The client's question before it asks for a permit."""
        while not self._switch.stopped:
            if self._writer.full:
                await self._flush()
            elif self._ledger_behind():
                # The process's flusher goes on trying; only the spending stops.
                await self._clock.sleep(BEHIND_POLL_S)
            elif self._keeper.good(self._held) or await self._keeper.confirm(self._held):
                return
            else:
                break
        raise StoppedError

    def may_send(self) -> bool:
        """The client's question once it has the permit."""
        return not self._switch.stopped and not self._ledger_behind() and self._keeper.good(self._held)

    def position(self, page_size: int) -> tuple[int, int]:
        """The offset and limit of the next page."""
        if self._first_at_us is not None and self._clock.time() - self._first_at_us / 1e6 > STALE_AFTER_S:
            self._paging.restart()
            self._first_at_us = None
        return self._paging.offset, self._paging.limit(page_size)

    def lacks(self, page: Page) -> int:
        """Results that a page at the current offset does not have though there are to be some."""
        return self._paging.lacks(page)

    def sent(self, request: RequestRow, *, retried: bool, rate_limited: bool) -> None:
        """A request was answered, or failed: then it is a step by itself."""
        if not retried and request.string == self.current_string:
            self._answered.append(request)
            return
        self._writer.add(
            RangeStep(
                string=self.current_string or request.string,
                cursor=self._cursor,
                requests=[request],
                retries=int(retried),
                rate_limited=int(rate_limited),
            )
        )

    async def _flush(self) -> None:
        """Commit now. The commit is finished whoever stops us: it waits for neither permits nor people."""
        try:
            with self._switch.uninterruptible():
                await self._writer.flush()
        except FenceLostError:
            self._held.lose()
            raise StoppedError from None
        except UnavailableError:
            # Everything is kept.
            await self._clock.sleep(BEHIND_POLL_S)

    async def _search(self, cursor: Cursor) -> Cursor | None:
        string = cursor.string
        self._paging = Paging(
            cap=self._client.source.cap,
            refinable=self._strings.refinable(string),
            offset=cursor.offset,
            first_total=cursor.total,
            pages=cursor.pages,
            results=cursor.results,
        )
        self._first_at_us = cursor.first_at_us
        while True:
            answer = await self._client.page(string, self)
            if string in self._writer.buried_strings:
                return self._strings.after(string)
            if isinstance(answer, Dead):
                return self._bury(string, answer)
            following = self._take(string, *answer)
            if following is None or following.string != string:
                return following
            self._cursor = following

    def _take(self, string: str, page: Page, limit: int) -> Cursor | None:
        """Account for one page; the cursor after it."""
        now_us = int(self._clock.time() * 1e6)
        artists = artist_rows(page.artists, string=string, seen_at_us=now_us)
        step = RangeStep(string=string, cursor=None, requests=self._answered, artists=artists)
        self._answered = []
        paging = self._paging
        metrics.PAGES.labels("next" if paging.offset else "first").inc()
        if paging.take(page, limit=limit) is AfterPage.END:
            step.cursor = self._strings.after(string)
            self._finish(step, now_us)
        else:
            if self._first_at_us is None:
                self._first_at_us = now_us
            step.cursor = Cursor(
                string=string,
                offset=paging.offset,
                total=paging.first_total,
                first_at_us=self._first_at_us,
                pages=paging.pages,
                results=paging.results,
            )
        self._writer.add(step)
        return step.cursor

    def _finish(self, step: RangeStep, now_us: int) -> None:
        string, paging = step.string, self._paging
        step.search = SearchRow(
            string=string,
            pages=paging.pages,
            total=paging.first_total or 0,
            truncated=paging.truncated,
            results=paging.results,
            finished_at_us=now_us,
        )
        step.covered = self._strings.covered_by(string, truncated=paging.truncated)
        if paging.truncated and self._strings.refinable(string):
            step.child = self._strings.children(string)

    def _bury(self, string: str, dead: Dead) -> Cursor | None:
        after = self._strings.after(string)
        metrics.DEAD_LETTERS.labels(dead.failure_class).inc()
        letter = DeadLetterRow(
            string=string,
            reason=dead.reason,
            attempts=dead.attempts,
            last_error=clean(dead.last_error, _LAST_ERROR_CHARACTERS),
            at_us=int(self._clock.time() * 1e6),
        )
        covered = self._strings.covered_by_giving_up(string)
        self._writer.add(RangeStep(string=string, cursor=after, dead_letter=letter, covered=covered))
        log.error(
            "a string failed for good and is dead-lettered",
            extra=fields(
                "string.dead_lettered",
                string=string,
                reason=dead.reason,
                attempts=dead.attempts,
                error=dead.last_error,
            ),
        )
        return after
