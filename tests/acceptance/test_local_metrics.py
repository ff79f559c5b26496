"""`artistcrawl run --metrics-port`: one address has the job's series and its workers', and they are true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from support.processes.run_process import RunProcess, prepare_data, run, wait_until, write_job
from support.processes.servers import server_folder
from support.proofs.scrapes import Scrape, declared_names, scrape

from crawl_core.metrics import definitions as metrics
from crawl_worker.embedded import EmbeddedValkey

GROUPS = (metrics.WORKER, metrics.BACKENDS, metrics.JOB)
ONLY_SOMETIMES = {
    "artistcrawl_job_completion_timestamp_seconds",  # a run ends when its job does
    "artistcrawl_job_deadline_timestamp_seconds",  # this job has none
}
SLOW = {
    "keyspace": {"minLength": 3, "maxLength": 3},
    "rateLimit": {"requests": 40, "window": "1s"},
    "source": {"requestTimeout": "1s"},
}


def address(crawl: RunProcess) -> str:
    """What the run printed."""
    found = wait_until(
        lambda: re.search(r"metrics are served at (\S+)", f"{crawl.stdout}{crawl.stderr}"), "the address of the metrics"
    )
    return str(found[1])


def both_workers(crawl: RunProcess) -> Scrape:
    """A scrape in which two workers crawl and the job's counts are there."""
    url = address(crawl)

    def seen() -> Scrape | None:
        found = scrape(url)
        crawling = found.values("artistcrawl_worker_state", state="crawling")
        counted = found.values("artistcrawl_job_searches") and found.values("artistcrawl_bucket_slots_free")
        estimated = found.values("artistcrawl_job_estimated_completion_timestamp_seconds")
        return found if crawling == [1.0, 1.0] and counted and estimated else None

    found: Scrape = wait_until(seen, "a scrape with two workers")
    return found


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    prepare_data(folder)
    return folder


@pytest.fixture(scope="module")
def crawl() -> Iterator[RunProcess]:
    """A run that goes on for longer than these tests do; each leaves it crawling."""
    with server_folder() as folder:
        prepare_data(folder / "data")
        job = write_job(folder / "job.yaml", **SLOW)
        with run(job, folder / "data", "--processes", "2", "--metrics-port", "0") as process:
            process.wait_for_searches(50)
            yield process


def test_one_address_has_every_declared_series_and_no_other(crawl: RunProcess) -> None:
    seen = both_workers(crawl)
    assert declared_names(*GROUPS) - seen.names == ONLY_SOMETIMES
    assert seen.undeclared(GROUPS) == []
    assert seen.labels("artistcrawl_worker_info", "worker") == {"worker-1", "worker-2"}


def test_what_workers_count_is_what_the_ledger_has(crawl: RunProcess) -> None:
    url = address(crawl)
    before = crawl.query("SELECT sum(searches) FROM crawl_range")
    seen = scrape(url)
    after = crawl.query("SELECT sum(searches) FROM crawl_range")
    # A commit is counted right after it landed: the ledger may be one commit a range ahead.
    assert before - 60 <= sum(seen.values("artistcrawl_worker_searches_total")) <= after
    requests = sum(seen.values("artistcrawl_worker_requests_total", outcome="ok"))
    assert requests == sum(seen.values("artistcrawl_worker_pages_total"))
    assert requests <= sum(seen.values("artistcrawl_limiter_permits_total", event="granted"))


def test_a_worker_that_was_killed_has_no_series_until_its_successor_has(crawl: RunProcess) -> None:
    url = address(crawl)
    started = sorted(both_workers(crawl).values("artistcrawl_worker_start_timestamp_seconds"))
    for worker in crawl.workers():
        worker.kill()
    newer = wait_until(
        lambda: [at for at in scrape(url).values("artistcrawl_worker_start_timestamp_seconds") if at > started[-1]],
        "the successors' series",
    )
    assert min(newer) > started[-1]
    assert len(scrape(url).values("artistcrawl_worker_start_timestamp_seconds")) <= 2


def test_a_stopped_worker_does_not_hold_up_the_others_series(crawl: RunProcess) -> None:
    url = address(crawl)
    both_workers(crawl)
    first, _ = crawl.workers()
    first.suspend()
    try:
        seen = scrape(url)
        assert len(seen.values("artistcrawl_worker_start_timestamp_seconds")) == 1
        assert seen.value("artistcrawl_job_workers", state="desired") == 2
    finally:
        first.resume()


def test_a_port_that_is_taken_is_refused_before_anything_starts(tmp_path: Path, data: Path) -> None:
    job = write_job(tmp_path / "job.yaml", **SLOW)
    with run(job, data, "--metrics-port", "0") as first:
        port = address(first).rpartition(":")[2].partition("/")[0]
        with run(job, tmp_path / "other", "--metrics-port", port) as second:
            assert second.wait() == 78
            assert f"metrics cannot be served on port {port}" in second.stderr
            assert "--metrics-port" in second.stderr


def test_a_redis_that_forgets_everything_is_seeded_again_whoever_scrapes(crawl: RunProcess) -> None:
    both_workers(crawl)
    server = EmbeddedValkey(crawl.data / "valkey")
    assert server.available()
    with Redis.from_url(server.url) as client:
        client.flushall()
    before = crawl.query("SELECT sum(searches) FROM crawl_range")
    crawl.wait_for_searches(before + 50)


def test_a_port_in_the_environment_is_the_operators_and_stalls_no_run(tmp_path: Path, data: Path) -> None:
    job = write_job(tmp_path / "job.yaml", keyspace={"minLength": 1, "maxLength": 1}, rateLimit=SLOW["rateLimit"])
    with run(job, data, "--processes", "2", "--json", environment={"ARTISTCRAWL_METRICS_PORT": "9477"}) as crawl:
        assert crawl.wait() == 0, crawl.stderr
        assert crawl.summary()["state"] == "Succeeded"


def test_a_run_that_was_scraped_waits_until_its_end_was_seen(tmp_path: Path, data: Path) -> None:
    job = write_job(tmp_path / "job.yaml", keyspace={"minLength": 1, "maxLength": 1}, rateLimit=SLOW["rateLimit"])
    with run(job, data, "--metrics-port", "0", "--json") as crawl:
        url = address(crawl)
        wait_until(lambda: scrape(url).values("artistcrawl_job_searches"), "a first look")
        wait_until(lambda: "waiting for the last scrape" in crawl.stderr, "the end")
        assert scrape(url).value("artistcrawl_job_state", state="Succeeded") == 1
        assert crawl.wait(15) == 0
