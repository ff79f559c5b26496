"""Two CrawlJobs on one credential share one budget: the strictest limit holds while a request of its job may arrive."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import psycopg
from support.processes.crawl_process import Crawl, crawling
from support.processes.run_process import run, wait_until
from support.processes.sandbox_process import SandboxProcess, sandbox
from support.proofs.crawl_proof import prove_ledger, strings_to_search
from support.proofs.oracle import Oracle, small_catalogue

WIDE = """{keyspace: {alphabet: abcdefghijklmnopqrstuvwxyz, minLength: 2, maxLength: 2, rangeSize: 36},
    source: {requestTimeout: 1s}, rateLimit: {requests: 60, window: 1s}, workers: {concurrency: 4}}"""
STRICT = """{keyspace: {alphabet: abcdef, minLength: 2, maxLength: 2, rangeSize: 16},
    source: {requestTimeout: 1s}, rateLimit: {requests: 30, window: 1s}, workers: {concurrency: 4}}"""


async def test_jobs_of_one_credential_share_the_strictest_limit_until_its_job_ends(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    catalogue = small_catalogue(tmp_path)
    (tmp_path / "strict").mkdir()
    with sandbox(catalogue=catalogue, limit="60/1s", latency="10ms") as api:
        servers = {"postgres_url": ledger_url, "redis_url": redis_url, "sandbox": api}
        async with (
            crawling(WIDE, **servers, folder=tmp_path, name="wide") as wide,
            crawling(STRICT, **servers, folder=tmp_path / "strict", name="strict") as strict,
        ):
            for crawl in (wide, strict):
                crawl.worker()
            await strict.finished()
            # Half of each other's pace: neither waits for the other to end.
            assert searches(wide) >= searches(strict) / 2
            bound_s = await last_instant_bound(
                strict, until=f"finished_at + interval '{BOUND_S} s' FROM crawl_run WHERE id = {strict.run_id}"
            )
            assert (await wide.limits()).requests == 60
            await wide.finished()
            oracle = Oracle.of(catalogue)
            for crawl in (wide, strict):
                assert prove_ledger(crawl, oracle) == oracle.pages(strings_to_search(crawl))
        # The strict limit was used, and lifted with its job.
        assert 24 <= widest([at for at in arrivals(api) if at <= bound_s], 1.0) <= 30
        assert widest(arrivals(api, since_s=bound_s), 1.0) > 30
        assert (api.stats()["rate_limited"], api.stats()["windows_over_limit"]) == (0, 0)


# A request may arrive 1 s after it was sent; 2.75 s more are the limiter's.
SLOW = STRICT.replace("abcdef", "abcdefghijklmnopqrstuvwxyz").replace(
    "requests: 30, window: 1s", "requests: 10, window: 2s"
)
SLOW_REQUESTS, SLOW_WINDOW_S, BOUND_S = 10, 2.0, 3.75
HEARD_WITHIN_S = 10.0


async def test_a_suspended_job_frees_the_other_from_its_limit_once_no_request_of_it_can_arrive(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    (tmp_path / "slow").mkdir()
    with sandbox(catalogue=small_catalogue(tmp_path), limit="1000/1s", latency="10ms") as api:
        servers = {"postgres_url": ledger_url, "redis_url": redis_url, "sandbox": api}
        async with (
            crawling(WIDE, **servers, folder=tmp_path, name="wide") as wide,
            crawling(SLOW, **servers, folder=tmp_path / "slow", name="slow") as slow,
        ):
            wide.worker(client_id="wide")
            suspended = slow.worker(client_id="slow")
            await slow.searched(10)
            await wide.searched(10)
            assert suspended.drain() == 0
            ended_s = time.time()
            assert await slow.let_go()
            bound_s = await last_instant_bound(wide, until="released_at FROM crawl_job WHERE name = 'slow'")
            await wide.until(lambda: widest(arrivals(api, since_s=bound_s), 1.0) > 2 * SLOW_REQUESTS, 30)
            freed_s = time.time()
            # It goes on, and binds again before its first request.
            await slow.apply(SLOW)
            before = searches(slow)
            slow.worker(client_id="slow")
            await slow.searched(before + 10)
        assert bound_s - ended_s > BOUND_S - 0.5
        assert freed_s - ended_s < BOUND_S + HEARD_WITHIN_S + 10
        assert 1 < widest([at for at in arrivals(api) if at <= bound_s], SLOW_WINDOW_S) <= SLOW_REQUESTS
        assert widest(arrivals(api), 1.0) <= 60
        assert 1 < widest(arrivals(api), SLOW_WINDOW_S, with_one_of=arrivals(api, of="slow")) <= SLOW_REQUESTS


async def last_instant_bound(crawl: Crawl, *, until: str) -> float:
    """The last instant that was seen to be before `until`, an instant in SQL."""
    bound_s = [time.time()]

    def free() -> bool:
        asked_s = time.time()
        if crawl.value(f"SELECT now() >= {until}"):
            return True
        bound_s.append(asked_s)
        return False

    await crawl.until(free)
    return bound_s[-1]


def arrivals(api: SandboxProcess, *, of: str = "", since_s: float = 0.0) -> list[float]:
    """When searches arrived, in order, of everybody or of one client."""
    searches = [request for request in api.requests() if request["query"] and request["received_at_s"] > since_s]
    return sorted(request["received_at_s"] for request in searches if of in ("", request["client_id"]))


def widest(instants: list[float], window_s: float, *, with_one_of: list[float] | None = None) -> int:
    """The most arrivals in any window, or in any that holds one of those."""
    most = 0
    for at in instants:
        within = [other for other in instants if at <= other < at + window_s]
        if with_one_of is None or any(at <= own < at + window_s for own in with_one_of):
            most = max(most, len(within))
    return most


RESTING = """{apiVersion: artistcrawl.dev/v1alpha1, kind: CrawlJob, metadata: {name: resting},
    spec: {rateLimit: {requests: 20, window: 1s}, workers: {max: 1}}}"""


def test_a_run_that_is_ended_binds_nobody_and_one_that_is_killed_does(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    job, urls = tmp_path / "job.yaml", ("--postgres", ledger_url, "--redis", redis_url)
    job.write_text(RESTING)
    with run(job, tmp_path / "data", *urls) as ended:
        wait_until(lambda: value(ledger_url, "SELECT count(*) FROM search"), "a search")
        assert value(ledger_url, "SELECT released_at IS NULL FROM crawl_job")
        ended.interrupt()
        assert ended.wait() == 130
    assert value(ledger_url, "SELECT isfinite(released_at) FROM crawl_job")
    found = value(ledger_url, "SELECT count(*) FROM search")
    with run(job, tmp_path / "data", *urls) as killed:
        wait_until(lambda: value(ledger_url, "SELECT count(*) FROM search") > found, "a search more")
        killed.kill()
    assert value(ledger_url, "SELECT released_at IS NULL FROM crawl_job")


def value(url: str, statement: str) -> Any:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(statement.encode()).fetchone()
    return None if row is None else row[0]


def searches(crawl: Crawl) -> int:
    return int(crawl.value(f"SELECT count(*) FROM search WHERE run_id = {crawl.run_id}"))
