"""A process that reads answers as a worker does, and says what they cost it.

    python answer_reader.py URL...

Writes one JSON line an address: what became of it, through the search's transport and the token endpoint's; the peak of
the process's memory so far in MiB; the longest time in seconds that its event loop stood still.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from pathlib import Path

import uvloop
from support.fakes.permits import Keeper, permit

import crawl_worker.process.main  # noqa: F401 -- for the memory that a worker takes before it reads anything
from crawl_worker.client.errors import NoAnswerError, TokenRequestError
from crawl_worker.client.token_transport import TokenTransport
from crawl_worker.client.transport import ApiTransport
from crawl_worker.sources.wire import HttpRequest

REQUEST_TIMEOUT_S = 2.0
TICK_S = 0.01


class Heartbeat:
    """Beats every hundredth of a second, and remembers the longest pause between two."""

    def __init__(self) -> None:
        self.longest_s = 0.0

    async def run(self) -> None:
        while True:
            began_s = time.monotonic()
            await asyncio.sleep(TICK_S)
            self.longest_s = max(self.longest_s, time.monotonic() - began_s - TICK_S)


def _peak_mib() -> int:
    # Not getrusage: on Linux it begins with what the parent had.
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) // 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**20


async def search(url: str) -> str:
    async with ApiTransport(concurrency=1, timeout_s=lambda: REQUEST_TIMEOUT_S) as api:
        try:
            answer = await api.send(HttpRequest("GET", url, {}), permit(Keeper()))
        except NoAnswerError as error:
            return f"no answer: {error}"
        return f"{answer.status}, {len(answer.body)} bytes"


async def grant(url: str) -> str:
    async with TokenTransport(timeout_s=lambda: REQUEST_TIMEOUT_S) as tokens:
        try:
            answer = await tokens.send(HttpRequest("POST", url, {}, b"x"))
        except TokenRequestError as error:
            return f"no answer: {error}"
        return f"{answer.status}, {len(answer.body)} bytes"


async def main(urls: list[str]) -> None:
    for url in urls:
        heartbeat = Heartbeat()
        beating = asyncio.create_task(heartbeat.run())
        said = [await search(url), await grant(url)]
        beating.cancel()
        print(json.dumps([said, _peak_mib(), round(heartbeat.longest_s, 3)]), flush=True)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1:]))
