"""PostgreSQL stopped like a power cut and started again, and replaced by an older copy of itself."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from pathlib import Path

from support.processes.crawl_process import crawling
from support.processes.sandbox_process import sandbox
from support.processes.servers import Postgres
from support.proofs.fault_proof import logged, prove, requests_agree, spec
from support.proofs.oracle import Oracle, write_catalogue

from crawl_core.backends.migrate import migrate

SPENDING_S = 5.0
"""Seconds after which a worker that cannot commit takes no permit."""


FLUSH_S = 1.0
"""Seconds after which a worker commits what it has."""

GRACE_S = 1.5
"""Seconds that a busy machine takes for it, and what is in flight to arrive."""


async def test_a_ledger_that_stops_dead_stops_the_spending_and_costs_no_request(
    fresh_postgres: Postgres, redis_url: str, tmp_path: Path
) -> None:
    await migrate(fresh_postgres.url())
    file = write_catalogue(tmp_path / "artists.csv", 100)
    servers = {"postgres_url": fresh_postgres.url(), "redis_url": redis_url}
    # Ranges so long, and answers so late, that neither their ends nor full buffers stop the spending first.
    keyspace = "{minLength: 2, maxLength: 2, first: '00', last: zz, rangeSize: 324}"
    with sandbox(catalogue=file, latency="40ms") as api:
        async with crawling(spec(keyspace=keyspace), **servers, sandbox=api, folder=tmp_path) as crawl:
            crawl.worker()
            await crawl.searched(50)
            fresh_postgres.stop_immediately()
            stopped_s = time.monotonic()
            await crawl.until(lambda: time.monotonic() > stopped_s + SPENDING_S + GRACE_S)
            spent = api.stats()["arrivals"]
            await crawl.until(lambda: time.monotonic() > stopped_s + SPENDING_S + GRACE_S + 1.5)
            assert api.stats()["arrivals"] == spent
            api.control(latency="none")
            await asyncio.to_thread(fresh_postgres.start_again)
            await crawl.finished()
            prove(crawl, Oracle.of(file))
            requests_agree(crawl)


async def test_a_failover_that_loses_commits_has_only_those_searched_again(
    fresh_postgres: Postgres, redis_url: str, tmp_path: Path
) -> None:
    await migrate(fresh_postgres.url())
    file = write_catalogue(tmp_path / "artists.csv", 300)
    servers = {"postgres_url": fresh_postgres.url(), "redis_url": redis_url}
    with sandbox(catalogue=file, latency="60ms") as api:
        async with crawling(spec(), **servers, sandbox=api, folder=tmp_path) as crawl:
            crawl.worker()
            crawl.worker()
            await crawl.searched(200)
            api.pause()
            await asyncio.to_thread(_copy, fresh_postgres)
            api.resume()
            kept = crawl.value("SELECT sum(requests) FROM crawl_range")
            await crawl.searched(400)
            await asyncio.to_thread(_fall_back, fresh_postgres)
            back_s = time.time()
            api.control(latency="20ms")
            await crawl.finished()
            # What arrived since the copy may be asked for again, and what the workers do until their next flush.
            unaware = sum(entry["received_at_s"] < back_s + FLUSH_S + GRACE_S for entry in api.requests())
            assert len(logged(crawl, "range.fence_lost")) > 0
            assert crawl.repeated() > 0
            prove(crawl, Oracle.of(file), repeated=unaware - kept + 2 * 4)


def _copy(server: Postgres) -> None:
    """A standby that stops following here."""
    server.stop_immediately()
    # With its owner, which is not ours where root runs the tests.
    subprocess.run(["cp", "-a", server.folder, server.folder.with_name("standby")], check=True)
    server.start_again()


def _fall_back(server: Postgres) -> None:
    """The primary dies, and the standby takes its place."""
    server.stop_immediately()
    shutil.rmtree(server.folder)
    server.folder.with_name("standby").rename(server.folder)
    server.start_again()
