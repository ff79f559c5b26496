"""One crawling process: claims ranges, crawls `concurrency` of them at once, commits, and drains when told.

It refuses to decide whether the job is finished; that is read from the ledger. See `crawl` for one range.
"""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress
from dataclasses import dataclass

from crawl_core.clock import Clock
from crawl_core.errors import FenceLostError, UnavailableError, UnknownJobError
from crawl_core.frontier import Frontier
from crawl_core.keyspace import Keyspace
from crawl_core.ledger import JobRow, Ledger, jobs
from crawl_core.logs import fields
from crawl_worker.client.client import Client
from crawl_worker.client.notes import Notes
from crawl_worker.client.retry import RetryRules
from crawl_worker.crawl.claim import Claimed, Claimer, Nothing
from crawl_worker.crawl.leases import HeldLease, LeaseKeeper
from crawl_worker.crawl.range_crawl import RangeCrawl
from crawl_worker.crawl.writer import FLUSH_AGE_S, LIMIT_AGE_S, Writer
from crawl_worker.process.gauges import Place, WorkerView

log = logging.getLogger(__name__)

FLUSH_TICK_S = 0.25
"""Seconds between two looks for rows that are old enough to be committed."""

SETTINGS_INTERVAL_S = 10.0
"""Seconds between two reads of the job's live settings."""

FLUSH_RETRY_S = 0.5
"""Seconds between two tries to reach a ledger that is out of reach."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a worker is made of."""

    ledger: Ledger
    frontier: Frontier
    client: Client
    notes: Notes
    keyspace: Keyspace
    clock: Clock
    owner: str


class Worker:
    """Runs until told to drain, or (with `exit_when_done`) until the ledger has the job finished."""

    def __init__(self, parts: Parts, job: JobRow, *, exit_when_done: bool, drain_s: float) -> None:
        self._parts = parts
        self._job = job
        self._exit_when_done = exit_when_done
        self._drain_s = drain_s
        self._claimer = Claimer(frontier=parts.frontier, ledger=parts.ledger, owner=parts.owner, clock=parts.clock)
        self._keeper = LeaseKeeper(parts.frontier, parts.clock)
        self._crawls: set[RangeCrawl] = set()
        self._slots: list[_Slot] = []
        self._working: set[_Slot] = set()
        self._group: asyncio.TaskGroup | None = None
        self._flushing: set[RangeCrawl] = set()
        self._failure: Exception | None = None
        self._successes = 0
        self._draining = asyncio.Event()
        self._rng = random.Random()

    async def run(self) -> None:
        """Crawl. Returns after a drain; raises ConfigurationError when a person must act first."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            chores = [
                group.create_task(chore())
                for chore in (self._keeper.run, self._flush_old, self._follow_job, self._parts.notes.run)
            ]
            self._resize()
            await self._draining.wait()
            # A place that ended in a way of its own must not keep the others from committing; `_work` kept the reason.
            places = (slot.task for slot in self._working if slot.task is not None)
            await asyncio.gather(*places, return_exceptions=True)
            with suppress(UnavailableError):
                await self._parts.notes.write()
            for chore in chores:
                chore.cancel()
        if self._failure is not None:
            raise self._failure

    def drain(self) -> None:
        """Finish what is in flight, commit it, give the ranges back, and return from `run`."""
        if self._draining.is_set():
            return
        log.info("draining", extra=fields("worker.draining", ranges=len(self._crawls)))
        self._draining.set()
        self._resize()

    def view(self) -> WorkerView:
        """What it is doing, for metrics."""
        client = self._parts.client
        return WorkerView(
            draining=self._draining.is_set(),
            places=[_place(slot.crawl) for slot in self._slots],
            in_flight=client.in_flight,
            arrivals=client.arrivals,
            outage=client.outage.lasts,
            behind=self._is_behind(),
            uncommitted_age_s=max((crawl.writer.age_s for crawl in self._crawls), default=0.0),
            limiter=client.limiter_state(),
        )

    @property
    def _concurrency(self) -> int:
        return self._job.crawl_job.spec.workers.concurrency

    def _resize(self) -> None:
        """Have as many places as the job's concurrency says, or none when draining."""
        wanted = 0 if self._draining.is_set() else self._concurrency
        for slot in self._slots[wanted:]:
            slot.retire()
        del self._slots[wanted:]
        while self._group is not None and len(self._slots) < wanted:
            slot = _Slot()
            self._slots.append(slot)
            self._working.add(slot)
            slot.task = self._group.create_task(self._work(slot))

    async def _work(self, slot: _Slot) -> None:
        """Work until retired. What nobody foresaw ends the process, but the other ranges' work is committed first."""
        try:
            await self._work_on(slot)
        except Exception as error:
            self._fail(error)
        except asyncio.CancelledError:
            # A task group takes no notice of a child that cancels itself: the place would be gone in silence.
            if not slot.retired:
                self._fail(RuntimeError("a crawling task was cancelled by nobody who may"))
            raise
        finally:
            self._working.discard(slot)

    def _fail(self, error: Exception) -> None:
        self._failure = self._failure or error
        self.drain()

    async def _work_on(self, slot: _Slot) -> None:
        while not slot.retired:
            claimed = await self._claimer.claim()
            if isinstance(claimed, Nothing):
                # Jitter, so that the processes of a job do not ask in step.
                await slot.rest(claimed.wait_s * self._rng.uniform(0.75, 1.25), self._parts.clock)
            elif slot.retired:
                await self._claimer.give_back(claimed.lease, done=False)
            else:
                await self._crawl(claimed, slot)

    async def _crawl(self, claimed: Claimed, slot: _Slot) -> None:
        crawl = self._range_crawl(claimed)
        self._crawls.add(crawl)
        self._keeper.hold(crawl.held)
        slot.crawl = crawl
        try:
            done = await crawl.run()
            committed = await self._commit_rest(crawl)
        finally:
            slot.crawl = None
            self._keeper.drop(crawl.held)
            self._crawls.discard(crawl)
        if not crawl.held.lost:
            await self._claimer.give_back(claimed.lease, done=done and committed)

    def _range_crawl(self, claimed: Claimed) -> RangeCrawl:
        parts = self._parts
        held = HeldLease(claimed.lease, good_until_s=claimed.good_until_s, on_lost=lambda: crawl.stop())
        crawl = RangeCrawl(
            row=claimed.row,
            held=held,
            keeper=self._keeper,
            keyspace=parts.keyspace,
            client=parts.client,
            clock=parts.clock,
            ledger_behind=self._is_behind,
        )

        async def push(children: list[int]) -> None:
            try:
                await parts.frontier.seed(children, epoch=claimed.lease.epoch)
            except (UnavailableError, UnknownJobError) as error:
                # They are in the ledger as open ranges; the next seeding finds them.
                log.warning("children not pushed", extra=fields("children.not_pushed", error=str(error)))

        crawl.writer = Writer(
            ledger=parts.ledger,
            row=claimed.row,
            owner=parts.owner,
            clock=parts.clock,
            on_children=push,
            give_up=crawl.give_up,
        )
        return crawl

    async def _commit_rest(self, crawl: RangeCrawl) -> bool:
        """Commit what a range has left, waiting for the ledger as long as it takes, or as long as a drain may take."""
        deadline_s: float | None = None
        while True:
            try:
                await crawl.writer.flush()
            except FenceLostError as error:
                self._note_fence_lost(crawl, error)
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

    async def _flush_old(self) -> None:
        """Commit rows that are old enough. A range whose commit hangs keeps no other from committing."""
        while True:
            await self._parts.clock.sleep(FLUSH_TICK_S)
            for crawl in self._crawls - self._flushing:
                # A tick early rather than late: FLUSH_AGE_S is a promise.
                if crawl.writer.age_s >= FLUSH_AGE_S - FLUSH_TICK_S and self._group is not None:
                    self._flushing.add(crawl)
                    self._group.create_task(self._flush(crawl))

    async def _flush(self, crawl: RangeCrawl) -> None:
        try:
            await crawl.writer.flush()
        except FenceLostError as error:
            self._note_fence_lost(crawl, error)
        except UnavailableError as error:
            log.warning("commit failed", extra=fields("batch.failed", range=crawl.row.id, error=str(error)))
        finally:
            self._flushing.discard(crawl)

    def _is_behind(self) -> bool:
        return any(crawl.writer.age_s > LIMIT_AGE_S for crawl in self._crawls)

    def _note_fence_lost(self, crawl: RangeCrawl, error: FenceLostError) -> None:
        log.warning("range lost to its fence", extra=fields("range.fence_lost", range=crawl.row.id, error=str(error)))
        crawl.held.lose()

    async def _follow_job(self) -> None:
        """Follow the job's live settings, its end, and its removal."""
        while True:
            try:
                job = await jobs.get(self._parts.ledger, self._job.id)
            except UnavailableError as error:
                log.warning("job not read", extra=fields("job.not_read", error=str(error)))
            else:
                self._follow(job)
            await self._parts.clock.sleep(SETTINGS_INTERVAL_S if not self._exit_when_done else 1.0)

    def _follow(self, job: JobRow | None) -> None:
        if job is None or job.deleted_at is not None or job.uid != self._parts.frontier.uid:
            log.warning("the job is gone or is another one now", extra=fields("job.gone"))
            self.drain()
            return
        if job.finished_at is not None and self._exit_when_done:
            self.drain()
        self._clear_what_passed(job)
        self._job = job
        settings = self._parts.client.settings
        settings.retry = retry_rules(job)
        if job.page_size is not None:
            settings.page_size = min(settings.page_size, job.page_size)
        self._resize()

    def _clear_what_passed(self, job: JobRow) -> None:
        """A noted problem that stood at the last look already, and requests succeeded since: it is over."""
        outage = self._parts.client.outage
        stood = job.problem_reason is not None and job.problem_reason == self._job.problem_reason
        if stood and outage.successes > self._successes and not outage.lasts:
            self._parts.notes.solved()
        self._successes = outage.successes


@dataclass(eq=False, slots=True)
class _Slot:
    """One of the `concurrency` places; retired when the process drains or concurrency falls."""

    task: asyncio.Task[None] | None = None
    crawl: RangeCrawl | None = None
    retired: bool = False
    resting: bool = False

    def retire(self) -> None:
        """End this place's work as soon as no request is in flight."""
        self.retired = True
        if self.crawl is not None:
            self.crawl.stop()
        elif self.resting and self.task is not None:
            self.task.cancel()

    async def rest(self, seconds: float, clock: Clock) -> None:
        """Sleep, unless retired meanwhile."""
        self.resting = True
        try:
            await clock.sleep(seconds)
        except asyncio.CancelledError:
            if not self.retired or self.task is None:
                raise
            self.task.uncancel()
        finally:
            self.resting = False


def _place(crawl: RangeCrawl | None) -> Place:
    return Place() if crawl is None else Place(crawl.row.id, crawl.share_done)


def retry_rules(job: JobRow) -> RetryRules:
    """`retry` of the job, in seconds."""
    retry = job.crawl_job.spec.retry
    return RetryRules(
        max_attempts=retry.max_attempts,
        initial_backoff_s=retry.initial_backoff.seconds,
        max_backoff_s=retry.max_backoff.seconds,
    )
