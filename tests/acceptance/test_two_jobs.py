"""Two CrawlJobs on one credential share one budget: the strictest limit holds while its job lasts, and both get on."""

from __future__ import annotations

from pathlib import Path

from support.processes.crawl_process import Crawl, crawling
from support.processes.sandbox_process import SandboxProcess, sandbox
from support.proofs.crawl_proof import prove_ledger, strings_to_search
from support.proofs.oracle import Oracle, small_catalogue

WIDE = """{keyspace: {alphabet: abcdefghijkl, minLength: 2, maxLength: 2, rangeSize: 36},
    source: {requestTimeout: 1s}, rateLimit: {requests: 60, window: 1s}, workers: {concurrency: 4}}"""
STRICT = """{keyspace: {alphabet: abcdef, minLength: 2, maxLength: 2, rangeSize: 16},
    source: {requestTimeout: 1s}, rateLimit: {requests: 30, window: 1s}, workers: {concurrency: 4}}"""


async def test_jobs_of_one_credential_share_the_strictest_limit_until_its_job_ends(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    catalogue = small_catalogue(tmp_path)
    (tmp_path / "strict").mkdir()
    with sandbox(catalogue=catalogue, limit="30/1s", latency="10ms") as api:
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
            assert (await wide.limits()).requests == 60
            api.control(limit="60/1s")
            await wide.finished()
            oracle = Oracle.of(catalogue)
            for crawl in (wide, strict):
                assert prove_ledger(crawl, oracle) == oracle.pages(strings_to_search(crawl))
            assert_within_the_limit(api, limits=["30/1s", "60/1s"])


def searches(crawl: Crawl) -> int:
    return int(crawl.value(f"SELECT count(*) FROM search WHERE run_id = {crawl.run_id}"))


def assert_within_the_limit(api: SandboxProcess, *, limits: list[str]) -> None:
    """Of none of the periods a window held more than was allowed then, and nothing was refused."""
    stats = api.stats()
    assert [period["limit"] for period in stats["periods"]] == limits
    assert (stats["rate_limited"], stats["windows_over_limit"]) == (0, 0)
    # The strict limit was used, and lifted with its job.
    assert stats["periods"][0]["max_in_window"] >= 24
    assert stats["periods"][1]["max_in_window"] > 30
