"""One string that never gets an answer: given up in time, and searched again when told."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.processes.crawl_process import crawling
from support.processes.sandbox_process import sandbox
from support.proofs.crawl_proof import dead_letters, prove, requests_agree, spec
from support.proofs.oracle import Oracle, write_catalogue

from crawl_core.ledger.dead_letters import replay
from crawl_core.ledger.ledger import Ledger


def _always(query: str, **action: object) -> dict[str, object]:
    return {"rules": [{"match": {"query": query}, "action": action}]}


async def test_a_string_that_always_fails_is_given_up_and_a_replay_finds_it(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    file = write_catalogue(tmp_path / "artists.csv", 300)
    servers = {"postgres_url": ledger_url, "redis_url": redis_url}
    with sandbox(catalogue=file, latency="20ms", faults=_always("ab", status=500)) as api:
        async with crawling(spec(first="a0", last="cz"), **servers, sandbox=api, folder=tmp_path) as crawl:
            crawl.worker()
            await crawl.finished()
            reason, attempts = dead_letters(crawl)["ab"]
            # More than three where only empty pages came between two of them.
            assert (reason, len(dead_letters(crawl)), attempts >= 3) == ("http_500", 1, True)
            prove(crawl, Oracle.of(file), dead=["ab"])
            api.control(faults=None)
            await _replay(ledger_url, crawl.row.id if crawl.row else 0)
            await crawl.finished()
            prove(crawl, Oracle.of(file))
            requests_agree(crawl)


@pytest.mark.parametrize(
    ("action", "reason"),
    [({"status": 500}, "http_500"), ({"body": "invalid-json"}, "invalid_body"), ({"status": 403}, "http_403")],
    ids=["500", "garbage", "403"],
)
async def test_a_bad_string_that_is_alone_does_not_pass_for_an_outage(
    ledger_url: str, redis_url: str, tmp_path: Path, action: dict[str, object], reason: str
) -> None:
    file = write_catalogue(tmp_path / "artists.csv", 300)
    servers = {"postgres_url": ledger_url, "redis_url": redis_url}
    with sandbox(catalogue=file, faults=_always("zz", **action)) as api:
        async with crawling(spec(first="zz", last="zz"), **servers, sandbox=api, folder=tmp_path) as crawl:
            crawl.worker()
            await crawl.finished()
            assert [row[0] for row in dead_letters(crawl).values()] == [reason]
            requests_agree(crawl)


async def test_bad_strings_that_are_alone_together_do_not_pass_for_an_outage(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    file = write_catalogue(tmp_path / "artists.csv", 300)
    rules = [{"match": {"query": query}, "action": {"status": 500}} for query in "ab"]
    servers = {"postgres_url": ledger_url, "redis_url": redis_url}
    # All that there is to search is bad: only a string that nobody wants can show that the API is well.
    keyspace = "{alphabet: ab, minLength: 1, maxLength: 1, rangeSize: 1}"
    with sandbox(catalogue=file, faults={"rules": rules}) as api:
        async with crawling(spec(keyspace=keyspace), **servers, sandbox=api, folder=tmp_path) as crawl:
            crawl.worker()
            await crawl.finished()
            assert dead_letters(crawl).keys() == {"a", "b"}
            requests_agree(crawl)


async def _replay(url: str, job_id: int) -> None:
    ledger = await Ledger.open(url, max_connections=1, application_name="test")
    try:
        assert len(await replay(ledger, job_id)) == 1
    finally:
        await ledger.close()
