"""A worker that is killed costs what it had not committed yet, and nothing else."""

from __future__ import annotations

import random
from pathlib import Path

from support.processes.crawl_process import Crawl, WorkerProcess, crawling
from support.processes.sandbox_process import sandbox
from support.processes.servers import Valkey
from support.proofs.crawl_proof import prove_frugal
from support.proofs.oracle import Oracle, small_catalogue, strings_of, write_catalogue

from crawl_core.backends.keys import job_key

SPEC = """{keyspace: {alphabet: abcdefghijkl, minLength: 2, maxLength: 2, rangeSize: 12},
    source: {requestTimeout: 2s}, rateLimit: {requests: 50, window: 1s}, workers: {concurrency: 3}}"""


async def test_workers_killed_at_random_moments_lose_at_most_a_flush_interval(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    catalogue = small_catalogue(tmp_path)
    with sandbox(catalogue=catalogue, latency="20ms") as api:
        async with crawling(SPEC, postgres_url=ledger_url, redis_url=redis_url, sandbox=api, folder=tmp_path) as crawl:
            crew = [crawl.worker(client_id=f"worker-{number}") for number in range(2)]
            killed = [await kill_one(crawl, crew, after=after) for after in (25, 60, 95)]
            await crawl.finished()
            prove_frugal(crawl, Oracle.of(catalogue), *killed)


async def kill_one(crawl: Crawl, crew: list[WorkerProcess], *, after: int) -> WorkerProcess:
    """Kill one of the crew that has work, once so many searches are done, and put another in its place."""
    await crawl.until(lambda: len(crawl.answered()) >= after)
    asked = {entry["client_id"] for entry in crawl.answered()}
    victim = random.choice([worker for worker in crew if worker.client_id in asked])
    victim.kill()
    crew[crew.index(victim)] = crawl.worker(client_id=f"worker-{len(crawl.workers)}")
    return victim


async def test_children_of_a_worker_killed_before_it_could_push_them_are_found_by_the_next_seeding(
    ledger_url: str, redis_url: str, redis_server: Valkey, tmp_path: Path
) -> None:
    catalogue = write_catalogue(tmp_path / "artists.csv", 0, dense={"a": 1200})
    spec = """{keyspace: {alphabet: abc, minLength: 1, maxLength: 3, rangeSize: 3}, source: {requestTimeout: 30s},
        rateLimit: {requests: 100, window: 1s}}"""
    with sandbox(catalogue=catalogue, latency="3s") as api, redis_server.client() as redis:
        async with crawling(spec, postgres_url=ledger_url, redis_url=redis_url, sandbox=api, folder=tmp_path) as crawl:
            victim = crawl.worker()
            await crawl.until(lambda: api.stats()["arrivals"] > 0)
            async with crawl.seeding:
                # Before the first answer comes, Redis takes no script: the commit goes through, the push of the
                # children does not.
                redis.execute_command("CLIENT", "PAUSE", "60000", "WRITE")
                api.control(latency="none")
                await crawl.until(lambda: crawl.value("SELECT count(*) FROM crawl_range WHERE length = 2") == 1)
                victim.kill()
                redis.execute_command("CLIENT", "UNPAUSE")
                child = crawl.value("SELECT id FROM crawl_range WHERE length = 2")
                assert redis.zscore(job_key(crawl.uid, "pending"), child) is None, "the fault did not happen"
            crawl.worker()
            await crawl.finished()
            assert crawl.stored() == Oracle.of(catalogue).exhaustive(strings_of("abc", 2))
            assert crawl.rows("SELECT string FROM search ORDER BY 1") == [
                ("a",), ("aa",), ("ab",), ("ac",), ("b",), ("c",)
            ]  # fmt: skip
