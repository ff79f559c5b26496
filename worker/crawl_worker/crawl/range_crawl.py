"""Crawls one range: page by page, string by string, from its cursor to its end.

The task may be interrupted wherever it only waits, and nowhere else: a request in flight is always finished. It
refuses to decide which range to crawl, and to wait for what `ready` says is not worth waiting for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from crawl_core.clock import Clock
from crawl_core.errors import FenceLostError, UnavailableError
from crawl_core.keyspace import Keyspace
from crawl_core.ledger import ChildRange, Cursor, DeadLetterRow, RangeRow, RequestRow, SearchRow
from crawl_core.logs import fields
from crawl_core.metrics import definitions as metrics
from crawl_worker.client.client import Client, Dead
from crawl_worker.client.outcomes import class_of
from crawl_worker.crawl.leases import HeldLease, LeaseKeeper
from crawl_worker.crawl.paging import STALE_AFTER_S, Paging
from crawl_worker.crawl.paging import Step as Next
from crawl_worker.crawl.steps import Step
from crawl_worker.crawl.writer import Writer
from crawl_worker.sources.source import Page

log = logging.getLogger(__name__)


BEHIND_POLL_S = 0.2
"""Seconds between two looks at a ledger that is out of reach."""


class StoppedError(Exception):
    """This range is not to go on here: the process drains, or the range is somebody else's."""


class RangeCrawl:
    """One task's work on one range; it is the client's Session.

    `ledger_behind` tells whether the process has rows that are too old for spending more.
    """

    def __init__(
        self,
        *,
        row: RangeRow,
        held: HeldLease,
        keeper: LeaseKeeper,
        keyspace: Keyspace,
        client: Client,
        clock: Clock,
        ledger_behind: Callable[[], bool],
    ) -> None:
        self.row = row
        self.held = held
        self.writer: Writer  # set by the owner right after: the writer calls back `give_up`
        self.stopping = False
        self._keeper = keeper
        self._keyspace = keyspace
        self._client = client
        self._clock = clock
        self._ledger_behind = ledger_behind
        self._task: asyncio.Task[None] | None = None
        self._waiting = False
        self._cursor = row.cursor
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
        if self._cursor is None:
            return 1.0
        first, index = self._keyspace.index_of(self.row.first), self._keyspace.index_of(self._cursor.string)
        return (index - first) / (self._keyspace.index_of(self.row.last) - first + 1)

    async def run(self) -> bool:
        """Crawl to the end of the range; False when it was stopped before. Nothing is committed here."""
        self._task = asyncio.current_task()
        try:
            while self._cursor is not None:
                self._cursor = await self._search(self._cursor)
        except StoppedError:
            return False
        except asyncio.CancelledError:
            if not self.stopping or self._task is None:
                raise
            self._task.uncancel()
            return False
        finally:
            self._task = None
        return True

    def stop(self) -> None:
        """Stop as soon as no request is in flight."""
        self.stopping = True
        # A task that finds its own lease lost, when it asks, goes on by itself to where it stops. A cancellation would
        # reach it later, in the middle of its commit, and end its place in the process for good.
        if self._task is not None and self._waiting and self._task is not asyncio.current_task():
            self._waiting = False
            self._task.cancel()

    def give_up(self, string: str) -> tuple[Cursor | None, int]:
        """Where the range goes on after a string that is given up, and how many strings that covers."""
        return self._after(string), self._keyspace.subtree_size(len(string))

    async def ready(self) -> None:
        """The client's question before it asks for a permit."""
        while not self.stopping:
            if self.writer.full:
                await self._flush()
            elif self._ledger_behind():
                # The process's flusher goes on trying; only the spending stops.
                await self._clock.sleep(BEHIND_POLL_S)
            elif self._keeper.good(self.held) or await self._keeper.confirm(self.held):
                return
            else:
                break
        raise StoppedError

    def may_send(self) -> bool:
        """The client's question once it has the permit."""
        return not self.stopping and not self._ledger_behind() and self._keeper.good(self.held)

    def position(self, page_size: int) -> tuple[int, int]:
        """The offset and limit of the next page."""
        if self._first_at_us is not None and self._clock.time() - self._first_at_us / 1e6 > STALE_AFTER_S:
            self._paging.restart()
            self._first_at_us = None
        return self._paging.offset, self._paging.limit(page_size)

    def waiting(self, value: bool) -> None:
        """The client says whether it only waits."""
        self._waiting = value
        if value and self.stopping:
            raise StoppedError

    def sent(self, request: RequestRow, *, retried: bool, rate_limited: bool) -> None:
        """A request was answered, or failed: then it is a step by itself."""
        if not retried and request.string == self.current_string:
            self._answered.append(request)
            return
        self.writer.add(
            Step(
                string=self.current_string or request.string,
                cursor=self._cursor,
                requests=[request],
                retries=int(retried),
                rate_limited=int(rate_limited),
            )
        )

    async def _flush(self) -> None:
        """Commit now; this cannot be interrupted, since it does not wait for permits or people."""
        self._waiting = False
        try:
            await self.writer.flush()
        except FenceLostError:
            self.held.lose()
            raise StoppedError from None
        except UnavailableError:
            # Everything is kept.
            self._waiting = True
            await self._clock.sleep(BEHIND_POLL_S)
        self._waiting = True

    async def _search(self, cursor: Cursor) -> Cursor | None:
        string = cursor.string
        self._paging = Paging(
            cap=self._client.source.cap,
            refinable=self._keyspace.may_descend(string),
            offset=cursor.offset,
            first_total=cursor.total,
            pages=cursor.pages,
            results=cursor.results,
        )
        self._first_at_us = cursor.first_at_us
        while True:
            answer = await self._client.page(string, self)
            if string in self.writer.buried_strings:
                return self._after(string)
            if isinstance(answer, Dead):
                return self._bury(string, answer)
            following = self._take(string, *answer)
            if following is None or following.string != string:
                return following
            self._cursor = following

    def _take(self, string: str, page: Page, limit: int) -> Cursor | None:
        """Account for one page; the cursor after it."""
        now_us = int(self._clock.time() * 1e6)
        step = Step(string=string, cursor=None, requests=self._answered, artists=page.artists)
        self._answered = []
        paging = self._paging
        metrics.PAGES.labels("next" if paging.offset else "first").inc()
        if paging.take(page, limit=limit) is Next.END:
            step.cursor = self._after(string)
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
        self.writer.add(step)
        return step.cursor

    def _finish(self, step: Step, now_us: int) -> None:
        string, paging = step.string, self._paging
        step.search = SearchRow(
            string=string,
            pages=paging.pages,
            total=paging.first_total or 0,
            truncated=paging.truncated,
            results=paging.results,
            finished_at_us=now_us,
        )
        step.covered = self._keyspace.covered_by(string, truncated=paging.truncated)
        if paging.truncated and self._keyspace.may_descend(string):
            children = self._keyspace.children(string)
            step.child = ChildRange(length=children.length, first=children.first, last=children.last)

    def _bury(self, string: str, dead: Dead) -> Cursor | None:
        after, covered = self.give_up(string)
        metrics.DEAD_LETTERS.labels(class_of(dead.reason)).inc()
        letter = DeadLetterRow(
            string=string,
            reason=dead.reason,
            attempts=dead.attempts,
            last_error=dead.last_error[:500],
            at_us=int(self._clock.time() * 1e6),
        )
        self.writer.add(Step(string=string, cursor=after, dead_letter=letter, covered=covered))
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

    def _after(self, string: str) -> Cursor | None:
        following = self._keyspace.successor(string, self.row.last)
        return None if following is None else Cursor(string=following)
