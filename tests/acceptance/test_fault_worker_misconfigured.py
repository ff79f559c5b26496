"""What a person must mend ends a worker with status 78 and one line that says how; and no line shows a secret."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from support.processes.crawl_process import SECRET, Crawl, WorkerProcess, crawling
from support.processes.sandbox_process import sandbox
from support.processes.servers import Valkey

SPEC = """{keyspace: {alphabet: abcdefgh, minLength: 2, maxLength: 2}, source: {requestTimeout: 1s},
    rateLimit: {requests: 100, window: 1s}, retry: {initialBackoff: 100ms}}"""
PASSWORD = "a-password-that-no-log-may-show"
TOKEN = re.compile(r"[A-Za-z0-9_-]{60,}")
"""The sandbox's tokens have 86 characters, and nothing else in a log is as long without a space."""


@pytest.fixture
async def crawl(ledger_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Crawl]:
    with sandbox(credentials=[f"known:{SECRET}"]) as api:
        async with crawling(SPEC, postgres_url=ledger_url, redis_url=redis_url, sandbox=api, folder=tmp_path) as crawl:
            yield crawl


async def complaint(crawl: Crawl, worker: WorkerProcess) -> str:
    """The one error of a worker that ends with status 78."""
    assert await crawl.ended(worker) == 78
    assert not secrets_in(worker)
    errors = [line for line in worker.lines() if line["level"] == "error"]
    assert [line["action"] for line in errors] == ["worker.misconfigured"]
    assert "Traceback" not in worker.log.read_text()
    return str(errors[0]["message"])


def secrets_in(worker: WorkerProcess) -> list[str]:
    log = worker.log.read_text()
    return [secret for secret in (SECRET, PASSWORD) if secret in log] + TOKEN.findall(log)


async def test_credentials_that_the_api_denies(crawl: Crawl) -> None:
    assert "check client-id and client-secret" in await complaint(crawl, crawl.worker(client_id="unknown"))


async def test_a_ledger_of_a_newer_release(crawl: Crawl) -> None:
    assert crawl.supervising is not None
    crawl.supervising.cancel()  # It would refuse the ledger, too.
    with psycopg.connect(crawl.postgres_url) as connection:
        connection.execute("INSERT INTO schema_version (version, name) VALUES (9999, 'newer')")
    assert "9999" in await complaint(crawl, crawl.worker(client_id="known"))


async def test_a_database_that_does_not_exist(crawl: Crawl) -> None:
    url = re.sub(r"@/[^?]*", "@/nowhere", crawl.postgres_url)
    assert "no such database" in await complaint(crawl, crawl.worker(postgres_url=url))


async def test_a_ledger_without_tables(crawl: Crawl, database_url: str) -> None:
    assert "artistcrawl migrate" in await complaint(crawl, crawl.worker(postgres_url=database_url))


async def test_a_sandbox_that_nobody_said_where(crawl: Crawl) -> None:
    assert "--base-url" in await complaint(crawl, crawl.worker(base_url=""))


async def test_a_redis_password_that_is_wrong(crawl: Crawl, fresh_redis: Valkey) -> None:
    with fresh_redis.client() as redis:
        redis.config_set("requirepass", "another")
    url = f"redis://:{PASSWORD}@127.0.0.1:{fresh_redis.port}/0"
    assert "user or the password" in await complaint(crawl, crawl.worker(redis_url=url))


@pytest.mark.parametrize("url", [f"redis://:{PASSWORD}@host:port/0", f"http://user:{PASSWORD}@host/"])
async def test_a_redis_url_that_cannot_be_read(crawl: Crawl, url: str) -> None:
    assert "redis://" in await complaint(crawl, crawl.worker(redis_url=url))


async def test_no_secret_is_logged_even_when_everything_is(crawl: Crawl) -> None:
    password = str(conninfo_to_dict(crawl.postgres_url)["password"])
    worker = crawl.worker(client_id="known", log_level="DEBUG")
    await crawl.searched(10)
    crawl.sandbox.control(expire_tokens=True, faults={"rules": [{"match": {"every": 20}, "action": {"status": 500}}]})
    await crawl.finished()
    assert worker.actions()["credential.granted"] == 2
    assert not secrets_in(worker)
    assert password not in worker.log.read_text()
