"""An API that calls a request wrong: one string is given up at once, all of them are an outage."""

from __future__ import annotations

from pathlib import Path

from support.processes.crawl_process import Crawl, crawling
from support.processes.sandbox_process import sandbox
from support.proofs.crawl_proof import dead_letters, prove, spec
from support.proofs.oracle import Oracle, write_catalogue


async def test_a_string_that_is_refused_is_given_up_and_is_no_problem_of_the_job(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    file = write_catalogue(tmp_path / "artists.csv", 300)
    servers = {"postgres_url": ledger_url, "redis_url": redis_url}
    faults = {"rules": [{"match": {"query": "ab"}, "action": {"status": 400, "message": "not this one"}}]}
    with sandbox(catalogue=file, latency="20ms", faults=faults) as api:
        async with crawling(spec(first="a0", last="cz"), **servers, sandbox=api, folder=tmp_path) as crawl:
            crawl.worker()
            await crawl.finished()
            prove(crawl, Oracle.of(file), dead=["ab"])
            assert dead_letters(crawl)["ab"][0] == "http_400"
            # Twice, since only what other strings get in between tells a bad string from a locked door.
            assert api.stats()["by_status"]["400"] <= 3
            assert crawl.value("SELECT last_error FROM dead_letter") == "not this one"
            assert _problem(crawl) is None


async def test_an_api_that_refuses_everything_has_no_string_given_up_and_a_person_is_told_while_it_lasts(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    file = write_catalogue(tmp_path / "artists.csv", 300)
    servers = {"postgres_url": ledger_url, "redis_url": redis_url}
    with sandbox(catalogue=file, latency="20ms") as api:
        async with crawling(spec(last="zz"), **servers, sandbox=api, folder=tmp_path) as crawl:
            crawl.worker(once_done="exit")
            await crawl.searched(100)
            api.control(outage={"status": 400})
            await crawl.until(lambda: api.stats()["by_status"].get("400", 0) >= 9)
            await crawl.until(lambda: _problem(crawl) == "RequestRejected")
            api.control(outage=None)
            await crawl.until(lambda: _problem(crawl) is None)
            await crawl.finished()
            prove(crawl, Oracle.of(file))


def _problem(crawl: Crawl) -> str | None:
    reason: str | None = crawl.value("SELECT problem_reason FROM crawl_job")
    return reason
