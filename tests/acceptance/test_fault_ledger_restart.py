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
from support.proofs.crawl_proof import logged, prove, requests_agree, spec
from support.proofs.oracle import Oracle, write_catalogue

from crawl_core.backends.migrate import migrate

QUIET_S = 3.0
"""Seconds without a request after which nobody spends any more."""

SPENT = 800
"""More requests than four tasks can send, at 40 ms each, in the 5 s in which a worker that cannot commit goes on."""


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
            await crawl.until(lambda: time.time() > api.stats()["last_arrival_s"] + QUIET_S)
            # A third of the strings is left: it is not for want of work that nothing is sent.
            assert api.stats()["arrivals"] < SPENT
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
            api.control(latency="20ms")
            await crawl.finished()
            # What arrived since the copy may be asked for again, until the last of the workers' tasks was told.
            told_s = max(line["time"] for line in logged(crawl, "range.fence_lost"))
            unaware = sum(entry["received_at_s"] < told_s for entry in api.requests())
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
