"""What a request costs the worker, from fetch to commit, beside a bare httpx GET loop; and how much of a limit is used.

Both talk to the same sandbox in the same run, about the same strings: on the real catalogue where
ARTISTCRAWL_CATALOGUE names it (96 % of its answers are empty), else on a synthetic one.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
from support.processes.catalogue import catalogue_file
from support.processes.cpu import cpu_s, tree_cpu_s
from support.processes.crawl_process import Crawl, crawling
from support.processes.sandbox_process import SandboxProcess, sandbox
from support.processes.servers import Postgres, Valkey, server_folder

from crawl_core.backends.migrate import migrate
from tests.bench.rows import Row, at_most

CONCURRENCY = 4
BARE_REQUESTS = 3_000
COST_SPEC = (
    "{keyspace: {first: m000, last: mzzz}, rateLimit: {requests: 100000, window: 1s, spacing: Burst}, "
    f"workers: {{concurrency: {CONCURRENCY}}}}}"
)
RATE, WINDOW_S = 5_000, 10
# 50,000 strings.
RATE_SPEC = (
    f"{{keyspace: {{first: '0000', last: 12kv}}, rateLimit: {{requests: {RATE}, window: {WINDOW_S}s}}, "
    "workers: {concurrency: 8}}"
)


@contextmanager
def _servers() -> Iterator[tuple[Postgres, Valkey]]:
    with server_folder() as folder:
        postgres, valkey = Postgres(folder / "pg"), Valkey(folder / "valkey", appendonly="no")
        try:
            yield postgres, valkey
        finally:
            valkey.stop()
            postgres.stop()


async def _bare_cpu_us(api: SandboxProcess, queries: list[str]) -> float:
    """CPU microseconds a request of a GET loop on httpx.AsyncClient, at the worker's concurrency."""
    pending = iter(queries)
    headers = {"Authorization": f"Bearer {api.token()}"}
    async with httpx.AsyncClient(base_url=api.url, headers=headers) as client:

        async def loop() -> None:
            for query in pending:
                parameters: dict[str, Any] = {"type": "artist", "q": query, "limit": 50, "offset": 0}
                (await client.get("/v1/search", params=parameters)).raise_for_status()

        await loop_once(client)
        started_s = time.process_time()
        await asyncio.gather(*(loop() for _ in range(CONCURRENCY)))
        return (time.process_time() - started_s) / len(queries) * 1e6


async def loop_once(client: httpx.AsyncClient) -> None:
    """Open the first connection outside of what is measured."""
    await client.get("/v1/search", params={"type": "artist", "q": "warm", "limit": 50})


async def _cost(postgres: Postgres, valkey: Valkey) -> list[Row]:
    catalogue = catalogue_file()
    options: dict[str, Any] = {"size": 50_000} if catalogue is None else {"catalogue": str(catalogue)}
    with postgres.database() as url, sandbox(traced=False, **options) as api, tempfile.TemporaryDirectory() as folder:
        await migrate(url)
        async with crawling(
            COST_SPEC, postgres_url=url, redis_url=valkey.url, sandbox=api, folder=Path(folder), lease_ttl_s=30
        ) as crawl:
            rows, worker_us, queries = await _crawl_cost(crawl, postgres, valkey)
        bare_us = await _bare_cpu_us(api, queries)
    return [
        Row(
            "worker CPU a request / bare httpx GET loop",
            worker_us / bare_us,
            "<= 0.5",
            "ratio",
            worker_us / bare_us <= 0.5,
        ),
        Row("bare httpx GET loop CPU a request", bare_us, "", "us", None),
        *rows,
    ]


async def _crawl_cost(crawl: Crawl, postgres: Postgres, valkey: Valkey) -> tuple[list[Row], float, list[str]]:
    worker = crawl.worker()
    await crawl.searched(1)
    parts = {
        "worker": lambda: cpu_s(psutil.Process(worker.pid)),
        "PostgreSQL": lambda: tree_cpu_s(psutil.Process(postgres.pid)),
        "sandbox": lambda: cpu_s(psutil.Process(crawl.sandbox.pid)),
        "Valkey": lambda: cpu_s(psutil.Process(valkey.pid)),
    }
    before_s = {name: cpu() for name, cpu in parts.items()}
    done, started_s = crawl.value("SELECT sum(requests) FROM crawl_range"), time.monotonic()
    await crawl.finished(timeout_s=300)
    elapsed_s, count = time.monotonic() - started_s, crawl.value("SELECT sum(requests) FROM crawl_range") - done
    cost_us = {name: (cpu() - before_s[name]) / count * 1e6 for name, cpu in parts.items()}
    entries = crawl.answered()
    repeats = len(entries) / len({(entry["query"], entry["offset"]) for entry in entries})
    rows = [Row(f"{name} CPU a request", value, "", "us", None) for name, value in cost_us.items()]
    rows.append(at_most("sandbox CPU a request / worker CPU a request", cost_us["sandbox"] / cost_us["worker"], 1.0))
    rows.append(Row("requests a second, one worker", count / elapsed_s, "", "1/s", None))
    rows.append(Row("requests / floor, fault-free", repeats, "= 1.000", "ratio", repeats == 1.0))
    queries = [entry["query"] for entry in entries][: BARE_REQUESTS * 7 : 7]
    return rows, cost_us["worker"], queries


async def _rate(postgres: Postgres, valkey: Valkey) -> list[Row]:
    with (
        postgres.database() as url,
        sandbox(traced=False, size=300, limit=f"{RATE}/{WINDOW_S}s") as api,
        tempfile.TemporaryDirectory() as folder,
    ):
        await migrate(url)
        async with crawling(
            RATE_SPEC, postgres_url=url, redis_url=valkey.url, sandbox=api, folder=Path(folder), lease_ttl_s=30
        ) as crawl:
            for _ in range(2):
                crawl.worker()
            await crawl.finished(timeout_s=400)
            stats, rtt_s = api.stats(), crawl.value("SELECT avg(duration_s) FROM api_request WHERE status = 200")
    arrivals = stats["arrivals"]
    taken_s = stats["last_arrival_s"] - stats["first_arrival_s"]
    ideal_s = (arrivals - 1) * WINDOW_S / RATE
    bound = 1.02 * (WINDOW_S + rtt_s) / WINDOW_S
    return [
        Row(f"first to last of {arrivals} arrivals / ideal, {RATE} per {WINDOW_S} s", taken_s / ideal_s,
            f"<= {bound:.4f}", "ratio", taken_s / ideal_s <= bound),
        Row("most arrivals in any window / limit", stats["max_in_window"] / RATE, "<= 1", "ratio",
            stats["max_in_window"] <= RATE),
        Row("answers of 429", stats["rate_limited"], "= 0", "", stats["rate_limited"] == 0),
    ]  # fmt: skip


def run() -> list[Row]:
    """Both measurements, about three minutes."""
    with _servers() as (postgres, valkey):
        cost = asyncio.run(_cost(postgres, valkey))
        valkey.flush()  # the next crawl is another one, on a ledger of its own
        return [*cost, *asyncio.run(_rate(postgres, valkey))]
