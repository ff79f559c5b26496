"""Pages without items though their total says that there are some: seen means seen, and nothing is done without."""

from __future__ import annotations

from pathlib import Path

from support.processes.crawl_process import crawling
from support.processes.sandbox_process import sandbox
from support.proofs.crawl_proof import dead_letters, spec
from support.proofs.oracle import Oracle, write_catalogue

NO_ITEMS: dict[str, object] = {"body": "no-items"}


async def test_empty_pages_of_everybody_cost_no_artist(ledger_url: str, redis_url: str, tmp_path: Path) -> None:
    file = write_catalogue(tmp_path / "artists.csv", 300, dense={"a": 100, "b": 100, "c": 100})
    servers = {"postgres_url": ledger_url, "redis_url": redis_url}
    # The first thirty pages that there are, whoever asks for them.
    faults = {"rules": [{"match": {"first_n": 30}, "action": NO_ITEMS}]}
    with sandbox(catalogue=file, latency="20ms", faults=faults) as api:
        async with crawling(spec(first="a0", last="cz"), **servers, sandbox=api, folder=tmp_path) as crawl:
            crawl.worker()
            await crawl.finished()
            assert sum(rule["fired"] for rule in api.stats()["faults"]) == 30
            assert dead_letters(crawl) == {}
            # A total of one or two may be too high: there two empty pages in a row are the end.
            oracle, results = Oracle.of(file), dict(crawl.rows("SELECT string, results FROM search"))
            found = {string: len(oracle.matching(string)) for string in results}
            assert [string for string, count in found.items() if count > 2 and results[string] != count] == []


async def test_a_first_page_that_stays_empty_is_given_up_and_a_later_one_ends_its_string(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    file = write_catalogue(tmp_path / "artists.csv", 300, dense={"ab": 120, "ad": 120})
    servers = {"postgres_url": ledger_url, "redis_url": redis_url}
    rules = [{"match": {"query": query, "offset": at}, "action": NO_ITEMS} for query, at in (("ab", 0), ("ad", 100))]
    with sandbox(catalogue=file, latency="20ms", faults={"rules": rules}) as api:
        async with crawling(spec(first="a0", last="cz"), **servers, sandbox=api, folder=tmp_path) as crawl:
            crawl.worker()
            await crawl.finished()
            assert {string: reason for string, (reason, _) in dead_letters(crawl).items()} == {"ab": "empty_page"}
            results, total = crawl.rows("SELECT results, total FROM search WHERE string = 'ad'")[0]
            assert (results, total) == (100, len(Oracle.of(file).matching("ad")))
