"""One crawling process: claims ranges, crawls `concurrency` of them at once, commits, and drains when told.

Whether the job is finished is read from the ledger, never concluded from a frontier that has nothing to claim: other
processes may hold the last ranges, and a Redis that forgot everything looks the same.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from crawl_core.clock import Clock
from crawl_core.errors import FenceLostError, UnavailableError, UnknownJobError
from crawl_core.frontier.frontier import Frontier
from crawl_core.job import reasons
from crawl_core.keyspace import Keyspace
from crawl_core.ledger import jobs
from crawl_core.ledger.ledger import Ledger
from crawl_core.logs import fields
from crawl_core.tasks import cancel
from crawl_core.values.jobs import JobRow
from crawl_worker.client.client import Client
from crawl_worker.client.job_notes import JobNotes
from crawl_worker.crawl.claim import Claimed, Claimer, Nothing
from crawl_worker.crawl.flusher import Flusher, note_fence_lost
from crawl_worker.crawl.leases import HeldLease, LeaseKeeper
from crawl_worker.crawl.live_settings import follow
from crawl_worker.crawl.places import CrawlPlace, RangeWork
from crawl_worker.crawl.range_crawl import RangeCrawl
from crawl_worker.crawl.range_strings import RangeStrings
from crawl_worker.crawl.stopping import StopSwitch
from crawl_worker.crawl.view import WorkerView
from crawl_worker.crawl.writer import RangeWriter

log = logging.getLogger(__name__)

SETTINGS_INTERVAL_S = 10.0
"""Seconds between two reads of the job's live settings."""

FINISHED_INTERVAL_S = 1.0
"""The same, where the process is to end with the job."""

OUTAGE_TICK_S = 1.0
"""Seconds between two looks for an outage that people are to be told of."""

FLUSH_RETRY_S = 0.5
"""Seconds between two tries to reach a ledger that is out of reach."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a worker is made of."""

    ledger: Ledger
    frontier: Frontier
    client: Client
    notes: JobNotes
    keyspace: Keyspace
    clock: Clock
    owner: str
    bring_limits: Callable[[], Awaitable[None]]
    """Returns when the job's bucket has the limits that count now."""


class Worker:
    """Runs until told to drain, or (with `exit_when_done`) until the ledger has the job finished."""

    def __init__(self, parts: Parts, job: JobRow, *, exit_when_done: bool, drain_s: float) -> None:
        self._parts = parts
        self._job = job
        self._exit_when_done = exit_when_done
        self._drain_s = drain_s
        self._claimer = Claimer(
            frontier=parts.frontier,
            ledger=parts.ledger,
            owner=parts.owner,
            clock=parts.clock,
            bring_limits=parts.bring_limits,
        )
        self._keeper = LeaseKeeper(parts.frontier, parts.clock)
        self._flusher = Flusher(parts.clock)
        self._places: list[CrawlPlace] = []
        self._working: set[CrawlPlace] = set()
        self._group: asyncio.TaskGroup | None = None
        self._failure: Exception | None = None
        self._successes = 0
        self._draining = asyncio.Event()
        self._rng = random.Random()

    async def run(self) -> None:
        """Crawl. Returns after a drain; raises ConfigurationError when a person must act first."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            chores = [
                group.create_task(chore)
                for chore in (
                    self._keeper.run(),
                    self._flusher.run(group),
                    self._follow_job(),
                    self._tell_outages(),
                    self._parts.notes.run(),
                )
            ]
            self._resize()
            await self._draining.wait()
            # A place that ended in a way of its own must not keep the others from committing; `_work` kept the reason.
            working = (place.task for place in self._working if place.task is not None)
            await asyncio.gather(*working, return_exceptions=True)
            with suppress(UnavailableError):
                await self._parts.notes.write()
            await cancel(*chores)
        if self._failure is not None:
            raise self._failure

    def drain(self) -> None:
        """Finish what is in flight, commit it, give the ranges back, and return from `run`."""
        if self._draining.is_set():
            return
        log.info("draining", extra=fields("worker.draining", ranges=self._flusher.ranges))
        self._draining.set()
        self._resize()

    def view(self) -> WorkerView:
        """What it is doing, for metrics."""
        client = self._parts.client
        return WorkerView(
            draining=self._draining.is_set(),
            places=[place.view() for place in self._places],
            in_flight=client.sender.in_flight,
            arrivals=client.sender.arrivals,
            outage=client.outage.lasts,
            outage_age_s=client.outage.age_s,
            behind=self._flusher.behind,
            uncommitted_age_s=self._flusher.age_s,
            limiter=client.limiter_state(),
        )

    @property
    def _concurrency(self) -> int:
        return self._job.crawl_job.spec.workers.concurrency

    def _resize(self) -> None:
        """Have as many places as the job's concurrency says, or none when draining."""
        wanted = 0 if self._draining.is_set() else self._concurrency
        for place in self._places[wanted:]:
            place.retire()
        del self._places[wanted:]
        while self._group is not None and len(self._places) < wanted:
            place = CrawlPlace()
            self._places.append(place)
            self._working.add(place)
            place.task = self._group.create_task(self._work(place))

    async def _work(self, place: CrawlPlace) -> None:
        """Work until retired. What nobody foresaw ends the process, but the other ranges' work is committed first."""
        try:
            await self._work_on(place)
        except Exception as error:
            self._fail(error)
        except asyncio.CancelledError:
            # A task group takes no notice of a child that cancels itself: the place would be gone in silence.
            if not place.retired:
                self._fail(RuntimeError("a crawling task was cancelled by nobody who may"))
            raise
        finally:
            self._working.discard(place)

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error
        self.drain()

    async def _work_on(self, place: CrawlPlace) -> None:
        while not place.retired:
            claimed = await self._claimer.claim()
            if isinstance(claimed, Nothing):
                # Jitter, so that the processes of a job do not ask in step.
                await place.rest(claimed.wait_s * self._rng.uniform(0.75, 1.25), self._parts.clock)
            elif place.retired:
                await self._claimer.give_back(claimed.lease, done=False)
            else:
                await self._crawl(claimed, place)

    async def _crawl(self, claimed: Claimed, place: CrawlPlace) -> None:
        work = self._work_of(claimed)
        self._flusher.add(work.writer, work.held)
        self._keeper.hold(work.held)
        place.work = work
        try:
            at_end = await work.crawl.run()
            committed = await self._commit_rest(work)
        finally:
            place.work = None
            self._keeper.drop(work.held)
            self._flusher.discard(work.writer)
        if not work.held.lost:
            await self._claimer.give_back(claimed.lease, done=at_end and committed)

    def _work_of(self, claimed: Claimed) -> RangeWork:
        """Put together what one range needs. Each part knows those before it, and none of those after."""
        parts = self._parts
        held = HeldLease(claimed.lease, good_until_s=claimed.good_until_s, switch=StopSwitch())
        strings = RangeStrings(parts.keyspace, claimed.row)
        writer = RangeWriter(
            ledger=parts.ledger,
            row=claimed.row,
            owner=parts.owner,
            strings=strings,
            clock=parts.clock,
            on_children=partial(self._push_children, epoch=claimed.lease.epoch),
        )
        crawl = RangeCrawl(
            cursor=claimed.row.cursor,
            strings=strings,
            held=held,
            keeper=self._keeper,
            writer=writer,
            client=parts.client,
            clock=parts.clock,
            ledger_behind=lambda: self._flusher.behind,
        )
        return RangeWork(claimed.row, held, writer, crawl)

    async def _push_children(self, range_ids: list[int], *, epoch: str) -> None:
        try:
            await self._parts.frontier.seed(range_ids, epoch=epoch)
        except (UnavailableError, UnknownJobError) as error:
            # They are in the ledger as open ranges; the next seeding finds them.
            log.warning("children not pushed", extra=fields("children.not_pushed", error=str(error)))

    async def _commit_rest(self, work: RangeWork) -> bool:
        """Commit what a range has left, waiting for the ledger as long as it takes, or as long as a drain may take."""
        deadline_s: float | None = None
        while True:
            try:
                await work.writer.flush()
            except FenceLostError as error:
                note_fence_lost(work.held, error)
                return False
            except UnavailableError as error:
                now_s = self._parts.clock.monotonic()
                if self._draining.is_set():
                    deadline_s = deadline_s or now_s + self._drain_s
                if deadline_s is not None and now_s > deadline_s:
                    log.error("left without a commit", extra=fields("worker.uncommitted", error=str(error)))
                    return False
                await self._parts.clock.sleep(FLUSH_RETRY_S)
            else:
                return True

    async def _tell_outages(self) -> None:
        while True:
            self._parts.client.tell_outage()
            await self._parts.clock.sleep(OUTAGE_TICK_S)

    async def _follow_job(self) -> None:
        """Follow the job's live settings, its end, and its removal."""
        while True:
            written = self._parts.notes.page_sizes_written
            try:
                job = await jobs.get(self._parts.ledger, self._job.id)
                self._follow(
                    job, knows_page_size=written is not None and written == self._parts.notes.page_sizes_written
                )
                await self._try_larger_page()
            except UnavailableError as error:
                log.warning("job not read", extra=fields("job.not_read", error=str(error)))
            await self._parts.clock.sleep(FINISHED_INTERVAL_S if self._exit_when_done else SETTINGS_INTERVAL_S)

    async def _try_larger_page(self) -> None:
        """Where pages are smaller than the job asks for: be the one of all processes that tries a larger one today."""
        client = self._parts.client
        wanted = client.settings.wanted_page_size
        if client.settings.page_size >= wanted or client.outage.lasts or not self._flusher.ranges:
            return
        if await jobs.claim_page_size_try(self._parts.ledger, self._job.id, wanted=wanted):
            client.try_larger_page()

    def _follow(self, job: JobRow | None, *, knows_page_size: bool) -> None:
        if job is None or job.deleted_at is not None or job.uid != self._parts.frontier.uid:
            log.warning("the job is gone or is another one now", extra=fields("job.gone"))
            self.drain()
            return
        if job.finished_at is not None and self._exit_when_done:
            self.drain()
        self._clear_what_passed(job)
        self._job = job
        follow(self._parts.client.settings, job, knows_page_size=knows_page_size)
        self._resize()

    def _clear_what_passed(self, job: JobRow) -> None:
        """A noted problem that stood at the last look already, and requests succeeded since: it is over."""
        outage = self._parts.client.outage
        stood = job.problem_reason is not None and job.problem_reason == self._job.problem_reason
        # That fields cannot be read is noted of pages that come: it is over when they can be again.
        watched = job.problem_reason == reasons.FIELDS_UNREADABLE and not self._parts.client.field_watch.readable
        if stood and outage.successes > self._successes and not outage.lasts and not watched:
            self._parts.notes.solved()
        self._successes = outage.successes
