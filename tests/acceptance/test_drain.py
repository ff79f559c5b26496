"""SIGTERM: what is in flight is finished and committed, the rest given back, nothing repeated, status 0."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.processes.crawl_process import crawling
from support.processes.sandbox_process import sandbox
from support.proofs.crawl_proof import prove_frugal
from support.proofs.oracle import Oracle, small_catalogue

SPEC = """{keyspace: {alphabet: abcdefghijkl, minLength: 2, maxLength: 2, rangeSize: 24},
    source: {requestTimeout: 2s}, rateLimit: {requests: 60, window: 1s}, workers: {concurrency: 3}}"""
LEASE_TTL_S = 300.0
"""Longer than the test waits: a range that is not given back is not done in time."""


async def test_a_drained_worker_repeats_nothing_and_gives_its_ranges_back_at_once(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    catalogue = small_catalogue(tmp_path)
    with sandbox(catalogue=catalogue, latency="20ms") as api:
        async with crawling(
            SPEC, postgres_url=ledger_url, redis_url=redis_url, sandbox=api, folder=tmp_path, lease_ttl_s=LEASE_TTL_S
        ) as crawl:
            first = crawl.worker()
            await crawl.until(lambda: len(crawl.answered()) >= 50)
            assert first.drain() == 0
            assert crawl.value("SELECT sum(requests) FROM crawl_range") == len(crawl.answered())
            crawl.worker()
            await crawl.finished()
            prove_frugal(crawl, Oracle.of(catalogue))


async def test_a_worker_that_waits_out_a_freeze_drains_at_once(ledger_url: str, redis_url: str, tmp_path: Path) -> None:
    with sandbox() as api:
        api.control(faults={"rules": [{"action": {"status": 429, "retry_after": "3600"}}]})
        async with crawling(SPEC, postgres_url=ledger_url, redis_url=redis_url, sandbox=api, folder=tmp_path) as crawl:
            worker = crawl.worker()
            await crawl.until(lambda: worker.actions()["bucket.frozen"] > 0)
            assert worker.drain() == 0


async def test_a_worker_that_waits_for_its_job_drains_at_once(ledger_url: str, redis_url: str, tmp_path: Path) -> None:
    with sandbox() as api:
        async with crawling(SPEC, postgres_url=ledger_url, redis_url=redis_url, sandbox=api, folder=tmp_path) as crawl:
            worker = crawl.worker(job="default/another")
            await crawl.until(lambda: worker.actions()["worker.waiting"] > 0)
            assert worker.drain() == 0


async def test_a_worker_that_waits_for_its_servers_drains_at_once(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    with sandbox() as api, silent_server() as port:
        async with crawling(SPEC, postgres_url=ledger_url, redis_url=redis_url, sandbox=api, folder=tmp_path) as crawl:
            without_ledger = crawl.worker(postgres_url=f"postgresql://nobody@127.0.0.1:{port}/none")
            without_redis = crawl.worker(redis_url=f"redis://127.0.0.1:{port}/0")
            await crawl.until(lambda: connections(port) >= 2)
            assert without_ledger.drain() == 0
            assert without_redis.drain() == 0
            # It ended in the middle of its attempt, which it would tell about after ten seconds.
            assert without_ledger.actions()["worker.waiting"] == 0


@contextmanager
def silent_server() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def connections(port: int) -> int:
    """How many clients are connected to a port of this machine."""
    suffix = f":{port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(line.split()[2].endswith(suffix) and line.split()[3] == "01" for line in lines)
