"""One local run from its first worker to its last commit: starts, watches, mends, drains.

The crawling itself is the workers'. The run ends when no worker can commit any more.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, suppress
from dataclasses import replace

from crawl_core.clock import SYSTEM_CLOCK, Clock
from crawl_core.errors import ArtistcrawlError, ConfigurationError, UnavailableError, UnknownJobError
from crawl_core.job import deadline, lifecycle
from crawl_core.job.schedule import RESEED_INTERVAL_S
from crawl_core.job.snapshot import ShownState
from crawl_core.ledger import jobs, requests, runs
from crawl_core.serving.loopback import at, loopback
from crawl_core.serving.metrics import serving_metrics
from crawl_core.spec import CrawlJob
from crawl_worker.crew.crew import Crew
from crawl_worker.crew.mending import Mender
from crawl_worker.crew.sandbox import SandboxProcess
from crawl_worker.crew.worker_command import worker_command, worker_environment
from crawl_worker.data.data_folder import DataFolder
from crawl_worker.local import next_runs
from crawl_worker.local.interrupts import Interrupts, StartInterrupted
from crawl_worker.local.judgement import WorkerCount
from crawl_worker.local.metrics import LocalMetrics, figures_of, without_counts
from crawl_worker.local.monitor import JobMonitor
from crawl_worker.local.opened import NODE, Options, open_all
from crawl_worker.local.outcome import Outcome
from crawl_worker.local.plan import process_count
from crawl_worker.local.view import View
from crawl_worker.local.waits import Waits

_TICK_S = 0.2
_STARTING_TICK_S = 0.02
_DRAINING_TICK_S = 0.05
_LOOK_INTERVAL_S = 1.0
_UPKEEP_INTERVAL_S = 5.0

_LAST_SCRAPE_S = 20.0
"""Seconds that a run which was scraped waits at its end for one more: Prometheus commonly comes every 15 s."""

_RELEASE_S = 5.0
"""Seconds for the ledger to hear that the job's limits bind nobody any more. Where it does not, they bind on."""

_DEADLINE = "its deadline has passed, and spec.deadlinePolicy is Suspend"

_DRAIN_MARGIN_S = 15.0
"""Seconds beyond the request timeout that a worker gets to commit and give back its range, as a pod does."""


class LocalCrawl:
    """One run of one job on this machine."""

    def __init__(
        self,
        job: CrawlJob,
        options: Options,
        *,
        folder: DataFolder,
        view: View,
        interrupts: Interrupts,
        waits: Waits,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._job = job
        self._options = options
        self._folder = folder
        self._view = view
        self._interrupts = interrupts
        self._waits = waits
        self._clock = clock
        self._monitor = JobMonitor(job, event=view.event, clock=clock)
        self._mender = Mender(folder, options.urls, event=view.event)
        self._metrics = LocalMetrics()
        self._started_s = clock.monotonic()
        self._next_upkeep_s = self._next_forced_s = 0.0

    async def run(self) -> Outcome:
        """Crawl until the job is done, the user interrupts, or nobody but a person can go on."""
        self._interrupts.listen()
        try:
            async with AsyncExitStack() as stack:
                await self._serve_metrics(stack)
                return await self._outcome(stack)
        finally:
            self._interrupts.end()

    async def _start(self, stack: AsyncExitStack) -> None:
        self._opened = await open_all(
            stack, self._job, self._options, folder=self._folder, event=self._view.event, waits=self._waits
        )
        # Before ledger and Redis are closed, and after the workers have ended, however the run ends.
        stack.push_async_callback(self._release)
        await self._monitor.renew(self._opened, workers=WorkerCount())

    async def _release(self) -> None:
        """Nobody sends any more: what else is crawled on the bucket need not keep to this job's limits."""
        opened, alone = self._opened, not self._options.urls.redis
        with suppress(ArtistcrawlError, TimeoutError):
            async with asyncio.timeout(_RELEASE_S):
                await lifecycle.release(opened.ledger, opened.frontier, opened.row, alone=alone)

    async def _serve_metrics(self, stack: AsyncExitStack) -> None:
        address = self._options.metrics
        # In a thread, since it waits for what the workers answer.
        serving = serving_metrics(address.port, self._metrics.scrape, host=address.host, in_thread=True)
        port = await stack.enter_async_context(serving)
        if port is not None:
            self._view.event(f"metrics are served at http://{at(address.host or loopback(), port)}/metrics")

    def _ended(self, state: ShownState, *, message: str = "", finished_before: bool = False) -> Outcome:
        return Outcome(state, self._monitor.snapshot, message, finished_before)

    async def _outcome(self, stack: AsyncExitStack) -> Outcome:
        try:
            await self._interrupts.cut_short(self._start(stack))
            if await self._finished():
                await self._compare()
                return self._ended("Succeeded", finished_before=True)
            if self._job.spec.suspend:
                return self._ended("Suspended")
            if self._is_past_deadline():
                return self._ended("Suspended", message=_DEADLINE)
            await self._interrupts.cut_short(self._start_sandbox(stack))
        except StartInterrupted:
            return self._ended("Interrupted", message=f"it was waiting for {self._waits.now}")
        while True:
            await self._upkeep(at_once=True)
            crew = self._crew(stack)
            state = await self._crawl(crew)
            if state == "Succeeded":
                await self._compare()
                if await self._next_began():
                    continue
                await self._be_scraped(crew)
            return self._ended(state, message=_DEADLINE if state == "Suspended" else crew.refusal)

    async def _compare(self) -> None:
        """Count how the run that has ended differs from the one before; a later run does it where this one cannot."""
        ledger, job_id = self._opened.ledger, self._opened.row.id

        async def compare() -> None:
            while await runs.compare(ledger, job_id):
                pass
            for run in await runs.latest(ledger, job_id, limit=1):
                self._monitor.note_end(run)

        waiting = self._waits.on("the artists of this run and of the one before to be compared")
        with suppress(UnavailableError, StartInterrupted), waiting:
            await self._interrupts.cut_short(compare())

    async def _next_began(self) -> bool:
        """Whether spec.run wants another run after this one, and it has begun."""
        row, before = self._opened.row, self._opened.row.run
        if not self._interrupts.count:
            with suppress(UnavailableError):
                row = await next_runs.begun(self._opened.ledger, row, again=False, event=self._view.event)
        if row.run == before:
            return False
        self._opened = replace(self._opened, row=row)
        self._monitor = JobMonitor(self._job, event=self._view.event, clock=self._clock)
        return True

    async def _start_sandbox(self, stack: AsyncExitStack) -> None:
        source = self._job.spec.source
        if source.type != "Sandbox" or source.base_url is not None:
            return
        sandbox = SandboxProcess(
            self._job,
            catalogue=self._options.catalogue,
            folder=self._folder.path,
            logs=self._folder.logs,
            event=self._view.event,
        )
        stack.callback(sandbox.stop)
        with self._waits.on(sandbox.waited_for):
            while not sandbox.tick(self._clock.monotonic()):
                await self._clock.sleep(_STARTING_TICK_S)
        self._mender.sandbox = sandbox
        self._view.event(f"a sandbox stands in for the Spotify Web API at {sandbox.url}")

    def _crew(self, stack: AsyncExitStack) -> Crew:
        sandbox = self._mender.sandbox
        command = worker_command(
            self._monitor.snapshot.job,
            node=NODE,
            sandbox_url=None if sandbox is None else sandbox.url,
            serves_metrics=self._options.metrics.port is not None,
        )
        crew = Crew(
            command,
            size=process_count(self._job.spec, cpus=os.cpu_count() or 1, asked=self._options.processes),
            logs=self._folder.logs,
            environment=worker_environment(self._opened.urls, self._opened.credentials),
            event=self._view.event,
        )
        stack.callback(crew.kill)
        self._metrics.worker_ports = lambda: crew.metrics_ports
        return crew

    async def _crawl(self, crew: Crew) -> ShownState:
        """Watch and mend until there is a reason to stop; then drain."""
        state: ShownState | None = None
        next_look_s = 0.0
        while state is None:
            now_s = self._clock.monotonic()
            if crew.tick(now_s):
                self._mender.remember(crew.ids)
            if now_s >= next_look_s:
                state = await self._look_and_mend(crew)
                next_look_s = self._clock.monotonic() + _LOOK_INTERVAL_S
            if crew.refusal:
                state = "Stalled"
            elif self._interrupts.count and state is None:
                state = "Interrupted"
            if state is None:
                self._show(crew, self._monitor.judgement.state)
                await self._interrupts.wait(_TICK_S)
        await self._drain(crew, state)
        if state in ("Interrupted", "Suspended") and self._monitor.snapshot.progress >= 1:
            # The last commits came while draining.
            with suppress(UnavailableError):
                return "Succeeded" if await self._finished() else state
        return state

    async def _look_and_mend(self, crew: Crew) -> ShownState | None:
        """One round. Whatever does not answer is told, and tried again in the next one."""
        self._monitor.begin()
        try:
            await self._interrupts.cut_short(self._mender.mend())
            look = await self._monitor.renew(self._opened, workers=_workers(crew))
            # The ledger alone decides that all is done, and does so without Redis.
            if self._monitor.snapshot.progress >= 1 and await self._finished():
                return "Succeeded"
            if self._is_past_deadline():
                return "Suspended"
            if look.redis_error is not None:
                raise look.redis_error
            await self._upkeep()
        except StartInterrupted:
            return "Interrupted"
        except (UnavailableError, UnknownJobError) as error:
            self._monitor.note_out_of_reach(error)
        except ConfigurationError as error:
            crew.refusal = str(error)
        self._measure(crew)
        return None

    def _measure(self, crew: Crew) -> None:
        """What the next scrape is told of the job."""
        look, judgement = self._monitor.look, self._monitor.judgement
        if look is not None:
            workers = _workers(crew)
            self._metrics.figures = figures_of(look, judgement, workers=workers, bucket=self._opened.bucket)
        else:
            now_s = self._clock.time()
            self._metrics.figures = without_counts(self._metrics.figures, judgement, now_s=now_s)

    async def _be_scraped(self, crew: Crew) -> None:
        """Let whoever scrapes see the end, or the boards would say for ever that it crawls."""
        if not self._metrics.scrapes:
            return
        # The drain's look saw that it is finished, unless something was out of reach by then. It is all the same.
        if self._monitor.look is not None:
            self._measure(crew)
        self._metrics.finish()
        before, deadline_s = self._metrics.scrapes, self._clock.monotonic() + _LAST_SCRAPE_S
        self._view.event(
            f"waiting for the last scrape of the metrics, {_LAST_SCRAPE_S:.0f} s at most (Ctrl-C ends at once)"
        )
        while self._metrics.scrapes == before and self._clock.monotonic() < deadline_s and not self._interrupts.count:
            await self._interrupts.wait(_TICK_S)

    def _is_past_deadline(self) -> bool:
        look = self._monitor.look
        if look is None:
            return False
        started_at, is_covered = look.row.started_at, look.progress.is_covered
        return deadline.passed(self._job.spec, started_at=started_at, now=look.now, is_covered=is_covered)

    async def _finished(self) -> bool:
        """Whether the job is done; another run or an operator on the same ledger may have found so first."""
        if await lifecycle.settle(self._opened.ledger, self._opened.row):
            return True
        row = await jobs.get(self._opened.ledger, self._opened.row.id)
        return row is not None and row.finished_at is not None

    async def _upkeep(self, *, at_once: bool = False) -> None:
        """Every few seconds: ranges that the frontier lacks, and the request log's bounds."""
        now_s = self._clock.monotonic()
        if at_once:
            self._next_upkeep_s = self._next_forced_s = now_s
        if now_s < self._next_upkeep_s:
            return
        self._next_upkeep_s = now_s + _UPKEEP_INTERVAL_S
        force = now_s >= self._next_forced_s
        await lifecycle.reseed(self._opened.ledger, self._opened.frontier, self._opened.row, force=force)
        if force:
            self._next_forced_s = now_s + RESEED_INTERVAL_S
        await requests.trim(self._opened.ledger)

    def _show(self, crew: Crew, state: ShownState) -> None:
        elapsed_s = self._clock.monotonic() - self._started_s
        self._view.update(
            self._monitor.show(state, elapsed_s=elapsed_s, workers=_workers(crew), last_error=crew.last_error)
        )

    async def _drain(self, crew: Crew, state: ShownState) -> None:
        """Let the workers finish their requests in flight and commit; end them where they cannot, or on a second ^C."""
        if state == "Suspended":
            self._view.event(f"{_DEADLINE}: requests in flight are finished and committed")
        if state == "Interrupted":
            self._view.event("draining: requests in flight are finished and committed (Ctrl-C again ends at once)")
        crew.drain()
        deadline_s = self._clock.monotonic() + self._job.spec.source.request_timeout.seconds + _DRAIN_MARGIN_S
        while crew.alive and self._clock.monotonic() < deadline_s and self._interrupts.count < 2:
            crew.tick(self._clock.monotonic())
            self._show(crew, "Draining" if state != "Succeeded" else state)
            await self._clock.sleep(_DRAINING_TICK_S)
        if crew.alive:
            crew.kill()
        self._monitor.begin()
        with suppress(ArtistcrawlError):
            await self._monitor.renew(self._opened, workers=_workers(crew))
        self._show(crew, state)


def _workers(crew: Crew) -> WorkerCount:
    return WorkerCount(desired=crew.desired, alive=crew.alive)
