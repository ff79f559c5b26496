"""A run whose Redis refuses: it goes on when that has passed, with the same workers and nothing repeated."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from support.processes.pgbouncer import pgbouncer
from support.processes.redis_refusals import REFUSALS
from support.processes.run_process import RunProcess, run, wait_until, write_job
from support.processes.sandbox_process import SandboxProcess, sandbox
from support.processes.servers import Valkey

STRINGS = 36**2


@pytest.fixture
def api() -> Iterator[SandboxProcess]:
    with sandbox(mode="extended") as process:
        yield process


def job(folder: Path, api: SandboxProcess, *, requests: int) -> Path:
    return write_job(
        folder / "job.yaml",
        keyspace={"minLength": 2, "maxLength": 2, "rangeSize": 36},
        rateLimit={"requests": requests, "window": "1s"},
        source={"requestTimeout": "1s", "baseURL": api.url},
        workers={"min": 2, "max": 2},
    )


def repeated(api: SandboxProcess) -> int:
    asked = Counter((request["query"], request["offset"]) for request in api.requests())
    return sum(count - 1 for count in asked.values())


def searches(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM search").fetchone()
    assert row is not None
    return int(row[0])


def refusals(crawl: RunProcess) -> list[str]:
    """What workers logged that Redis refused."""
    lines = [line for log in (crawl.data / "logs").glob("worker*") for line in log.read_text().splitlines()]
    records = [json.loads(line) for line in lines if line.startswith("{")]
    return [record["message"] for record in records if record.get("action") == "limiter.waits"]


def test_a_run_outlives_each_refusal_with_the_same_workers(
    tmp_path: Path, api: SandboxProcess, ledger_url: str, fresh_redis: Valkey
) -> None:
    urls = ("--postgres", ledger_url, "--redis", fresh_redis.url)
    with run(job(tmp_path, api, requests=30), tmp_path / "data", "--json", *urls) as crawl:
        wait_until(lambda: searches(ledger_url) >= 10, "the crawl begins")
        workers = {process.pid for process in crawl.workers()}
        for code, refusing in REFUSALS.items():
            told, done = len(refusals(crawl)), searches(ledger_url)
            with refusing(fresh_redis):
                wait_until(lambda told=told: len(refusals(crawl)) > told, f"a worker meets {code}: {crawl.stderr}")
            wait_until(lambda done=done: searches(ledger_url) >= done + 10, f"it goes on after {code}: {crawl.stderr}")
        assert {process.pid for process in crawl.workers()} == workers
        crawl.interrupt()
        assert crawl.wait() == 130, crawl.stderr
        assert crawl.summary()["state"] == "Interrupted"
    assert repeated(api) == 0


def test_a_whole_crawl_behind_pgbouncer_in_transaction_mode(
    tmp_path: Path, api: SandboxProcess, database_url: str, fresh_redis: Valkey
) -> None:
    with pgbouncer(database_url, pool_size=3) as pooled_url:
        urls = ("--postgres", pooled_url, "--redis", fresh_redis.url)
        with run(job(tmp_path, api, requests=1000), tmp_path / "data", "--json", *urls) as crawl:
            assert crawl.wait() == 0, crawl.stderr
            summary = crawl.summary()
    assert (summary["state"], summary["searches"]) == ("Succeeded", STRINGS)
    assert repeated(api) == 0
