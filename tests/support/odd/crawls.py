"""A whole crawl of one odd API by one worker process, and what is wrong with what came of it.

Many go side by side, on one ledger and one Redis: each is a process that mostly waits, once it has started.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row
from support.odd.api import OddApi, Seen
from support.odd.shape import Shape, Standstill
from support.odd.wire import SIZES
from support.processes.crawl_process import SECRET, crawljob

from crawl_core.backends.scripts import connect_redis
from crawl_core.frontier.frontier import Frontier
from crawl_core.job.lifecycle import prepare, reseed, settle
from crawl_core.ledger.ledger import Ledger
from crawl_core.values.jobs import JobRow

AT_ONCE = 6
LOOK_S = 0.25
FINISHED_S = 90.0
ENDED_S = 30.0
TOLD_S = 120.0
"""An outage is noted after a minute; more is the machine's affair."""


@dataclass
class Worker:
    """One worker process, and its log."""

    process: asyncio.subprocess.Process
    log: Path

    @property
    def running(self) -> bool:
        return self.process.returncode is None

    def words(self) -> str:
        """The end of its log, for a failure's message."""
        return self.log.read_text(errors="replace")[-3000:]

    async def ended(self) -> int:
        """Its exit status, once it is over; killed where it does not end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(ENDED_S):
                return await self.process.wait()
        self.process.kill()
        return await self.process.wait()


class Crawls:
    """What all crawls share."""

    def __init__(self, ledger: Ledger, postgres_url: str, redis_url: str, folder: Path) -> None:
        self._ledger = ledger
        self._postgres_url = postgres_url
        # Not as arguments: the remark about passwords in them would be a worker's first words.
        self._servers = {"ARTISTCRAWL_POSTGRES_URL": postgres_url, "ARTISTCRAWL_REDIS_URL": redis_url}
        self._redis = connect_redis(redis_url)
        self._folder = folder

    @classmethod
    @asynccontextmanager
    async def open(cls, postgres_url: str, redis_url: str, folder: Path) -> AsyncIterator[Crawls]:
        """With one connection to the ledger for what a supervisor does."""
        ledger = await Ledger.open(postgres_url, max_connections=1, application_name="test")
        crawls = cls(ledger, postgres_url, redis_url, folder)
        try:
            yield crawls
        finally:
            await crawls._redis.aclose()
            await ledger.close()

    async def record(self, name: str, spec: dict[str, Any]) -> JobRow:
        """Record and seed a job."""
        row = await prepare(self._ledger, crawljob(json.dumps(spec), name=name), uid=f"uid-{name}", client_id="odd")
        await reseed(self._ledger, Frontier(self._redis, row.uid), row)
        return row

    @asynccontextmanager
    async def worker(self, name: str, *, probe_port: int | None = None) -> AsyncIterator[Worker]:
        """A worker of the job, ended with the block."""
        log = self._folder / f"{name}.jsonl"
        command = [
            sys.executable,
            "-m",
            "crawl_worker.cli",
            "worker",
            "--job",
            f"default/{name}",
            "--once-done",
            "exit",
        ]
        command += ["--probe-port", str(probe_port)] if probe_port is not None else []
        credentials = {"ARTISTCRAWL_CLIENT_ID": "odd", "ARTISTCRAWL_CLIENT_SECRET": SECRET, "ARTISTCRAWL_DEBUG": "1"}
        with log.open("wb") as stream:
            process = await asyncio.create_subprocess_exec(
                *command, stdout=stream, stderr=stream, env=os.environ | credentials | self._servers
            )
        try:
            yield Worker(process, log)
        finally:
            if process.returncode is None:
                process.terminate()
                await Worker(process, log).ended()

    async def until_finished(
        self,
        row: JobRow,
        worker: Worker,
        *,
        timeout_s: float,
        enough: Callable[[], bool] = lambda: False,
        look_s: float = LOOK_S,
    ) -> bool:
        """Wait for the job's end; False where the worker ends before, it is enough, or the time is over.

        The time begins with the worker's first words: how long a process takes to start is the machine's affair.
        """
        while worker.running and not worker.log.stat().st_size:
            await asyncio.sleep(LOOK_S)
        deadline_s = time.monotonic() + timeout_s
        while worker.running and time.monotonic() < deadline_s and not enough():
            if await settle(self._ledger, row):
                return True
            await asyncio.sleep(look_s)
        return await settle(self._ledger, row)

    def rows(self, statement: str, row: JobRow) -> list[dict[str, Any]]:
        """What a query of one job returns."""
        with psycopg.connect(self._postgres_url, autocommit=True, row_factory=dict_row) as connection:
            return connection.execute(statement.encode(), {"job": row.id, "run": row.run_id}).fetchall()

    def told(self, row: JobRow) -> bool:
        """Whether the ledger has something of the job to tell people."""
        [job] = self.rows("SELECT problem_message FROM crawl_job WHERE id = %(job)s", row)
        return bool(job["problem_message"])

    async def status(self) -> dict[str, dict[str, Any]]:
        """What `artistcrawl status --json` shows of all jobs, by name."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "crawl_worker.cli", "status", "--json"),
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | self._servers,
        )
        stdout, _ = await process.communicate()
        return {str(job["job"]).partition("/")[2]: job for job in json.loads(stdout)}


def spec_of(shape: Shape | Standstill, api: OddApi, *, backoff: str = "400ms") -> dict[str, Any]:
    """The CrawlJob's spec: nine strings in three ranges."""
    address = api.url(shape.name)
    source: dict[str, object] = {"baseURL": address, "tokenURL": f"{address}/api/token"}
    workers: dict[str, object] = {"concurrency": 3}
    if isinstance(shape, Shape):
        source |= shape.source
        workers |= shape.workers
    return {
        "keyspace": {"alphabet": "abc", "minLength": 2, "maxLength": 2, "rangeSize": 3},
        "source": source,
        "rateLimit": {"requests": 60, "window": "1s", "bucket": "Job"},
        "retry": {"maxAttempts": 4, "initialBackoff": "100ms", "maxBackoff": backoff},
        "workers": workers,
    }


async def crawl_all(shapes: Iterable[Shape], api: OddApi, crawls: Crawls) -> list[str]:
    """Crawl each; what is wrong, as sentences that begin with the shape's name."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def crawl(shape: Shape) -> list[str]:
        async with turns:
            return [f"{shape.name}: {wrong}" for wrong in await crawl_one(shape, api, crawls)]

    return [wrong for found in await asyncio.gather(*map(crawl, shapes)) for wrong in found]


async def crawl_one(shape: Shape, api: OddApi, crawls: Crawls) -> list[str]:
    """Crawl one to its end, and compare."""
    row = await crawls.record(shape.name, spec_of(shape, api))
    async with crawls.worker(shape.name) as worker:
        if not await crawls.until_finished(row, worker, timeout_s=FINISHED_S):
            state = "runs on" if worker.running else f"exited with {worker.process.returncode}"
            return [f"not finished, the worker {state}; {_tally(api.seen[shape.name])}; {worker.words()}"]
        worker.process.terminate()
        status = await worker.ended()
    wrong = [f"stopped at the end, the worker exited with {status}; {worker.words()}"] if status else []
    return wrong + list(differences(shape, api.seen[shape.name], row, crawls))


def _tally(seen: Seen) -> str:
    return f"{len(seen.searches)} searches, {seen.tokens} tokens"


def differences(shape: Shape, seen: Seen, row: JobRow, crawls: Crawls) -> Iterator[str]:
    """What is otherwise than the shape says, each as a sentence."""
    artists = {r["artist_id"] for r in crawls.rows("SELECT artist_id FROM run_artists WHERE job_id = %(job)s", row)}
    if lost := shape.must_have() - artists:
        yield f"{len(lost)} artists of {len(shape.must_have())} are missing, such as {min(lost)}"
    if more := artists - shape.may_have():
        yield f"{len(more)} artists that nobody has, such as {min(more)}"
    dead = {
        r["string"]: r["reason"]
        for r in crawls.rows("SELECT string, reason FROM dead_letter WHERE run_id = %(run)s", row)
    }
    if dead.keys() != shape.dead.keys():
        yield f"given up: {dead or 'none'}, expected: {dict(shape.dead) or 'none'}"
    for string, reason in dead.items():
        if not re.search(shape.dead.get(string, ""), reason):
            yield f"{string} is given up for {reason!r}"
    searches = crawls.rows("SELECT string, total, results FROM search WHERE run_id = %(run)s", row)
    if {r["string"] for r in searches} != SIZES.keys() - dead.keys():
        yield f"searched: {sorted(r['string'] for r in searches)}"
    for string, total in shape.short.items():
        if [string, total] not in [[r["string"], r["total"]] for r in searches if r["results"] < r["total"]]:
            yield f"{string} is not known to have fewer results than {total}"
    fewest, most = shape.requests
    if not fewest <= len(seen.searches) <= most:
        yield f"{len(seen.searches)} searches, expected {fewest} to {most}"
    if seen.tokens > shape.tokens:
        yield f"{seen.tokens} tokens, expected at most {shape.tokens}"
    if seen.elsewhere:
        yield f"asked for {seen.elsewhere[:3]}"
    (job,) = crawls.rows("SELECT page_size, problem_message FROM crawl_job WHERE id = %(job)s", row)
    if shape.page_size is not None and job["page_size"] != shape.page_size:
        yield f"the page size is {job['page_size']}, expected {shape.page_size}"
    counted = crawls.rows("SELECT sum(requests) AS n FROM crawl_range WHERE run_id = %(run)s", row)[0]["n"]
    if counted > len(seen.searches):
        yield f"the ledger counts {counted} requests, {len(seen.searches)} arrived"


async def stand_still(shape: Standstill, api: OddApi, crawls: Crawls) -> list[str]:
    """Crawl until a person is told why nothing comes, and compare: nothing is done, and little was asked."""
    row = await crawls.record(shape.name, spec_of(shape, api, backoff="5s"))
    wrong = []
    async with crawls.worker(shape.name) as worker:
        if await crawls.until_finished(row, worker, timeout_s=TOLD_S, enough=lambda: crawls.told(row), look_s=2.0):
            wrong.append("finished")
        if not worker.running:
            wrong.append(f"the worker exited with {worker.process.returncode}; {worker.words()}")
        seen = api.seen[shape.name]
        if len(seen.searches) > shape.searches:
            wrong.append(f"{len(seen.searches)} searches, expected at most {shape.searches}")
        if seen.tokens > shape.tokens:
            wrong.append(f"{seen.tokens} tokens, expected at most {shape.tokens}")
        shown = (await crawls.status())[shape.name]
    if shown["dead_letters"]:
        wrong.append(f"{shown['dead_letters']} strings are given up")
    if not re.search(shape.tells, str(shown["problem"])):
        wrong.append(f"told: {shown['state']}: {shown['problem']!r}")
    if crawls.rows("SELECT string FROM search WHERE run_id = %(run)s", row):
        wrong.append("strings were taken for searched")
    return [f"{shape.name}: {sentence}" for sentence in wrong]
