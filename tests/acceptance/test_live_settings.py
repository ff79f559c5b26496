"""What may be changed while a job is crawled takes effect without a restart, and without a window above the limit."""

from __future__ import annotations

from pathlib import Path

from support.processes.crawl_process import Crawl, WorkerProcess, crawling
from support.processes.sandbox_process import sandbox
from support.processes.servers import Valkey
from support.proofs.crawl_proof import prove_frugal
from support.proofs.oracle import Oracle, small_catalogue

from crawl_core.backends.keys import job_key

KEYSPACE = "keyspace: {alphabet: abcdefghijklmnopqr, minLength: 2, maxLength: 2, rangeSize: 9}"


def spec(
    limit: str = "{requests: 50, window: 1s}", *, concurrency: int = 4, retry: str = "{initialBackoff: 100ms}"
) -> str:
    return f"""{{{KEYSPACE}, source: {{requestTimeout: 1s}}, rateLimit: {limit},
        workers: {{concurrency: {concurrency}}}, retry: {retry}}}"""


def follow_closely(crawl: Crawl) -> WorkerProcess:
    """A worker that reads its job every second: one that ends with the job does."""
    return crawl.worker(once_done="exit")


async def test_a_limit_may_be_raised_lowered_and_stretched_without_a_window_above_it(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    catalogue = small_catalogue(tmp_path)
    with sandbox(catalogue=catalogue, limit="30/1s", latency="10ms") as api:
        async with crawling(
            spec("{requests: 30, window: 1s}"),
            postgres_url=ledger_url,
            redis_url=redis_url,
            sandbox=api,
            folder=tmp_path,
        ) as crawl:
            crawl.worker()
            crawl.worker()
            await used(crawl, 30)
            api.control(limit="60/1s")
            await limit(crawl, "{requests: 60, window: 1s}")
            await used(crawl, 60)
            # What had its permit before the change comes first: what was granted for a tenth of a second ahead.
            for window, granted in (("1s", 10), ("2s", 6)):
                await limit(crawl, f"{{requests: 20, window: {window}}}")
                await more(crawl, granted)
                api.control(limit=f"20/{window}")
                await used(crawl, 20)
            api.control(limit="none")
            await limit(crawl, "{requests: 500, window: 1s}")
            await crawl.finished()
            stats = api.stats()
            assert (stats["windows_over_limit"], stats["rate_limited"]) == (0, 0)
            prove_frugal(crawl, Oracle.of(catalogue))


async def test_concurrency_may_be_raised_and_lowered_and_frees_its_ranges(
    ledger_url: str, redis_url: str, redis_server: Valkey, tmp_path: Path
) -> None:
    catalogue = small_catalogue(tmp_path)
    with sandbox(catalogue=catalogue, latency="20ms") as api, redis_server.client() as redis:
        async with crawling(
            spec(concurrency=2),
            postgres_url=ledger_url,
            redis_url=redis_url,
            sandbox=api,
            folder=tmp_path,
            lease_ttl_s=30,
        ) as crawl:
            follow_closely(crawl)

            def leased() -> int:
                return int(redis.zcard(job_key(crawl.uid, "leases")))

            await crawl.until(lambda: leased() == 2)
            await crawl.apply(spec(concurrency=6))
            await crawl.until(lambda: leased() == 6)
            await crawl.apply(spec(concurrency=1))
            await crawl.until(lambda: leased() == 1)
            assert crawl.value("SELECT count(*) FROM crawl_range WHERE state = 'open'") > 1
            await crawl.apply(spec("{requests: 200, window: 1s}", concurrency=6))
            await crawl.limits()
            await crawl.finished()
            prove_frugal(crawl, Oracle.of(catalogue))


async def test_a_string_is_given_up_after_as_many_attempts_as_the_job_says_now(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    poison = {"rules": [{"match": {"query": "ba"}, "action": {"status": 500}}]}
    with sandbox(faults=poison) as api:
        async with crawling(
            spec("{requests: 500, window: 1s}", retry="{maxAttempts: 100, initialBackoff: 100ms, maxBackoff: 3s}"),
            postgres_url=ledger_url,
            redis_url=redis_url,
            sandbox=api,
            folder=tmp_path,
        ) as crawl:
            worker = follow_closely(crawl)
            await crawl.searched(18**2 - 9)
            await crawl.apply(spec("{requests: 500, window: 1s}", retry="{maxAttempts: 3, initialBackoff: 100ms}"))
            await crawl.finished()
            assert await crawl.ended(worker) == 0
            assert crawl.rows("SELECT string, reason FROM dead_letter") == [("ba", "http_500")]


async def limit(crawl: Crawl, limit: str) -> None:
    """Change the job's limit, and see it in force."""
    await crawl.apply(spec(limit))
    asked = crawl.job.spec.rate_limit
    limits = await crawl.limits()
    assert (limits.requests, limits.window_s) == (asked.requests, asked.window.seconds)


async def used(crawl: Crawl, requests: int) -> None:
    """Wait until a window since the sandbox's last change was nearly full."""
    await crawl.until(lambda: crawl.sandbox.stats()["periods"][-1]["max_in_window"] >= 0.7 * requests, 20)


async def more(crawl: Crawl, requests: int) -> None:
    """Wait for that many arrivals."""
    before = crawl.sandbox.stats()["accepted"]
    await crawl.until(lambda: crawl.sandbox.stats()["accepted"] >= before + requests, 20)
