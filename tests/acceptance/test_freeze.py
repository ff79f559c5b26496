"""A 429 pauses everybody, for as long as it says, wherever that is written down, and is nobody's failure."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest
from support.processes.crawl_process import Crawl, crawling
from support.processes.sandbox_process import sandbox
from support.processes.servers import Postgres, Valkey
from support.proofs.crawl_proof import logged, prove, requests_agree, spec
from support.proofs.oracle import Oracle, write_catalogue

from crawl_core.backends.migrate import migrate
from crawl_core.backends.scripts import connect_redis
from crawl_core.limiter.bucket import Bucket, BucketView

LATE_S = 5.0
"""Seconds that a slow and busy machine may take from an answer to what follows from it. The promise is no earlier."""

CONCURRENCY = 4
"""Requests that may be on their way when the freeze is written down, as many as the worker has tasks."""

DAY_S = 86_400
NO_SECOND_CHANCE = "{maxAttempts: 1, initialBackoff: 100ms, maxBackoff: 400ms}"


@pytest.mark.parametrize(
    ("said", "pause_s"),
    [("3", 3.0), ("0", 1.0), ("missing", 1.0), ("Fri, 31 Dec 1999 23:59:59 GMT", 1.0)],
    ids=["3", "0", "missing", "text"],
)
async def test_a_429_pauses_everybody_for_what_it_says_or_for_a_window(
    ledger_url: str, redis_url: str, tmp_path: Path, said: str, pause_s: float
) -> None:
    file = write_catalogue(tmp_path / "artists.csv", 300)
    action = {"status": 429, "retry_after": said, "body": "text"}
    servers = {"postgres_url": ledger_url, "redis_url": redis_url}
    text = spec(first="a0", last="dz", rate=80, retry=NO_SECOND_CHANCE)
    with sandbox(catalogue=file, faults={"rules": [{"match": {"query": "dc", "first_n": 1}, "action": action}]}) as api:
        async with crawling(text, **servers, sandbox=api, folder=tmp_path) as crawl:
            crawl.worker()
            await crawl.finished()
            prove(crawl, Oracle.of(file))
            requests_agree(crawl)
            assert crawl.value("SELECT sum(rate_limited) FROM crawl_range") == 1
            arrivals = [entry["received_at_s"] for entry in api.requests()]
            (refused_s,) = (entry["received_at_s"] for entry in api.requests() if entry["status"] == 429)
            (frozen,) = logged(crawl, "bucket.frozen")
            until_s = frozen["frozen_until_us"] / 1e6
            assert refused_s + pause_s <= until_s < refused_s + pause_s + LATE_S
            assert sum(frozen["time"] < at < until_s for at in arrivals) <= CONCURRENCY
            assert min(at for at in arrivals if at > until_s) < until_s + LATE_S


async def test_a_freeze_of_a_day_outlives_workers_redis_and_ledger_until_a_person_lifts_it(
    fresh_postgres: Postgres, fresh_redis: Valkey, tmp_path: Path
) -> None:
    await migrate(fresh_postgres.url())
    file = write_catalogue(tmp_path / "artists.csv", 300)
    faults = {"rules": [{"match": {"query": "4a", "first_n": 1}, "action": {"status": 429, "retry_after": str(DAY_S)}}]}
    servers = {"postgres_url": fresh_postgres.url(), "redis_url": fresh_redis.url}
    text = spec(last="fz", source="{requestTimeout: 1s}", retry=NO_SECOND_CHANCE)
    with sandbox(catalogue=file, latency="20ms", faults=faults) as api:
        async with crawling(text, **servers, sandbox=api, folder=tmp_path) as crawl:
            crawl.worker()
            crawl.worker()
            await crawl.until(lambda: _frozen_s(crawl) > DAY_S - 60)
            assert (await _bucket(crawl)).frozen_until_us / 1e6 > time.time() + DAY_S - 60
            for worker in crawl.workers:
                assert worker.drain() == 0
            asked = len(api.requests())
            fresh_redis.restart(keep_data=False)
            fresh_postgres.stop_immediately()
            await asyncio.to_thread(fresh_postgres.start_again)
            worker = crawl.worker()
            await crawl.until(lambda: "limiter.bucket_made" in worker.actions())
            made_s = time.monotonic()
            assert (await _bucket(crawl)).frozen_until_us / 1e6 > time.time() + DAY_S - 60
            # Only the freeze holds requests back now: the floor of a bucket made anew is the request's timeout, the
            # window and 0.6 s away.
            await crawl.until(lambda: time.monotonic() > made_s + 1.0 + 1.0 + 0.6 + 0.5)
            assert len(api.requests()) == asked
            await _unfreeze(crawl)
            await crawl.finished()
            prove(crawl, Oracle.of(file))
            requests_agree(crawl)


def _frozen_s(crawl: Crawl) -> float:
    """Seconds that the ledger says the bucket is frozen for."""
    rows = crawl.rows("SELECT coalesce(extract(epoch FROM frozen_until - now()), 0)::float8 FROM bucket")
    return float(rows[0][0]) if rows else 0.0


async def _bucket(crawl: Crawl) -> BucketView:
    """What Redis says of it."""
    assert crawl.row is not None
    redis = connect_redis(crawl.redis_url)
    try:
        view = await Bucket(redis, str(crawl.row.bucket)).look()
    finally:
        await redis.aclose()
    assert isinstance(view, BucketView)
    return view


async def _unfreeze(crawl: Crawl) -> None:
    assert crawl.row is not None
    command = [sys.executable, "-m", "crawl_worker.cli", "unfreeze", str(crawl.row.bucket)]
    command += ["--postgres", crawl.postgres_url, "--redis", crawl.redis_url]
    process = await asyncio.create_subprocess_exec(*command)
    assert await process.wait() == 0
