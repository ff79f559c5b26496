"""A crawl made of real parts, for tests that break them: ledger, Redis, sandbox, and worker processes to kill.

The supervising that a local run or the operator does (seeding again, noticing the end) runs here in the test's own
process, so that each fault hits exactly the part it names.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from support.processes.sandbox_process import SandboxProcess
from support.proofs.walks import strings_in

from crawl_core.backends.scripts import connect_redis
from crawl_core.clock import SYSTEM_CLOCK
from crawl_core.errors import UnavailableError, UnknownJobError
from crawl_core.frontier.frontier import Frontier
from crawl_core.job.lifecycle import prepare, release, reseed, settle
from crawl_core.ledger import jobs
from crawl_core.ledger.buckets import BucketRows
from crawl_core.ledger.ledger import Ledger
from crawl_core.limiter.bucket import Bucket
from crawl_core.limiter.record import BucketRecord
from crawl_core.spec import CrawlJob, parse_crawljob
from crawl_core.values.jobs import JobRow
from crawl_core.values.limits import BucketLimits

SECRET = "a-client-secret-that-no-log-may-show"
"""Of every client: the sandbox takes any."""

FORCED_RESEED_S = 3.0
"""Seconds after which the supervisor seeds even where the counts agree: the operator's 60, sped up."""

RESEED_S = 0.25
"""Seconds between two looks at what the frontier lacks, and whether all is done: the operator's reconcile, sped up."""


@dataclass
class WorkerProcess:
    """One `artistcrawl worker`, and its log."""

    process: subprocess.Popen[bytes]
    log: Path
    client_id: str = "sandbox"
    """Who it is in the sandbox's log."""
    broken_at_s: float = 0.0
    """When it was killed or stopped, as epoch seconds."""

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.broken_at_s = time.time()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """SIGSTOP inside, SIGCONT after."""
        self.broken_at_s = time.time()
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def drain(self, timeout_s: float = 30) -> int:
        """SIGTERM; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout_s)

    def actions(self) -> Counter[str]:
        """How often each action was logged."""
        return Counter(line.get("action", "") for line in self.lines())

    def lines(self) -> list[dict[str, Any]]:
        records = []
        for line in self.log.read_text().splitlines():
            with suppress(ValueError):
                records.append(json.loads(line))
        return records


@dataclass
class Crawl:
    """A job that is being crawled. Start workers with `worker()`, then wait for `finished()`."""

    job: CrawlJob
    postgres_url: str
    redis_url: str
    sandbox: SandboxProcess
    folder: Path
    lease_ttl_s: float
    workers: list[WorkerProcess] = field(default_factory=list)
    row: JobRow | None = None
    seeding: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the supervisor seeds: a test that holds it is alone with what was seeded before."""
    supervising: asyncio.Task[None] | None = None
    slowest_look_s: float = 0.0
    """The longest that the supervisor took to look at ledger and frontier: how slow this machine was meanwhile."""
    connection: psycopg.Connection[tuple[Any, ...]] | None = None

    @property
    def run_id(self) -> int:
        """Of the job's first run; there is no other."""
        assert self.row is not None
        return self.row.run_id

    @property
    def id(self) -> int:
        """The job's, in the ledger."""
        assert self.row is not None
        return self.row.id

    @property
    def uid(self) -> str:
        """What names the frontier's keys."""
        assert self.row is not None
        return self.row.uid

    def worker(
        self,
        *,
        postgres_url: str | None = None,
        redis_url: str | None = None,
        client_id: str = "sandbox",
        **flags: str,
    ) -> WorkerProcess:
        """Start a worker process. URLs may lead through a proxy; a client_id of its own tells its requests apart."""
        log = self.folder / f"worker-{len(self.workers)}.jsonl"
        extra = [part for name, value in flags.items() for part in (f"--{name.replace('_', '-')}", value)]
        name = f"{self.job.metadata.namespace}/{self.job.metadata.name}"
        command = [sys.executable, "-m", "crawl_worker.cli", "worker", "--job", name]
        command += ["--postgres", postgres_url or self.postgres_url, "--redis", redis_url or self.redis_url]
        command += ["--base-url", self.sandbox.url, "--lease-ttl", str(self.lease_ttl_s), *extra]
        environment = os.environ | {"ARTISTCRAWL_CLIENT_ID": client_id, "ARTISTCRAWL_CLIENT_SECRET": SECRET}
        with log.open("wb") as stream:
            process = subprocess.Popen(command, stdout=stream, stderr=stream, start_new_session=True, env=environment)
        started = WorkerProcess(process, log, client_id)
        self.workers.append(started)
        return started

    async def finished(self, *, timeout_s: float = 90) -> None:
        """Wait until the ledger has the job finished."""
        await self.until(
            lambda: self.value(f"SELECT finished_at IS NOT NULL FROM crawl_run WHERE id = {self.run_id}"), timeout_s
        )

    async def searched(self, count: int, *, timeout_s: float = 60) -> None:
        """Wait until that many searches are committed."""
        await self.until(
            lambda: self.value(f"SELECT count(*) FROM search WHERE run_id = {self.run_id}") >= count, timeout_s
        )

    async def ended(self, worker: WorkerProcess, *, timeout_s: float = 30) -> int:
        """Wait until a worker has ended by itself; its exit status."""
        await self.until(lambda: worker.process.poll() is not None, timeout_s)
        return worker.process.wait()

    async def until(self, condition: Callable[[], bool], timeout_s: float = 60) -> None:
        """Wait for a condition on the outside; what it raises of an unreachable ledger counts as not yet."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            with suppress(psycopg.OperationalError):
                if condition():
                    return
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"not within {timeout_s} s; {self.explain()}")
            await asyncio.sleep(0.05)

    def explain(self) -> str:
        """What the workers logged last, for a failure's message."""
        return "\n".join(f"{worker.log.name}: {worker.log.read_text()[-1500:]}" for worker in self.workers)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What a query of the ledger returns, on a connection that is kept; a server that restarted is reached anew."""
        if self.connection is not None:
            with suppress(psycopg.OperationalError):
                return self.connection.execute(statement.encode()).fetchall()
            self.close()
        self.connection = psycopg.connect(self.postgres_url, connect_timeout=5, autocommit=True)
        return self.connection.execute(statement.encode()).fetchall()

    def close(self) -> None:
        """End the connection of `rows`."""
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    def value(self, statement: str) -> Any:
        return self.rows(statement)[0][0]

    # What every fault test ends with.

    def missing(self) -> set[str]:
        """Strings of the keyspace that no search and no dead letter answers for. Only for one length."""
        keyspace = self.job.spec.keyspace.to_keyspace()
        wanted = {string for strings in keyspace.root_ranges() for string in strings_in(keyspace, strings)}
        answered = self.rows(
            f"SELECT string FROM search WHERE run_id = {self.run_id} UNION "
            f"SELECT string FROM dead_letter WHERE run_id = {self.run_id}"
        )
        return wanted - {row[0] for row in answered}

    def stored(self) -> set[str]:
        """Ids of all artists in the ledger."""
        return {row[0] for row in self.rows("SELECT id FROM artist")}

    def answered(self) -> list[dict[str, Any]]:
        """The sandbox's log of searches that it answered with a page."""
        return [entry for entry in self.sandbox.requests() if entry["status"] == 200 and entry["query"]]

    def repeated(self) -> int:
        """Requests that asked for a page which had been answered before."""
        pages = Counter((entry["query"], entry["offset"]) for entry in self.answered())
        return sum(count - 1 for count in pages.values())

    async def apply(self, spec: str, *, uid: str | None = None) -> None:
        """Record the job again, with another spec or (applied anew) under another uid."""
        assert self.row is not None
        self.job = crawljob(spec, name=self.job.metadata.name)
        ledger = await Ledger.open(self.postgres_url, max_connections=1, application_name="test")
        self.row = await prepare(ledger, self.job, uid=uid or self.row.uid, client_id="sandbox")
        await ledger.close()

    async def let_go(self) -> bool:
        """What the operator does with a suspended job whose workers have ended."""
        assert self.row is not None
        ledger = await Ledger.open(self.postgres_url, max_connections=1, application_name="test")
        redis = connect_redis(self.redis_url)
        try:
            return await release(ledger, Frontier(redis, self.row.uid), self.row)
        finally:
            await redis.aclose()
            await ledger.close()

    async def limits(self) -> BucketLimits:
        """What is in force, after bringing bucket and row together, as the operator does every 10 s."""
        assert self.row is not None
        assert self.row.bucket is not None
        ledger = await Ledger.open(self.postgres_url, max_connections=1, application_name="test")
        redis = connect_redis(self.redis_url)
        try:
            record = BucketRecord(Bucket(redis, self.row.bucket), BucketRows(ledger), clock=SYSTEM_CLOCK)
            await record.synchronize()
            assert record.view is not None
            return record.view.limits
        finally:
            await redis.aclose()
            await ledger.close()

    async def supervise(self) -> None:
        """Seed what is missing and notice the end, as the operator does, whatever is out of reach meanwhile."""
        while True:
            with suppress(UnavailableError, UnknownJobError):
                await self._reconcile()
            await asyncio.sleep(RESEED_S)

    async def _reconcile(self) -> None:
        ledger = await Ledger.open(self.postgres_url, max_connections=1, application_name="test supervisor")
        redis = connect_redis(self.redis_url)
        forced_s = time.monotonic()
        try:
            while True:
                assert self.row is not None
                begun_s = time.monotonic()
                job = await jobs.get(ledger, self.row.id)
                if job is not None:
                    force = time.monotonic() - forced_s > FORCED_RESEED_S
                    async with self.seeding:
                        await reseed(ledger, Frontier(redis, job.uid), job, force=force)
                    forced_s = time.monotonic() if force else forced_s
                await settle(ledger, self.row)
                self.slowest_look_s = max(self.slowest_look_s, time.monotonic() - begun_s)
                await asyncio.sleep(RESEED_S)
        finally:
            await redis.aclose()
            await ledger.close()


def crawljob(spec: str, *, name: str) -> CrawlJob:
    """A CrawlJob of a spec in YAML."""
    text = f"apiVersion: artistcrawl.dev/v1alpha1\nkind: CrawlJob\nmetadata: {{name: {name}}}\nspec: {spec}\n"
    return parse_crawljob(text, origin="test")


@asynccontextmanager
async def crawling(
    spec: str,
    *,
    postgres_url: str,
    redis_url: str,
    sandbox: SandboxProcess,
    folder: Path,
    lease_ttl_s: float = 3.0,
    name: str = "crawl",
) -> AsyncIterator[Crawl]:
    """Record and seed a job (`spec` in YAML flow or block style), supervise it, and end its workers afterwards."""
    crawl = Crawl(crawljob(spec, name=name), postgres_url, redis_url, sandbox, folder, lease_ttl_s)
    ledger = await Ledger.open(postgres_url, max_connections=1, application_name="test")
    crawl.row = await prepare(ledger, crawl.job, uid=f"uid-{name}", client_id="sandbox")
    await ledger.close()
    supervisor = crawl.supervising = asyncio.create_task(crawl.supervise())
    try:
        yield crawl
    finally:
        await _ended(supervisor)
        for worker in crawl.workers:
            with suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGCONT)
                worker.process.kill()
            worker.process.wait(10)
        crawl.close()


async def _ended(task: asyncio.Task[None]) -> None:
    """Cancel a task until it has ended.

    Once is not always enough: Python 3.11's asyncio.wait_for, by which redis-py sends each command, returns the result
    and loses the cancellation where both come in one turn of the loop.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=1.0)
    with suppress(asyncio.CancelledError):
        await task
