"""One local run from its first worker to its last commit: starts, watches, mends, drains.

The crawling itself is the workers', what a job is stands in crawl_core.job.lifecycle. It refuses to end while a worker
may still commit.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace

import psycopg

from crawl_core.errors import (
    ArtistcrawlError,
    ConfigurationError,
    LedgerUnavailableError,
    RedisUnavailableError,
    UnavailableError,
    UnknownJobError,
)
from crawl_core.job import lifecycle
from crawl_core.job.schedule import RESEED_INTERVAL_S
from crawl_core.job.snapshot import Snapshot, State
from crawl_core.ledger import jobs, requests
from crawl_core.serving.address import LOOPBACK
from crawl_core.serving.metrics import serving_metrics
from crawl_core.spec import CrawlJob
from crawl_worker.data.backends import POSTGRES_VARIABLE, REDIS_VARIABLE
from crawl_worker.data.data_folder import DataFolder
from crawl_worker.embedded import EmbeddedPostgres, EmbeddedValkey
from crawl_worker.local.crew import Crew
from crawl_worker.local.metrics import LocalMetrics, figures_of, without_backends
from crawl_worker.local.observer import Observer
from crawl_worker.local.opened import NODE, Opened, Options, open_all
from crawl_worker.local.plan import process_count
from crawl_worker.local.sandbox import SandboxProcess
from crawl_worker.local.view import View
from crawl_worker.machine.processes import own_command

_TICK_S = 0.2
_LOOK_INTERVAL_S = 1.0
_UPKEEP_INTERVAL_S = 5.0

_LAST_SCRAPE_S = 20.0
"""Seconds that a run which was scraped waits at its end for one more: Prometheus commonly comes every 15 s."""

_DRAIN_MARGIN_S = 15.0
"""Seconds beyond the request timeout that a worker gets to commit and give back its range, as a pod does."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. `message` says why where it stalled."""

    state: State
    snapshot: Snapshot
    message: str = ""
    finished_before: bool = False


class Interrupts:
    """Ctrl-C, SIGTERM and a closed terminal: the first drains, the second ends everything now.

    Under nohup the terminal may close: what is ignored stays ignored.
    """

    def __init__(self) -> None:
        self.count = 0
        self._event = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                asyncio.get_running_loop().add_signal_handler(number, self._note)

    def _note(self) -> None:
        self.count += 1
        self._event.set()

    async def wait(self, timeout_s: float) -> None:
        """Return on the first interrupt, or after a while."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), timeout_s)


class LocalCrawl:
    """One run of one job on this machine."""

    def __init__(self, job: CrawlJob, options: Options, *, folder: DataFolder, view: View) -> None:
        self._job = job
        self._options = options
        self._folder = folder
        self._view = view
        self._observer = Observer(job, event=view.event)
        self._started_s = time.monotonic()
        self._sandbox: SandboxProcess | None = None
        self._metrics = LocalMetrics()
        self._next_upkeep_s = self._next_forced_s = 0.0

    async def run(self) -> Outcome:
        """Crawl until the job is done, the user interrupts, or nobody but a person can go on."""
        self._interrupts = Interrupts()
        try:
            async with AsyncExitStack() as stack:
                await self._serve_metrics(stack)
                self._opened = await open_all(
                    stack, self._job, self._options, folder=self._folder, event=self._view.event
                )
                return await self._outcome(stack)
        except ConfigurationError:
            # Ctrl-C in a terminal also ends a PostgreSQL that is being set up.
            if self._interrupts.count:
                return self._ended("Interrupted")
            raise

    async def _serve_metrics(self, stack: AsyncExitStack) -> None:
        address = self._options.metrics
        # In a thread, since it waits for what the workers answer.
        serving = serving_metrics(address.port, self._metrics.scrape, host=address.host, in_thread=True)
        port = await stack.enter_async_context(serving)
        if port is not None:
            self._view.event(f"metrics are served at http://{address.host or LOOPBACK}:{port}/metrics")

    def _ended(self, state: State, *, message: str = "", finished_before: bool = False) -> Outcome:
        return Outcome(state, self._observer.snapshot, message, finished_before)

    async def _outcome(self, stack: AsyncExitStack) -> Outcome:
        await self._observer.look(self._opened)
        if await self._finished():
            return self._ended("Succeeded", finished_before=True)
        if self._job.spec.suspend:
            return self._ended("Suspended")
        await self._start_sandbox(stack)
        if self._interrupts.count:
            return self._ended("Interrupted")
        await self._upkeep()
        crew = self._crew(stack, self._opened)
        state = await self._crawl(crew)
        return self._ended(state, message=crew.refusal)

    async def _start_sandbox(self, stack: AsyncExitStack) -> None:
        source = self._job.spec.source
        if source.type != "Sandbox" or source.base_url is not None:
            return
        sandbox = SandboxProcess(
            self._job, catalogue=self._options.catalogue, folder=self._folder.path, logs=self._folder.logs
        )
        stack.callback(sandbox.stop)
        sandbox.start()
        while not sandbox.ready() and not self._interrupts.count:
            await self._interrupts.wait(0.02)
        self._sandbox = sandbox
        self._view.event(f"a sandbox stands in for the Spotify Web API at {sandbox.url}")

    def _crew(self, stack: AsyncExitStack, opened: Opened) -> Crew:
        arguments = [
            "--job",
            self._observer.snapshot.job,
            "--node",
            NODE,
            "--log-format",
            "json",
            "--once-done",
            "idle",
        ]
        # Said in any case: a variable of the environment would give all of them one port.
        arguments += ["--metrics-port", "-1" if self._options.metrics.port is None else f"{LOOPBACK}:0"]
        if self._sandbox is not None:
            arguments += ["--base-url", self._sandbox.url, "--token-url", f"{self._sandbox.url}/api/token"]
        crew = Crew(
            own_command("worker", *arguments),
            size=process_count(self._job.spec, cpus=os.cpu_count() or 1, asked=self._options.processes),
            logs=self._folder.logs,
            environment={
                POSTGRES_VARIABLE: opened.urls.postgres,
                REDIS_VARIABLE: opened.urls.redis,
                "ARTISTCRAWL_CLIENT_ID": opened.credentials.client_id,
                "ARTISTCRAWL_CLIENT_SECRET": opened.credentials.client_secret,
            },
            event=self._view.event,
        )
        stack.callback(crew.kill)
        self._metrics.worker_ports = lambda: crew.metrics_ports
        return crew

    async def _crawl(self, crew: Crew) -> State:
        """Watch and mend until there is a reason to stop; then drain."""
        state: State | None = None
        next_look_s = 0.0
        while state is None:
            now_s = time.monotonic()
            if crew.tick(now_s):
                self._remember(crew)
            if now_s >= next_look_s:
                state = await self._look_and_mend(crew)
                next_look_s = time.monotonic() + _LOOK_INTERVAL_S
            if crew.refusal:
                state = "Stalled"
            elif self._interrupts.count and state is None:
                state = "Interrupted"
            if state is None:
                self._show(crew, self._observer.state)
                await self._interrupts.wait(_TICK_S)
        await self._drain(crew, state)
        if state == "Interrupted" and self._observer.snapshot.progress >= 1:
            # The last commits came while draining.
            with suppress(UnavailableError):
                return "Succeeded" if await self._finished() else state
        elif state == "Succeeded":
            await self._be_seen()
        return state

    async def _be_seen(self) -> None:
        """Let whoever scrapes see the end, or the boards would say for ever that it crawls."""
        if not self._metrics.scrapes:
            return
        self._metrics.finish()
        # It is finished whatever is out of reach by now, and must not end as if it were not.
        with suppress(ArtistcrawlError):
            await self._measure(finished=True)
        before, deadline_s = self._metrics.scrapes, time.monotonic() + _LAST_SCRAPE_S
        self._view.event(
            f"waiting for the last scrape of the metrics, {_LAST_SCRAPE_S:.0f} s at most (Ctrl-C ends at once)"
        )
        while self._metrics.scrapes == before and time.monotonic() < deadline_s and not self._interrupts.count:
            await self._interrupts.wait(_TICK_S)

    async def _look_and_mend(self, crew: Crew) -> State | None:
        try:
            await self._mend()
            await self._observer.look(self._opened)
            if self._observer.snapshot.progress >= 1 and await self._finished():
                return "Succeeded"
            await self._upkeep()
            await self._measure(finished=False)
        except (UnavailableError, UnknownJobError) as error:
            self._metrics.figures = without_backends(self._metrics.figures, error, now_s=time.time())
            self._observer.snapshot = replace(self._observer.snapshot, notes=(f"{error}; trying again",))
        except ConfigurationError as error:
            crew.refusal = str(error)
        return None

    async def _measure(self, *, finished: bool) -> None:
        """What the next scrape is told of the job. Comes last: what it misses is for the others to mend."""
        progress = self._observer.progress
        if self._options.metrics.port is None or progress is None:
            return
        self._metrics.figures = await figures_of(
            self._opened,
            self._observer.snapshot,
            progress,
            now_s=time.time(),
            problem=self._observer.problem,
            finished=finished,
        )

    async def _finished(self) -> bool:
        """Whether the job is done; somebody else may have found so first."""
        if await lifecycle.settle(self._opened.ledger, self._opened.row):
            return True
        row = await jobs.get(self._opened.ledger, self._opened.row.id)
        return row is not None and row.finished_at is not None

    async def _upkeep(self) -> None:
        """Every few seconds: ranges that the frontier lacks, and the request log's bounds."""
        now_s = time.monotonic()
        if now_s < self._next_upkeep_s:
            return
        self._next_upkeep_s = now_s + _UPKEEP_INTERVAL_S
        force = now_s >= self._next_forced_s
        await lifecycle.reseed(self._opened.ledger, self._opened.frontier, self._opened.row, force=force)
        if force:
            self._next_forced_s = now_s + RESEED_INTERVAL_S
        await requests.rotate(self._opened.ledger)

    async def _mend(self) -> None:
        """Start again what has died, at the same address."""
        given = self._options.urls
        if not given.postgres:
            await self._revive("PostgreSQL", self._folder.postgres)
        if not given.redis:
            await self._revive("Valkey", self._folder.valkey)
        if self._sandbox is not None and not self._sandbox.alive:
            self._view.event("the sandbox has died and is started again")
            self._sandbox.start()

    async def _revive(self, name: str, server: EmbeddedPostgres | EmbeddedValkey) -> None:
        if server.running:
            return
        self._view.event(f"{name} has died and is started again")
        try:
            await asyncio.to_thread(server.start)
        except (ConfigurationError, OSError, psycopg.Error) as error:
            # It started before, so this may pass: a full disk, processes that have not gone yet.
            kind = LedgerUnavailableError if isinstance(server, EmbeddedPostgres) else RedisUnavailableError
            raise kind(str(error).strip().partition("\n")[0]) from error

    def _remember(self, crew: Crew) -> None:
        sandbox = self._sandbox.child if self._sandbox is not None else None
        # A full disk must not end the crawl; the list is only for a run that follows a killed one.
        with suppress(OSError):
            self._folder.remember([*crew.ids, *([sandbox.id] if sandbox is not None else [])])

    def _show(self, crew: Crew, state: State) -> None:
        self._observer.snapshot = replace(
            self._observer.snapshot,
            state=state,
            elapsed_s=time.monotonic() - self._started_s,
            workers_alive=crew.alive,
            workers_desired=crew.desired,
            last_error=crew.last_error,
        )
        self._view.update(self._observer.snapshot)

    async def _drain(self, crew: Crew, state: State) -> None:
        """Let the workers finish their requests in flight and commit; end them where they cannot, or on a second ^C."""
        if state == "Interrupted":
            self._view.event("draining: requests in flight are finished and committed (Ctrl-C again ends at once)")
        crew.drain()
        deadline_s = time.monotonic() + self._job.spec.source.request_timeout.seconds + _DRAIN_MARGIN_S
        while crew.alive and time.monotonic() < deadline_s and self._interrupts.count < 2:
            crew.tick(time.monotonic())
            self._show(crew, "Draining" if state != "Succeeded" else state)
            await asyncio.sleep(0.05)
        if crew.alive:
            crew.kill()
        with suppress(ArtistcrawlError):
            await self._observer.look(self._opened)
        self._show(crew, state)
