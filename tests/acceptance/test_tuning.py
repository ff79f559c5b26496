"""A source's tuning changes while it is crawled: nothing is lost, and nothing is asked for that need not be."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

from support.processes.crawl_process import Crawl, WorkerProcess, crawling
from support.processes.sandbox_process import SandboxProcess, sandbox
from support.proofs.crawl_proof import logged, prove, prove_ledger, requests_agree, spec
from support.proofs.oracle import Oracle, write_catalogue

ONE_CHANCE = "{maxAttempts: 1, initialBackoff: 100ms, maxBackoff: 400ms}"


def follow_closely(crawl: Crawl, client_id: str = "sandbox", **flags: str) -> WorkerProcess:
    """A worker that reads its job every second: one that ends with the job does."""
    return crawl.worker(client_id=client_id, once_done="exit", **flags)


def refused(api: SandboxProcess) -> int:
    return int(api.stats()["by_status"].get("400", 0))


def a_day_passes(crawl: Crawl) -> None:
    """Since a larger page was tried last."""
    crawl.rows("UPDATE crawl_job SET page_size_tried_at = page_size_tried_at - interval '1 day' RETURNING id")


async def test_a_page_size_that_the_api_refused_costs_one_request_a_day_until_it_is_allowed(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    file = write_catalogue(tmp_path / "artists.csv", 1_500)
    servers = {"postgres_url": ledger_url, "redis_url": redis_url}
    slow, fast = (spec(first="a0", last="zz", rate=rate, retry=ONE_CHANCE) for rate in (15, 10_000))
    with sandbox(catalogue=file, latency="10ms", mode="development") as api:
        async with crawling(slow, **servers, sandbox=api, folder=tmp_path) as crawl:
            clients = ["first", "second", "third"]
            follow_closely(crawl, clients[0])
            await crawl.until(lambda: crawl.value("SELECT page_size FROM crawl_job") == 10)
            for client_id in clients[1:]:
                follow_closely(crawl, client_id)
            await crawl.until(lambda: who_asked(api.requests()) == set(clients))
            at_the_start = refused(api)
            assert 1 <= at_the_start <= 4
            for tried in (1, 2):
                a_day_passes(crawl)
                await crawl.until(lambda tried=tried: refused(api) == at_the_start + tried)
            api.control(mode="extended")
            a_day_passes(crawl)
            await crawl.until(lambda: crawl.value("SELECT page_size FROM crawl_job") is None)
            seen = len(api.requests())
            await crawl.until(lambda: who_asked(large(api.requests()[seen:])) == set(clients))
            api.control(mode="development")
            await crawl.until(lambda: crawl.value("SELECT page_size FROM crawl_job") == 10)
            await crawl.apply(fast)
            await crawl.finished()
            prove(crawl, Oracle.of(file))
            requests_agree(crawl)
            assert len(logged(crawl, "page_size.tried")) == 2
            assert len(logged(crawl, "page_size.allowed")) == 1
            # No page came twice, so what is more than the pages is what was refused.
            assert len(api.requests()) == len(crawl.answered()) + refused(api)
            # Each task of each worker at the second fall-back, and a string that may be alone with it.
            assert refused(api) <= at_the_start + 2 + 3 * (4 + 1)


def who_asked(requests: list[dict[str, Any]]) -> set[str]:
    return {each["client_id"] for each in requests}


def large(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in requests if each["limit"] == 50 and each["status"] == 200]


async def test_another_page_size_is_tried_at_once_by_one_request_and_then_asked_for_by_all(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    file = write_catalogue(tmp_path / "artists.csv", 1_500)
    servers = {"postgres_url": ledger_url, "redis_url": redis_url}

    def asking_for(page_size: int, *, rate: int = 15) -> str:
        source = f"{{pageSize: {page_size}}}"
        return spec(first="a0", last="zz", rate=rate, retry=ONE_CHANCE, source=source)

    with sandbox(catalogue=file, latency="10ms", mode="development") as api:
        async with crawling(asking_for(50), **servers, sandbox=api, folder=tmp_path) as crawl:
            follow_closely(crawl)
            await crawl.until(lambda: crawl.value("SELECT page_size FROM crawl_job") == 10)
            follow_closely(crawl)
            before = refused(api)
            await crawl.apply(asking_for(20))
            await crawl.until(lambda: len(logged(crawl, "page_size.tried")) == 1)
            api.control(mode="extended")
            await crawl.apply(asking_for(30))
            await crawl.until(lambda: crawl.value("SELECT page_size FROM crawl_job") is None)
            await crawl.apply(asking_for(30, rate=10_000))
            await crawl.finished()
            assert refused(api) == before + 1
            assert Counter(each["limit"] for each in api.requests() if each["status"] == 400)[20] == 1
            prove(crawl, Oracle.of(file))
            requests_agree(crawl)


async def test_a_request_timeout_is_followed_without_a_restart_and_without_a_window_above_the_limit(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    file = write_catalogue(tmp_path / "artists.csv", 300)
    servers = {"postgres_url": ledger_url, "redis_url": redis_url}
    retry = "{maxAttempts: 100, initialBackoff: 100ms, maxBackoff: 400ms}"

    def waiting(timeout: str) -> str:
        return spec(first="a0", last="hz", rate=40, retry=retry, source=f"{{requestTimeout: {timeout}}}")

    rules = [{"match": {"query": "b0"}, "action": {"stall_s": 3}}]
    with sandbox(catalogue=file, latency="10ms", limit="40/1s", faults={"rules": rules}) as api:
        async with crawling(waiting("1s"), **servers, sandbox=api, folder=tmp_path) as crawl:
            follow_closely(crawl)
            follow_closely(crawl)

            def timeouts() -> int:
                return len([line for line in logged(crawl, "request.failed") if line["string"] == "b0"])

            await crawl.until(lambda: timeouts() >= 2)
            await crawl.apply(waiting("9s"))
            await crawl.until(lambda: bool(crawl.rows("SELECT 1 FROM search WHERE string = 'b0'")))
            await crawl.apply(waiting("1s"))
            await crawl.limits()
            await crawl.finished()
            prove_ledger(crawl, Oracle.of(file))
            assert api.stats()["windows_over_limit"] == 0
            assert api.stats()["rate_limited"] == 0


async def test_workers_that_are_replaced_one_at_a_time_go_on_at_another_address_of_the_same_data(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    file = write_catalogue(tmp_path / "artists.csv", 600)
    servers = {"postgres_url": ledger_url, "redis_url": redis_url}

    def at(api: SandboxProcess, *, rate: int = 30) -> str:
        return spec(last="zz", rate=rate, source=f"{{baseURL: '{api.url}'}}")

    with sandbox(catalogue=file, latency="20ms") as old, sandbox(catalogue=file, latency="20ms") as new:
        async with crawling(at(old), **servers, sandbox=old, folder=tmp_path) as crawl:
            # As the operator starts them: the address is the recorded spec's.
            workers = [crawl.worker(base_url="") for _ in range(3)]
            await crawl.searched(60)
            await crawl.apply(at(new))
            for number, worker in enumerate(workers, start=1):
                assert await asyncio.to_thread(worker.drain) == 0
                crawl.worker(base_url="")
                await crawl.until(lambda number=number: len(new.requests()) > 5 * number)
            last_of_old = len(old.requests())
            await crawl.apply(at(new, rate=10_000))
            await crawl.finished()
            prove_ledger(crawl, Oracle.of(file))
            assert len(old.requests()) == last_of_old
            pages = Counter((each["query"], each["offset"]) for api in (old, new) for each in api.requests())
            assert set(pages.values()) == {1}
            assert crawl.value("SELECT sum(requests) FROM crawl_range") == pages.total()
