"""Tokens that expire, a token endpoint that fails, and a credential that may not have pages of 50."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest
from support.processes.crawl_process import SECRET, crawling
from support.processes.http_proxy import http_proxy
from support.processes.sandbox_process import SandboxProcess, sandbox
from support.proofs.crawl_proof import logged, prove, requests_agree, spec
from support.proofs.oracle import Oracle, write_catalogue

from crawl_core.job.reasons import TOKEN_UNAVAILABLE

NO_SECOND_CHANCE = "{maxAttempts: 1, initialBackoff: 100ms, maxBackoff: 400ms}"


def _has_issued(api: SandboxProcess, tokens: int) -> bool:
    return bool(api.stats()["tokens_issued"] >= tokens)


async def test_tokens_that_expire_early_are_replaced_and_no_string_has_failed(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    file = write_catalogue(tmp_path / "artists.csv", 300)
    servers = {"postgres_url": ledger_url, "redis_url": redis_url}
    with sandbox(catalogue=file, latency="20ms") as api:
        async with crawling(spec(last="hz", retry=NO_SECOND_CHANCE), **servers, sandbox=api, folder=tmp_path) as crawl:
            crawl.worker()
            for refreshes, searched in enumerate((100, 250, 400), start=1):
                await crawl.searched(searched)
                api.control(expire_tokens=True)
                # A commit may count many strings at once: the next expiry must meet the token that followed.
                await crawl.until(partial(_has_issued, api, refreshes + 1))
            await crawl.finished()
            prove(crawl, Oracle.of(file))
            requests_agree(crawl)
            # At most all that were in flight were refused, and one token was asked for, however many needed it.
            assert 1 <= api.stats()["by_status"]["401"] <= 3 * 4
            assert api.stats()["tokens_issued"] == 4


async def test_a_token_that_ended_during_a_freeze_is_not_sent(ledger_url: str, redis_url: str, tmp_path: Path) -> None:
    file = write_catalogue(tmp_path / "artists.csv", 300)
    servers = {"postgres_url": ledger_url, "redis_url": redis_url}
    rules = [{"match": {"query": "a5", "attempts": 1}, "action": {"status": 429, "retry_after": "21"}}]
    with sandbox(catalogue=file, latency="20ms", token_ttl=20, faults={"rules": rules}) as api:
        async with crawling(spec(first="a0", last="cz"), **servers, sandbox=api, folder=tmp_path) as crawl:
            crawl.worker()
            await crawl.finished()
            assert api.stats()["by_status"]["429"] == 1
            assert api.stats()["by_status"].get("401", 0) == 0


async def test_a_token_endpoint_that_fails_is_asked_again(ledger_url: str, redis_url: str, tmp_path: Path) -> None:
    file = write_catalogue(tmp_path / "artists.csv", 300)
    rules = [
        {"match": {"path": "token", "first_n": 2}, "action": {"status": 503, "body": "html"}},
        {"match": {"path": "token", "first_n": 1}, "action": {"status": 403, "body": "html"}},
        {"match": {"path": "token", "first_n": 1}, "action": {"reset": True}},
        {"match": {"path": "token", "first_n": 1}, "action": {"body": "invalid-json"}},
    ]
    servers = {"postgres_url": ledger_url, "redis_url": redis_url}
    with sandbox(catalogue=file, faults={"rules": rules}) as api:
        async with crawling(spec(first="a0", last="bz"), **servers, sandbox=api, folder=tmp_path) as crawl:
            crawl.worker()
            await crawl.finished()
            prove(crawl, Oracle.of(file))
            requests_agree(crawl)
            reasons = [line["reason"] for line in logged(crawl, "credential.failed")]
            assert reasons == [
                "token_http_503",
                "token_http_503",
                "token_http_403",
                "token_network",
                "invalid_token_body",
            ]


async def test_a_refused_page_size_falls_back_once_and_is_remembered_with_the_job(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    file = write_catalogue(tmp_path / "artists.csv", 600)
    servers = {"postgres_url": ledger_url, "redis_url": redis_url}
    with sandbox(catalogue=file, latency="10ms", mode="development") as api:
        async with crawling(
            spec(first="a0", last="dz", retry=NO_SECOND_CHANCE), **servers, sandbox=api, folder=tmp_path
        ) as crawl:
            first = crawl.worker()
            await crawl.until(lambda: crawl.value("SELECT page_size FROM crawl_job") == 10)
            assert first.drain() == 0
            refused = api.stats()["by_status"]["400"]
            assert 1 <= refused <= 4
            crawl.worker()
            await crawl.finished()
            assert api.stats()["by_status"]["400"] == refused
            prove(crawl, Oracle.of(file))
            requests_agree(crawl)
            assert crawl.value("SELECT count(*) FROM artist WHERE followers IS NOT NULL OR popularity IS NOT NULL") == 0


async def test_a_denial_in_the_middle_of_a_crawl_ends_no_worker_at_once_and_is_told(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    file = write_catalogue(tmp_path / "artists.csv", 300)
    servers = {"postgres_url": ledger_url, "redis_url": redis_url}
    with sandbox(catalogue=file, latency="20ms", credentials=[f"known:{SECRET}"]) as api:
        async with crawling(spec(last="dz"), **servers, sandbox=api, folder=tmp_path) as crawl:
            first = crawl.worker(client_id="known")
            await crawl.searched(20)
            assert first.drain() == 0
            denied = crawl.worker(client_id="denied")
            await crawl.until(lambda: crawl.value("SELECT problem_reason FROM crawl_job") == TOKEN_UNAVAILABLE)
            assert [line["reason"] for line in logged(crawl, "credential.failed")] == ["denied"]
            assert denied.drain() == 0
            crawl.worker(client_id="known")
            await crawl.finished()
            prove(crawl, Oracle.of(file))


async def test_a_crawl_goes_through_the_proxy_where_its_crawljob_says_so(
    ledger_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_catalogue(tmp_path / "artists.csv", 300)
    servers = {"postgres_url": ledger_url, "redis_url": redis_url}
    with sandbox(catalogue=file) as api:
        source = "{proxy: FromEnvironment}"
        async with (
            http_proxy() as proxy,
            crawling(spec(first="a0", last="bz", source=source), **servers, sandbox=api, folder=tmp_path) as crawl,
        ):
            with monkeypatch.context() as environment:
                environment.setenv("http_proxy", proxy.url)
                environment.setenv("no_proxy", "")
                crawl.worker()
            await crawl.finished()
            prove(crawl, Oracle.of(file))
            requests_agree(crawl)
            stats = await asyncio.to_thread(api.stats)
            assert len(proxy.heads) == sum(stats["by_status"].values()) + stats["tokens_issued"]
