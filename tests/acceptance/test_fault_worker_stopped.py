"""A worker that slept past its lease finds its ranges in other hands: nothing of it is committed."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

from support.processes.crawl_process import Crawl, WorkerProcess, crawling
from support.processes.sandbox_process import sandbox
from support.proofs.crawl_proof import prove_frugal
from support.proofs.oracle import Oracle, small_catalogue

SPEC = """{keyspace: {alphabet: abcdefghijkl, minLength: 2, maxLength: 2, rangeSize: 12},
    source: {requestTimeout: 2s}, rateLimit: {requests: 60, window: 1s}, workers: {concurrency: 3}}"""


async def test_the_commit_of_a_worker_that_slept_past_its_lease_is_refused(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    catalogue = small_catalogue(tmp_path)
    with sandbox(catalogue=catalogue, latency="20ms") as api:
        async with crawling(SPEC, postgres_url=ledger_url, redis_url=redis_url, sandbox=api, folder=tmp_path) as crawl:
            sleeper = crawl.worker(client_id="sleeper")
            await stop_before_a_commit(crawl, sleeper)
            crawl.worker(client_id="other")
            await crawl.finished()
            before = everything(crawl)
            sleeper.process.send_signal(signal.SIGCONT)
            await crawl.until(lambda: sleeper.actions()["range.fence_lost"] >= 1)
            assert sleeper.drain() == 0
            assert everything(crawl) == before
            prove_frugal(crawl, Oracle.of(catalogue), sleeper)


async def test_a_worker_that_slept_past_its_lease_works_on_with_other_ranges(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    catalogue = small_catalogue(tmp_path)
    with sandbox(catalogue=catalogue, latency="20ms") as api:
        async with crawling(
            SPEC.replace("60", "40"),
            postgres_url=ledger_url,
            redis_url=redis_url,
            sandbox=api,
            folder=tmp_path,
            lease_ttl_s=2,
        ) as crawl:
            sleeper = crawl.worker(client_id="sleeper")
            await stop_before_a_commit(crawl, sleeper)
            crawl.worker(client_id="other")
            # A range of its has been claimed a second time.
            await crawl.until(lambda: crawl.value("SELECT max(fence) FROM crawl_range") == 2)
            sleeper.process.send_signal(signal.SIGCONT)
            await crawl.finished()
            assert worked_after(crawl, sleeper)
            prove_frugal(crawl, Oracle.of(catalogue), sleeper)


async def stop_before_a_commit(crawl: Crawl, worker: WorkerProcess) -> None:
    """SIGSTOP while it has answers that are not in the ledger."""
    while True:
        await crawl.until(lambda: has_uncommitted_answers(crawl))
        worker.process.send_signal(signal.SIGSTOP)
        worker.broken_at_s = time.time()
        await asyncio.sleep(0.1)  # What PostgreSQL has of it already may still be committed.
        if has_uncommitted_answers(crawl):
            return
        worker.process.send_signal(signal.SIGCONT)


def has_uncommitted_answers(crawl: Crawl) -> bool:
    return len(crawl.answered()) >= crawl.value("SELECT coalesce(sum(requests), 0) FROM crawl_range") + 10


def everything(crawl: Crawl) -> list[tuple[Any, ...]]:
    """All that a commit writes."""
    return crawl.rows(
        "SELECT r.*, s.* FROM crawl_range r, search s WHERE s.string BETWEEN r.first AND r.last ORDER BY s.string"
    )


def worked_after(crawl: Crawl, worker: WorkerProcess) -> bool:
    """Whether the worker asked for something, and committed it, after it had been broken for a lease."""
    since_s = worker.broken_at_s + crawl.lease_ttl_s
    mine = f"worker LIKE '%-{worker.pid}' AND at > to_timestamp({since_s})"
    return bool(crawl.value(f"SELECT count(*) FROM api_request WHERE {mine}"))
