"""A process that only takes permits and sends, for tests at the sandbox's door; and a crew of them.

    python limiter_crawler.py REDIS_URL API_URL LEDGER_FILE TOKEN TASKS TIMEOUT_S

It writes one JSON line when it is ready and one when it ends (SIGTERM). The ledger is a locked file, so that a test can
lose Redis without a database. 429s are counted, and freeze nothing: each of them is a broken promise here.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crawl_core.backends.scripts import connect_redis
from crawl_core.limiter.limiter import Limiter
from crawl_core.limiter.permit import PermitExpiredError
from crawl_core.values.limits import BucketLimits, BucketRow
from crawl_worker.client.errors import NoAnswerError, NotSentError
from crawl_worker.client.transport import ApiTransport
from crawl_worker.sources.wire import HttpRequest

BUCKET = "door"


class FileLedger:
    """Bucket rows in a file that processes share."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, limits: BucketLimits) -> None:
        with self._locked() as state:
            state["limits"] = [limits.requests, limits.window_s, limits.request_timeout_s, limits.even]

    async def ensure(self, name: str) -> tuple[BucketRow, bool]:
        with self._locked() as state:
            inserted = "row" not in state
            state.setdefault("row", [0, 0])
            return self._row(name, state), inserted

    async def merge_freeze(self, name: str, *, epoch: int, frozen_until_us: int) -> BucketRow:
        with self._locked() as state:
            state["row"] = max(state.get("row", [0, 0]), [epoch, frozen_until_us])
            return self._row(name, state)

    def _row(self, name: str, state: dict[str, Any]) -> BucketRow:
        epoch, frozen_until_us = state["row"]
        return BucketRow(name, BucketLimits(*state["limits"]), frozen_until_us, epoch)

    @contextmanager
    def _locked(self) -> Iterator[dict[str, Any]]:
        with self._path.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            state = json.loads(file.read() or "{}")
            yield state
            file.seek(0)
            file.truncate()
            json.dump(state, file)


async def crawl(redis_url: str, api_url: str, ledger: Path, token: str, tasks: int, timeout_s: float) -> None:
    told: Counter[str] = Counter()
    headers = {"Authorization": f"Bearer {token}"}
    search = HttpRequest("GET", f"{api_url}/v1/search?type=artist&q=zzzz", headers)

    async def task(limiter: Limiter, api: ApiTransport) -> None:
        while True:
            permit = await limiter.acquire()
            try:
                told[f"status {(await api.send(search, permit)).status}"] += 1
                told["held_us"] += round((time.monotonic() - permit.not_before_s) * 1e6)
            except (PermitExpiredError, NotSentError, NoAnswerError) as error:
                told[type(error).__name__] += 1

    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    redis = connect_redis(redis_url)
    async with (
        ApiTransport(concurrency=tasks, timeout_s=lambda: timeout_s) as api,
        Limiter(redis, BUCKET, FileLedger(ledger)) as limiter,
    ):
        print(json.dumps({"ready": os.getpid()}), flush=True)
        running = [asyncio.create_task(task(limiter, api)) for _ in range(tasks)]
        await ended.wait()
        for crawling in running:
            crawling.cancel()
        failed = [repr(outcome) for outcome in await asyncio.gather(*running, return_exceptions=True)]
        state = limiter.state()
    await redis.aclose()
    counts = {"calls": state.calls, "grants": state.grants, "discarded": state.discarded}
    told["failed"] = sum("Cancelled" not in outcome for outcome in failed)
    print(json.dumps({**counts, **told}), flush=True)


class Crew:
    """Crawling processes, to be killed, stopped and counted."""

    def __init__(self, *arguments: object) -> None:
        self._command = [sys.executable, __file__, *map(str, arguments)]
        self._environment = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE_")}
        self.processes: list[subprocess.Popen[str]] = []
        self.counts: list[Counter[str]] = []

    def start(self, count: int) -> None:
        """Start so many more, and wait until they are ready."""
        started = [
            subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True, env=self._environment)
            for _ in range(count)
        ]
        self.processes += started
        for process in started:
            assert process.stdout is not None
            assert "ready" in json.loads(process.stdout.readline())

    def kill(self, count: int = 1) -> None:
        for process in self.processes[:count]:
            process.kill()
            self._reap(process)
        del self.processes[:count]

    def stop_for(self, seconds: float) -> None:
        """SIGSTOP the first, and SIGCONT it."""
        self.processes[0].send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.processes[0].send_signal(signal.SIGCONT)

    def end(self) -> Counter[str]:
        """SIGTERM all; what they counted, together (and each, in `counts`)."""
        for process in self.processes:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        self.counts = [Counter(json.loads(self._reap(process) or "{}")) for process in self.processes]
        self.processes.clear()
        return sum(self.counts, Counter())

    @staticmethod
    def _reap(process: subprocess.Popen[str]) -> str:
        output, _ = process.communicate(timeout=30)
        return output


@contextmanager
def crew(
    redis_url: str, api_url: str, token: str, folder: Path, limits: BucketLimits, *, tasks: int
) -> Iterator[tuple[Crew, FileLedger]]:
    """A crew with its ledger. Nobody survives the block."""
    ledger = FileLedger(folder / "ledger.json")
    ledger.write(limits)
    working = Crew(redis_url, api_url, folder / "ledger.json", token, tasks, limits.request_timeout_s)
    try:
        yield working, ledger
    finally:
        for process in working.processes:
            process.kill()
        working.end()


if __name__ == "__main__":
    redis_url, api_url, ledger_file, token, tasks, timeout_s = sys.argv[1:]
    asyncio.run(crawl(redis_url, api_url, Path(ledger_file), token, int(tasks), float(timeout_s)))
