"""A worker's probes: alive whatever its servers do, ready once it reached them."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import aiohttp
from support.processes.crawl_process import Crawl, crawling
from support.processes.sandbox_process import sandbox

SPEC = "{keyspace: {minLength: 1, maxLength: 1}, rateLimit: {requests: 1, window: 30s}}"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


async def asked(port: int, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, (await answer.text()).strip()


async def until(port: int, path: str, status: int, said: str) -> None:
    """Wait until a probe is answered so."""
    async with asyncio.timeout(30):
        while True:
            try:
                found, text = await asked(port, path)
            except aiohttp.ClientConnectionError:
                found, text = 0, ""
            if found == status and said in text:
                return
            await asyncio.sleep(0.05)


async def started(crawl: Crawl, **flags: str) -> int:
    """A worker with probes; their port."""
    port = free_port()
    crawl.worker(probe_port=str(port), **flags)
    await until(port, "/healthz", 200, "ok")
    return port


async def test_a_worker_that_crawls_is_ready(ledger_url: str, redis_url: str, tmp_path: Path) -> None:
    with sandbox() as api:
        async with crawling(SPEC, postgres_url=ledger_url, redis_url=redis_url, sandbox=api, folder=tmp_path) as crawl:
            await until(await started(crawl), "/readyz", 200, "ok")


async def test_a_worker_without_its_job_is_alive_and_says_what_it_waits_for(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    with sandbox() as api:
        async with crawling(SPEC, postgres_url=ledger_url, redis_url=redis_url, sandbox=api, folder=tmp_path) as crawl:
            port = await started(crawl, job="default/another")
            await until(port, "/readyz", 503, "waiting for the ledger and the job in it")


async def test_a_worker_without_redis_is_alive_and_says_so(ledger_url: str, redis_url: str, tmp_path: Path) -> None:
    with sandbox() as api:
        async with crawling(SPEC, postgres_url=ledger_url, redis_url=redis_url, sandbox=api, folder=tmp_path) as crawl:
            port = await started(crawl, redis="redis://127.0.0.1:1/0")
            await until(port, "/readyz", 503, "waiting for Redis")
            assert (await asked(port, "/healthz"))[0] == 200
