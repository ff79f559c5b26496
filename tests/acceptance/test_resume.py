"""A job applied anew goes on where it was, one whose data was deleted starts anew, and workers of neither linger."""

from __future__ import annotations

import time
from pathlib import Path

from support.fakes.ledgers import open_ledger
from support.processes.crawl_process import crawling
from support.processes.sandbox_process import sandbox
from support.processes.servers import Valkey
from support.proofs.crawl_proof import prove_frugal, prove_ledger, strings_to_search
from support.proofs.oracle import Oracle, small_catalogue

from crawl_core.ledger import jobs

SPEC = """{keyspace: {alphabet: abcdefghijkl, minLength: 2, maxLength: 2, rangeSize: 12},
    source: {requestTimeout: 1s}, rateLimit: {requests: 60, window: 1s}, workers: {concurrency: 3}}"""


async def test_a_crawl_goes_on_where_it_was_after_everything_was_stopped_and_redis_emptied(
    ledger_url: str, redis_url: str, redis_server: Valkey, tmp_path: Path
) -> None:
    catalogue = small_catalogue(tmp_path)
    with sandbox(catalogue=catalogue, latency="10ms") as api:
        servers = {"postgres_url": ledger_url, "redis_url": redis_url, "sandbox": api, "folder": tmp_path}
        async with crawling(SPEC, **servers) as crawl:
            first = [crawl.worker(), crawl.worker()]
            await crawl.searched(40)
            assert [worker.drain() for worker in first] == [0, 0]
        redis_server.flush()
        async with crawling(SPEC, **servers) as crawl:
            crawl.worker()
            await crawl.finished()
            prove_frugal(crawl, Oracle.of(catalogue))


async def test_a_job_applied_anew_under_another_uid_goes_on_where_it_was(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    catalogue = small_catalogue(tmp_path)
    with sandbox(catalogue=catalogue, latency="10ms") as api:
        async with crawling(SPEC, postgres_url=ledger_url, redis_url=redis_url, sandbox=api, folder=tmp_path) as crawl:
            old = crawl.worker(client_id="old", once_done="exit")
            await crawl.searched(40)
            old.broken_at_s = time.time()
            await crawl.apply(SPEC, uid="another-uid")
            crawl.worker(client_id="new")
            assert await crawl.ended(old) == 0
            assert old.actions()["job.gone"] == 1
            await crawl.finished()
            # Its ranges are somebody else's before it knows; its next commit tells it.
            prove_frugal(crawl, Oracle.of(catalogue), old, deaf_s=2.5)


async def test_workers_of_a_deleted_job_drain_and_the_next_job_of_its_name_starts_anew(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    catalogue = small_catalogue(tmp_path)
    with sandbox(catalogue=catalogue, latency="10ms") as api:
        async with crawling(SPEC, postgres_url=ledger_url, redis_url=redis_url, sandbox=api, folder=tmp_path) as crawl:
            old = crawl.worker(once_done="exit")
            await crawl.searched(40)
            async with open_ledger(ledger_url) as ledger:
                await jobs.mark_deleted(ledger, crawl.id)
            assert await crawl.ended(old) == 0
            asked = len(crawl.answered())
            await crawl.apply(SPEC, uid="another-uid")
            crawl.worker()
            await crawl.finished()
            oracle = Oracle.of(catalogue)
            pages = oracle.pages(strings_to_search(crawl))
            assert prove_ledger(crawl, oracle) == pages == len(crawl.answered()) - asked
