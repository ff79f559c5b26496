"""One permit is at most one arrival, whatever a server does to the connection: with the real limiter and transport."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from support.processes.limiter_crawler import BUCKET, FileLedger
from yarl import URL

from crawl_core.backends.scripts import connect_redis
from crawl_core.limiter.limiter import Limiter
from crawl_core.limiter.permit import PermitExpiredError
from crawl_core.values.limits import BucketLimits
from crawl_worker.client.errors import NoAnswerError
from crawl_worker.client.transport import ApiTransport
from crawl_worker.sources.wire import HttpRequest

REQUESTS = 40
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Answer = Callable[[asyncio.StreamWriter, int], Awaitable[bool]]


async def reads_and_closes(writer: asyncio.StreamWriter, number: int) -> bool:
    return False


async def answers_and_closes_on_every_second(writer: asyncio.StreamWriter, number: int) -> bool:
    if number % 2:
        writer.write(OK)
    return bool(number % 2)


async def stalls(writer: asyncio.StreamWriter, number: int) -> bool:
    await asyncio.sleep(1.0)
    return False


async def resets_inside_the_body(writer: asyncio.StreamWriter, number: int) -> bool:
    writer.write(OK[:-1])
    await writer.drain()
    writer.transport.abort()
    return False


async def redirects_to_itself(writer: asyncio.StreamWriter, number: int) -> bool:
    writer.write(b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /?q=again\r\nContent-Length: 0\r\n\r\n")
    return True


async def answers_and_closes_in_silence(writer: asyncio.StreamWriter, number: int) -> bool:
    writer.write(OK)  # The connection looks alive until the next request comes.
    await writer.drain()
    return False


@asynccontextmanager
async def server(answer: Answer) -> AsyncIterator[tuple[URL, Counter[bytes]]]:
    arrived: Counter[bytes] = Counter()

    talking: set[asyncio.Task[None] | None] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talking.add(asyncio.current_task())
        try:
            goes_on = True
            while goes_on:
                head = await reader.readuntil(b"\r\n\r\n")
                arrived[head.split(b" ", 2)[1]] += 1
                goes_on = await answer(writer, arrived.total())
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(talk, "127.0.0.1", 0)
    yield URL(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"), arrived
    listening.close()
    for task in filter(None, talking):
        task.cancel()
    await asyncio.gather(*filter(None, talking), return_exceptions=True)
    await asyncio.sleep(0)  # Closed transports close their sockets in the next turn.


@pytest.mark.parametrize(
    "answer",
    [
        reads_and_closes,
        answers_and_closes_on_every_second,
        stalls,
        resets_inside_the_body,
        redirects_to_itself,
        answers_and_closes_in_silence,
    ],
)
async def test_a_permit_is_one_arrival(redis_url: str, tmp_path: Path, answer: Answer) -> None:
    ledger = FileLedger(tmp_path / "ledger.json")
    ledger.write(BucketLimits(1000, 10.0, 0.5, even=False))
    redis = connect_redis(redis_url)
    sent = 0

    async def task(limiter: Limiter, api: ApiTransport, url: URL) -> None:
        nonlocal sent
        for _ in range(REQUESTS // 8):
            permit = await limiter.acquire()
            with suppress(NoAnswerError, PermitExpiredError):
                await api.send(HttpRequest("GET", f"{url}?q={permit.id}", {}), permit)
            sent += permit.used

    async with (
        server(answer) as (url, arrived),
        ApiTransport(concurrency=8, timeout_s=lambda: 0.5) as api,
        Limiter(redis, BUCKET, ledger) as limiter,
    ):
        await asyncio.gather(*(task(limiter, api, url) for _ in range(8)))
        assert arrived.total() == sent
        assert set(arrived.values()) == {1}
        assert sent >= REQUESTS // 2
    await redis.aclose()
