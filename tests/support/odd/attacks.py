"""A crawl of an API that attacks it, and what is wrong with how it was met."""

from __future__ import annotations

import asyncio
import json
import re
import time
import unicodedata
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.odd.crawls import Crawls, Worker
from support.odd.hostile import End, Hostile
from support.odd.hostile_api import HostileApi
from support.processes.servers import free_port

PEAK_MIB = 160
"""What a worker's pod may have is 256 MiB."""

UNDER_ATTACK_S = 9.0
"""How long each crawl goes on that neither ends by itself nor has met its attack several times."""

MET = 8
"""Attacks that a worker has met when it is stopped: so often it gave a reason."""

REASON = re.compile(r'"(reason|retry_after_s)": ')

STOPPED_S = 15.0
LONGEST_LINE = 10_000
"""Characters of a line that a person is shown."""

MISCONFIGURED = 78


@dataclass
class Measured:
    """What was seen of one worker from outside."""

    name: str
    peak_mib: float = 0.0
    stood_still_s: float = 0.0
    """The longest time that a question to its probe was not answered: its event loop did something else."""
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def line(self) -> str:
        return f"{self.name:26} {self.peak_mib:6.0f} MiB {self.stood_still_s:6.2f} s {self.seconds:6.1f} s"


def spec_of(shape: Hostile, api: HostileApi) -> dict[str, Any]:
    address = api.url(shape.name)
    return {
        "keyspace": {"alphabet": "ab", "minLength": 2, "maxLength": 2, "rangeSize": 1},
        "source": {"baseURL": address, "tokenURL": f"{address}/api/token", "requestTimeout": "3s"},
        "rateLimit": {"requests": 20, "window": "1s", "bucket": "Job"},
        "retry": {"maxAttempts": 3, "initialBackoff": "200ms", "maxBackoff": "1s"},
        "workers": {"concurrency": 4},
    }


async def attack(shape: Hostile, api: HostileApi, crawls: Crawls) -> Measured:
    """Crawl until the end, or for a while; then stop the worker."""
    measured = Measured(shape.name)
    name, begun_s = f"hostile-{shape.name}", time.monotonic()
    row = await crawls.record(name, spec_of(shape, api))
    port = free_port()
    async with crawls.worker(name, probe_port=port) as worker, _watched(worker, port, measured):
        finished = await crawls.until_finished(
            row, worker, timeout_s=UNDER_ATTACK_S, enough=lambda: len(_reasons(worker)) >= MET
        )
        ended_by_itself = worker.process.returncode
        with suppress(ProcessLookupError):
            worker.process.terminate()
        stopping_s = time.monotonic()
        status = await worker.ended()
        stopped_s = time.monotonic() - stopping_s
    measured.seconds = time.monotonic() - begun_s
    if measured.peak_mib > PEAK_MIB:
        measured.wrong.append(f"a peak of {measured.peak_mib:.0f} MiB")
    if stopped_s > STOPPED_S:
        measured.wrong.append(f"stopped after {stopped_s:.0f} s")
    measured.wrong += _ended_wrongly(shape, finished, ended_by_itself, status, worker)
    measured.wrong += _misled(shape, api)
    measured.wrong += list(_unclean(worker.log))
    told = crawls.rows("SELECT problem_message AS told FROM crawl_job WHERE id = %(job)s", row)
    told += crawls.rows("SELECT last_error AS told FROM dead_letter WHERE run_id = %(run)s", row)
    measured.wrong += [f"the ledger has {words}" for r in told for words in unclean_text(r["told"] or "")]
    if crawls.rows("SELECT artist_id FROM run_artists WHERE job_id = %(job)s AND artist_id = 'evil'", row):
        measured.wrong.append("an answer that nobody asked for was taken")
    measured.wrong = [f"{shape.name}: {sentence}" for sentence in measured.wrong]
    return measured


def _ended_wrongly(
    shape: Hostile, finished: bool, ended_by_itself: int | None, status: int, worker: Worker
) -> Iterator[str]:
    if shape.end is End.DENIED:
        if ended_by_itself != MISCONFIGURED:
            yield f"not denied, but exited with {ended_by_itself}"
        return
    if ended_by_itself is not None and not (finished and ended_by_itself == 0):
        yield f"the worker ended with {ended_by_itself}: {worker.words()[-300:]}"
        return
    if status != 0:
        yield f"stopped, it exited with {status}"
    if finished and shape.end is End.WAITS:
        yield "it finished"
    if not finished and shape.end is End.FINISHES:
        yield f"it did not finish: {worker.words()[-300:]}"
    if not finished and not _reasons(worker):
        yield f"it waits and does not say why: {worker.words()[-300:]}"


def _reasons(worker: Worker) -> list[str]:
    return REASON.findall(worker.log.read_text(errors="replace"))


def _misled(shape: Hostile, api: HostileApi) -> Iterator[str]:
    seen = api.seen(shape.name)
    if seen["stranger"]:
        yield "it followed to a stranger"
    if seen.get("injected"):
        yield "it sent a header that the API put into its mouth"


def _unclean(log: Path) -> Iterator[str]:
    for line in log.read_text(errors="replace").splitlines():
        if len(line) > LONGEST_LINE:
            yield f"logged a line of {len(line)} characters: {line[:200]}"
        with suppress(ValueError):
            for value in json.loads(line).values():
                for words in unclean_text(str(value)):
                    yield f"logged {words}"
                    return


def unclean_text(text: str) -> list[str]:
    """What a terminal would obey in one line of text, for a failure's message."""
    odd = [character for character in text if unicodedata.category(character) in ("Cc", "Zl", "Zp")]
    return [f"{odd[0]!r} in {text[:200]!r}"] if odd else []


@asynccontextmanager
async def _watched(worker: Worker, port: int, measured: Measured) -> AsyncIterator[None]:
    watchers = [asyncio.create_task(_weigh(worker, measured)), asyncio.create_task(_ask(port, measured))]
    try:
        yield
    finally:
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)


async def _weigh(worker: Worker, measured: Measured) -> None:
    """Read the worker's peak again and again: it is gone with the process."""
    status = Path(f"/proc/{worker.process.pid}/status")
    while True:
        with suppress(OSError):
            peak = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
            measured.peak_mib = max(measured.peak_mib, int(peak[1]) / 1024 if peak else 0.0)
        await asyncio.sleep(0.1)


async def _ask(port: int, measured: Measured) -> None:
    """Ask the worker's probe again and again; what our own loop took is no fault of the worker's."""
    while True:
        asked_s = time.monotonic()
        await asyncio.sleep(0.05)
        ours_s = time.monotonic() - asked_s - 0.05
        begun_s = time.monotonic()
        with suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            if await reader.readline():
                measured.stood_still_s = max(measured.stood_still_s, time.monotonic() - begun_s - ours_s)
            writer.close()
