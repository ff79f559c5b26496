"""What metrics cost: series, a scrape of a real worker, and what is counted at each request.

A scrape is measured on a worker that has nothing else to do, so that all its CPU time is the scrapes'; its share of a
core is for one every 15 s, as Prometheus commonly comes.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

import psutil
from support.processes.crawl_process import Crawl, crawling
from support.processes.sandbox_process import sandbox
from support.processes.servers import Postgres, Valkey, free_port, server_folder
from support.proofs.scrapes import Scrape, scrape

from crawl_core.backends.migrate import migrate
from crawl_core.metrics import definitions as metrics
from crawl_core.metrics.declared import Samples
from crawl_core.metrics.exposition import text_of
from crawl_core.readings.job import BucketFigures, JobFigures
from crawl_core.values.progress import Progress
from tests.bench.rows import Row, at_most, stated

SPEC = "{keyspace: {minLength: 1, maxLength: 1}, workers: {concurrency: 4}}"
SCRAPES = 300
INTERVAL_S = 15.0
REQUEST_CPU_US = 191.0
"""Of a worker, whole: see `worker` in results.md."""
COUNTS = 100_000
JOBS = 200


def run() -> list[Row]:
    """Half a minute."""
    scrape_us, worker = asyncio.run(_worker())
    count_us, jobs_us, series = _counting_us(), _jobs_us(), _job_series()
    return [
        stated("series of a worker, concurrency 4", worker.series, "series"),
        stated("series of a CrawlJob", series, "series"),
        stated("CPU of a scrape of a worker", scrape_us / 1e3, "ms"),
        at_most(f"share of a core, scraped every {INTERVAL_S:.0f} s", scrape_us / 1e6 / INTERVAL_S * 100, 1.0, "%"),
        stated("CPU of a scrape, a CrawlJob", jobs_us / JOBS, "us"),
        stated("counting, CPU a request", count_us, "us"),
        stated("counting, beside a request's whole CPU", count_us / REQUEST_CPU_US * 100, "%"),
    ]


async def _worker() -> tuple[float, Scrape]:
    """CPU microseconds of a scrape, and one of them."""
    with server_folder() as folder, sandbox(traced=False, size=50) as api, tempfile.TemporaryDirectory() as logs:
        postgres, valkey = Postgres(folder / "pg"), Valkey(folder / "valkey", appendonly="no")
        try:
            with postgres.database() as url:
                await migrate(url)
                async with crawling(
                    SPEC, postgres_url=url, redis_url=valkey.url, sandbox=api, folder=Path(logs), lease_ttl_s=30
                ) as crawl:
                    return await _scraped(crawl)
        finally:
            valkey.stop()
            postgres.stop()


async def _scraped(crawl: Crawl) -> tuple[float, Scrape]:
    port = free_port()
    worker = psutil.Process(crawl.worker(metrics_port=f"127.0.0.1:{port}").pid)
    await crawl.finished(timeout_s=120)
    url = f"http://127.0.0.1:{port}/metrics"
    found = await asyncio.to_thread(scrape, url)

    def spent_s() -> float:
        times = worker.cpu_times()
        return times.user + times.system

    before_s, began_s = spent_s(), time.monotonic()
    await asyncio.sleep(5)
    idle_per_s = (spent_s() - before_s) / (time.monotonic() - began_s)
    before_s, began_s = spent_s(), time.monotonic()
    for _ in range(SCRAPES):
        await asyncio.to_thread(scrape, url)
    idle_s = idle_per_s * (time.monotonic() - began_s)
    return (spent_s() - before_s - idle_s) / SCRAPES * 1e6, found


def _counting_us() -> float:
    """What a worker counts at each request that brings a page and ends its string; what it counts at commits aside."""
    began_s = time.process_time()
    for _ in range(COUNTS):
        metrics.PERMIT_WAIT.observe(0.4)
        metrics.REQUESTS.labels("ok").inc()
        metrics.REQUEST_DURATION.observe(0.12)
        metrics.PAGES.labels("first").inc()
    return (time.process_time() - began_s) / COUNTS * 1e6


def _figures(number: int) -> JobFigures:
    progress = Progress(
        covered=1, total=2, open_ranges=3, done_ranges=4, searches=5, requests=6, artists=7, artists_new=8, truncated=9,
        dead_letters=10, retries=11, rate_limited=12, last_commit_at=None, requests_last_minute=13,
    )  # fmt: skip
    bucket = BucketFigures("credential:0123456789ab", 10, 30.0, 5, 0.0, 1)
    conditions = (("Seeded", "True", "Seeded"), ("Progressing", "True", "LimitBinds"), ("Suspended", "False", "No"))
    return JobFigures(
        "music", f"job-{number}", "Crawling", 1.0, conditions=conditions, progress=progress, bucket=bucket
    )


def _jobs_us() -> float:
    """CPU microseconds of the text of JOBS CrawlJobs."""
    jobs = [_figures(number) for number in range(JOBS)]
    began_s = time.process_time()
    text_of(Samples(lambda: (reading for job in jobs for reading in job.readings())))
    return (time.process_time() - began_s) * 1e6


def _job_series() -> int:
    return sum(1 for _ in _figures(0).readings())
