"""Redis forgets everything, or only the last while. It costs what was in flight, never a string and never the limit."""

from __future__ import annotations

import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.processes.crawl_process import Crawl, crawling
from support.processes.sandbox_process import sandbox
from support.processes.servers import Valkey, server_folder
from support.proofs.crawl_proof import most_in_a_window, prove_frugal
from support.proofs.oracle import Oracle, small_catalogue

SPEC = """{keyspace: {alphabet: abcdefghijkl, minLength: 2, maxLength: 2, rangeSize: 12},
    source: {requestTimeout: 1s}, rateLimit: {requests: 60, window: 1s}, workers: {concurrency: 3}}"""
LEASE_TTL_S = 3.0
"""When a worker knows at the latest that its ranges went to others."""


async def test_a_flushed_redis_is_filled_again_from_the_ledger(
    ledger_url: str, forgetful_redis: Valkey, tmp_path: Path
) -> None:
    async with disturbed(ledger_url, forgetful_redis, tmp_path) as crawl:
        await crawl.searched(40)
        broken_now(crawl)
        forgetful_redis.flush()


@pytest.mark.slow
async def test_a_redis_that_died_and_came_back_empty_is_filled_again_from_the_ledger(
    ledger_url: str, forgetful_redis: Valkey, tmp_path: Path
) -> None:
    async with disturbed(ledger_url, forgetful_redis, tmp_path) as crawl:
        await crawl.searched(40)
        broken_now(crawl)
        forgetful_redis.restart(keep_data=False)


async def test_a_redis_that_came_back_with_an_old_snapshot_misleads_nobody(
    ledger_url: str, forgetful_redis: Valkey, tmp_path: Path
) -> None:
    async with disturbed(ledger_url, forgetful_redis, tmp_path) as crawl:
        await crawl.searched(25)
        with forgetful_redis.client() as redis:
            redis.save()
        shutil.copy(forgetful_redis.folder / "dump.rdb", tmp_path)
        # Ranges are finished and others begun: what the snapshot has leased and pending is of the past.
        await crawl.until(lambda: crawl.value("SELECT count(*) FROM crawl_range WHERE state = 'done'") >= 3)
        broken_now(crawl)
        forgetful_redis.kill()
        shutil.copy(tmp_path / "dump.rdb", forgetful_redis.folder)
        forgetful_redis.restart(keep_data=True)


@pytest.fixture
def forgetful_redis() -> Iterator[Valkey]:
    """A server that writes nothing down unless told to."""
    with server_folder() as folder:
        server = Valkey(folder / "valkey", appendonly="no", save="")
        yield server
        server.stop()


@asynccontextmanager
async def disturbed(ledger_url: str, redis: Valkey, folder: Path) -> AsyncIterator[Crawl]:
    """A crawl of two workers. After the fault, which the test makes, it must end as if nothing had been."""
    catalogue = small_catalogue(folder)
    with sandbox(catalogue=catalogue, latency="20ms") as api:
        async with crawling(
            SPEC, postgres_url=ledger_url, redis_url=redis.url, sandbox=api, folder=folder, lease_ttl_s=LEASE_TTL_S
        ) as crawl:
            crew = [crawl.worker(client_id=f"worker-{number}") for number in range(2)]
            yield crawl
            await crawl.finished()
            prove_frugal(crawl, Oracle.of(catalogue), *crew, deaf_s=LEASE_TTL_S)
            assert most_in_a_window(crawl, window_s=1.0) <= 60
            assert [worker.drain() for worker in crew] == [0, 0]


def broken_now(crawl: Crawl) -> None:
    """All workers lose their leases in this moment."""
    for worker in crawl.workers:
        worker.broken_at_s = time.time()
