"""One local run from its first server to its last commit: starts, watches, mends, drains.

The crawling itself is the workers', what a job is stands in crawl_core.lifecycle. It refuses to end while a worker
may still commit.
"""

from __future__ import annotations

import asyncio
import math
import os
import signal
import time
import uuid
from contextlib import AsyncExitStack, ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from redis.asyncio import Redis

from crawl_core import keys, lifecycle
from crawl_core.errors import ArtistcrawlError, ConfigurationError, UnavailableError
from crawl_core.frontier import Frontier
from crawl_core.ledger import Ledger, buckets, jobs, requests
from crawl_core.migrate import migrate
from crawl_core.scripts import connect_redis
from crawl_core.spec import CrawlJob
from crawl_worker.backends import POSTGRES_VARIABLE, REDIS_VARIABLE, Urls
from crawl_worker.commands.output import instant
from crawl_worker.credentials import read_credentials
from crawl_worker.local.crew import Crew
from crawl_worker.local.data_folder import DataFolder
from crawl_worker.local.plan import limit_per_minute, process_count, restart_note
from crawl_worker.local.sandbox import SandboxProcess
from crawl_worker.local.snapshot import Pace, Snapshot, State
from crawl_worker.local.view import View
from crawl_worker.processes import own_command
from crawl_worker.spotify import Credentials

_TICK_S = 0.2
_LOOK_INTERVAL_S = 1.0
_UPKEEP_INTERVAL_S = 5.0
_SILENCE_S = 3.0
"""Seconds without a first request after which people want to know why."""

_DRAIN_MARGIN_S = 15.0
"""Seconds beyond the request timeout that a worker gets to commit and give back its range, as a pod does."""

NODE = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Options:
    """What the user said beside the CrawlJob."""

    urls: Urls
    processes: int | None = None
    catalogue: Path | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. `message` says why where it stalled."""

    state: State
    snapshot: Snapshot
    message: str = ""
    finished_before: bool = False


class Interrupts:
    """Ctrl-C, SIGTERM and a closed terminal: the first drains, the second ends everything now."""

    def __init__(self) -> None:
        self.count = 0
        self._event = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
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
        self._name = f"{job.metadata.namespace}/{job.metadata.name}"
        self._started_s = time.monotonic()
        self._pace = Pace()
        self._snapshot = Snapshot(job=self._name, limit_per_minute=limit_per_minute(job.spec))
        self._sandbox: SandboxProcess | None = None
        self._next_upkeep_s = self._next_forced_s = 0.0
        self._crawling_since_s = math.inf
        self._requests_before: int | None = None

    async def run(self) -> Outcome:
        """Crawl until the job is done, the user interrupts, or nobody but a person can go on."""
        self._interrupts = Interrupts()
        try:
            async with AsyncExitStack() as stack:
                await self._open(stack)
                return await self._outcome(stack)
        except ConfigurationError:
            # Ctrl-C in a terminal also ends a PostgreSQL that is being set up.
            if self._interrupts.count:
                return Outcome("Interrupted", self._snapshot)
            raise

    async def _outcome(self, stack: AsyncExitStack) -> Outcome:
        await self._look()
        if await self._finished():
            return Outcome("Succeeded", self._snapshot, finished_before=True)
        if self._job.spec.suspend:
            return Outcome("Suspended", self._snapshot)
        await self._start_sandbox(stack)
        if self._interrupts.count:
            return Outcome("Interrupted", self._snapshot)
        await self._upkeep()
        state, message = await self._crawl(self._crew(stack))
        return Outcome(state, self._snapshot, message)

    async def _open(self, stack: AsyncExitStack) -> None:
        """Servers, ledger, frontier, and the job's row."""
        urls = await self._open_servers(stack)
        await migrate(urls.postgres)
        self._urls = urls
        self._ledger = await Ledger.open(urls.postgres, application_name="artistcrawl-run")
        stack.push_async_callback(self._ledger.close)
        redis: Redis = connect_redis(urls.redis)
        stack.push_async_callback(redis.aclose)
        await _check_redis(redis, urls.redis)
        self._credentials = credentials(self._job)
        self._row = await lifecycle.prepare(
            self._ledger, self._job, uid=await self._uid(), client_id=self._credentials.client_id
        )
        self._bucket = self._row.bucket or keys.node_bucket(NODE)
        self._frontier = Frontier(redis, self._row.uid)

    async def _open_servers(self, stack: AsyncExitStack) -> Urls:
        given = self._options.urls
        embedded_postgres, embedded_valkey = not given.postgres, not given.redis
        if embedded_postgres or embedded_valkey:
            self._view.event(f"starting the servers in {self._folder.path}")
            servers = self._folder.servers(postgres=embedded_postgres, valkey=embedded_valkey, supervise=True)
            blocking = stack.enter_context(ExitStack())
            await asyncio.to_thread(blocking.enter_context, servers)
        return Urls(
            postgres=given.postgres or self._folder.postgres.url(), redis=given.redis or self._folder.valkey.url
        )

    async def _uid(self) -> str:
        """The name of the job's frontier.

        A new one where the Redis is this run's own, so that what a killed run left leased is nobody's any more; else
        the ledger's, so that runs on several machines share their ranges.
        """
        known = await jobs.find(self._ledger, self._job.metadata.namespace, self._job.metadata.name)
        if known is None or not self._options.urls.redis:
            return str(uuid.uuid4())
        return known.uid

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

    def _crew(self, stack: AsyncExitStack) -> Crew:
        arguments = ["--job", self._name, "--node", NODE, "--log-format", "json", "--once-done", "idle"]
        if self._sandbox is not None:
            arguments += ["--base-url", self._sandbox.url, "--token-url", f"{self._sandbox.url}/api/token"]
        crew = Crew(
            own_command("worker", *arguments),
            size=process_count(self._job.spec, cpus=os.cpu_count() or 1, asked=self._options.processes),
            logs=self._folder.logs,
            environment={
                POSTGRES_VARIABLE: self._urls.postgres,
                REDIS_VARIABLE: self._urls.redis,
                "ARTISTCRAWL_CLIENT_ID": self._credentials.client_id,
                "ARTISTCRAWL_CLIENT_SECRET": self._credentials.client_secret,
            },
            event=self._view.event,
        )
        stack.callback(crew.kill)
        return crew

    async def _crawl(self, crew: Crew) -> tuple[State, str]:
        """Watch and mend until there is a reason to stop; then drain."""
        state: State | None = None
        next_look_s = 0.0
        self._crawling_since_s = time.monotonic()
        while state is None:
            now_s = time.monotonic()
            if crew.tick(now_s):
                self._remember(crew)
            if now_s >= next_look_s:
                state = await self._look_and_mend()
                next_look_s = time.monotonic() + _LOOK_INTERVAL_S
            if crew.refusal:
                state = "Stalled"
            elif self._interrupts.count and state is None:
                state = "Interrupted"
            if state is None:
                self._show(crew, "Frozen" if self._snapshot.frozen_s else "Crawling")
                await self._interrupts.wait(_TICK_S)
        await self._drain(crew, state)
        return state, crew.refusal

    async def _look_and_mend(self) -> State | None:
        try:
            await self._mend()
            await self._look()
            if self._snapshot.covered >= self._snapshot.strings and await self._finished():
                return "Succeeded"
            await self._upkeep()
        except UnavailableError as error:
            self._snapshot = replace(self._snapshot, notes=(str(error),))
        return None

    async def _finished(self) -> bool:
        """Whether the job is done; somebody else may have found so first."""
        if await lifecycle.settle(self._ledger, self._row):
            return True
        row = await jobs.get(self._ledger, self._row.id)
        return row is not None and row.finished_at is not None

    async def _upkeep(self) -> None:
        """Every few seconds: ranges that the frontier lacks, and the request log's bounds."""
        now_s = time.monotonic()
        if now_s < self._next_upkeep_s:
            return
        self._next_upkeep_s = now_s + _UPKEEP_INTERVAL_S
        force = now_s >= self._next_forced_s
        await lifecycle.reseed(self._ledger, self._frontier, self._row, force=force)
        if force:
            self._next_forced_s = now_s + lifecycle.RESEED_INTERVAL_S
        await requests.rotate(self._ledger)

    async def _mend(self) -> None:
        """Start again what has died, at the same address."""
        given = self._options.urls
        if not given.postgres and not self._folder.postgres.running:
            self._view.event("PostgreSQL has died and is started again")
            await asyncio.to_thread(self._folder.postgres.start)
        if not given.redis and not self._folder.valkey.running:
            self._view.event("Valkey has died and is started again")
            await asyncio.to_thread(self._folder.valkey.start)
        if self._sandbox is not None and not self._sandbox.alive:
            self._view.event("the sandbox has died and is started again")
            self._sandbox.start()

    async def _look(self) -> None:
        """Read how far the job is."""
        progress = await jobs.progress(self._ledger, self._row.id)
        frozen_s = await self._frozen_s()
        now_s = time.monotonic()
        self._pace.note(now_s, covered=progress.covered, requests=progress.requests)
        self._snapshot = replace(
            self._snapshot,
            covered=progress.covered,
            strings=progress.total,
            searches=progress.searches,
            requests=progress.requests,
            retries=progress.retries,
            rate_limited=progress.rate_limited,
            artists=progress.artists,
            artists_new=progress.artists_new,
            truncated=progress.truncated,
            dead_letters=progress.dead_letters,
            requests_per_minute=self._pace.requests_per_minute,
            eta_s=self._pace.eta_s(left=progress.total - progress.covered),
            frozen_s=frozen_s,
            frozen_until=instant(time.time() + frozen_s) if frozen_s else "",
            notes=self._notes(requests_made=progress.requests),
        )

    def _notes(self, *, requests_made: int) -> tuple[str, ...]:
        """Why nothing moves at first, where that is the case."""
        if self._requests_before is None:
            self._requests_before = requests_made
        silent_s = time.monotonic() - self._crawling_since_s
        if requests_made > self._requests_before or silent_s < _SILENCE_S:
            return ()
        return (restart_note(self._job.spec),)

    async def _frozen_s(self) -> float:
        """Seconds that the job's bucket stays frozen; says so when that is news."""
        rows = [row for row in await buckets.all(self._ledger) if row.name == self._bucket]
        frozen_s = max(0.0, rows[0].frozen_until_us / 1e6 - time.time()) if rows else 0.0
        if frozen_s and not self._snapshot.frozen_s:
            until = instant(time.time() + frozen_s)
            self._view.event(f"the API asks to pause (429): bucket {self._bucket} is frozen until {until}")
        return frozen_s

    def _remember(self, crew: Crew) -> None:
        sandbox = self._sandbox.child if self._sandbox is not None else None
        self._folder.remember([*crew.ids, *([sandbox.id] if sandbox is not None else [])])

    def _show(self, crew: Crew, state: State) -> None:
        self._snapshot = replace(
            self._snapshot,
            state=state,
            elapsed_s=time.monotonic() - self._started_s,
            workers_alive=crew.alive,
            workers_desired=crew.desired,
            last_error=crew.last_error,
        )
        self._view.update(self._snapshot)

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
            await self._look()
        self._show(crew, state)


def credentials(job: CrawlJob) -> Credentials:
    """The client id and secret to crawl with. Raises ConfigurationError where the real API would need some."""
    source = job.spec.source
    if source.type == "Sandbox" and source.base_url is None:
        # The sandbox is this job's own, so no other job's limit shall bind here.
        return Credentials(f"local-{job.metadata.namespace}-{job.metadata.name}", "sandbox")
    return read_credentials(None, required=source.type != "Sandbox")


async def _check_redis(redis: Redis, url: str) -> None:
    """Fail early, with the reason, where there is no Redis; later an outage is waited for."""
    from redis import exceptions

    from crawl_worker.backends import masked

    try:
        await redis.ping()
    except exceptions.AuthenticationError as error:
        raise ConfigurationError(
            f"Redis at {masked(url)} refuses the password: write redis://:PASSWORD@HOST:6379/0 ({error})"
        ) from error
    except (exceptions.RedisError, OSError) as error:
        raise ConfigurationError(f"Redis at {masked(url)} cannot be reached: {error}; correct --redis URL") from error
