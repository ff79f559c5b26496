"""A crawl that the version before began: its ledger is migrated half way, and this version's workers finish it."""

from __future__ import annotations

from pathlib import Path

from support.former.ledgers import BEFORE_SOURCES, steps_until, write_back
from support.processes.crawl_process import crawling
from support.processes.sandbox_process import sandbox
from support.proofs.crawl_proof import prove_frugal
from support.proofs.oracle import Oracle, small_catalogue

from crawl_core.backends.migrate import migrate

SPEC = """{keyspace: {alphabet: abcdefghijkl, minLength: 2, maxLength: 2, rangeSize: 24},
    source: {requestTimeout: 2s}, rateLimit: {requests: 50, window: 1s}, workers: {concurrency: 3}}"""


async def test_a_crawl_that_the_version_before_began_is_finished_and_repeats_what_its_workers_had_not_committed(
    ledger_url: str, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """Redis goes on with the leases of the workers that ended: its ranges are those of the migrated ledger."""
    catalogue = small_catalogue(tmp_path)
    with sandbox(catalogue=catalogue, latency="20ms") as api:
        servers = {"redis_url": redis_url, "sandbox": api, "folder": tmp_path}
        async with crawling(SPEC, postgres_url=ledger_url, **servers) as crawl:
            crew = [crawl.worker(client_id=f"before-{number}") for number in range(2)]
            await crawl.searched(60)
            for worker in crew:
                worker.kill()
        await migrate(database_url, known=steps_until(BEFORE_SOURCES))
        await write_back(ledger_url, to=database_url)
        await migrate(database_url)
        async with crawling(SPEC, postgres_url=database_url, **servers) as crawl:
            crawl.worker(client_id="after")
            await crawl.finished()
            prove_frugal(crawl, Oracle.of(catalogue), *crew)
            assert len({entry["client_id"] for entry in crawl.answered()}) == 3
