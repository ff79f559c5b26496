"""Every kind of bad answer, several times: all strings are found in the end, and each retry is counted."""

from __future__ import annotations

from pathlib import Path

from support.processes.crawl_process import crawling
from support.processes.sandbox_process import sandbox
from support.proofs.crawl_proof import logged, prove, requests_agree, spec
from support.proofs.oracle import Oracle, write_catalogue

TIMEOUT = "{requestTimeout: 1s}"
BAD: dict[str, dict[str, object]] = {
    "http_500": {"status": 500},
    "http_502": {"status": 502, "body": "html"},
    "http_503": {"status": 503, "body": "empty"},
    "answer_timeout": {"stall_s": 2.0, "stall_at": "inside"},
    "answer_closed": {"body": "cut"},
    "invalid_body": {"body": "invalid-json"},
}
ALSO: list[dict[str, object]] = [{"body": "empty"}, {"reset": True}, {"close_after_read": True}, {"drop": True}]
STRINGS = "bc"
"""Of each kind, the strings that begin so fail, each twice."""


async def test_bad_answers_of_every_kind_cost_a_retry_each_and_no_string(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    file = write_catalogue(tmp_path / "artists.csv", 300)
    actions = [*BAD.values(), *ALSO]
    rules = [
        {"match": {"query": f"{first}{number}", "offset": 0, "attempts": 2}, "action": action}
        for number, action in enumerate(actions)
        for first in STRINGS
    ]
    servers = {"postgres_url": ledger_url, "redis_url": redis_url}
    with sandbox(catalogue=file, latency="20ms", faults={"rules": rules}) as api:
        async with crawling(
            spec(first="a0", last="cz", source=TIMEOUT), **servers, sandbox=api, folder=tmp_path
        ) as crawl:
            crawl.worker()
            await crawl.finished()
            fired = 2 * len(rules)
            assert sum(rule["fired"] for rule in api.stats()["faults"]) == fired
            assert crawl.value("SELECT sum(retries) FROM crawl_range") == fired
            # Stalled, cut, invalid and empty ones left the API as answers.
            prove(crawl, Oracle.of(file), repeated=2 * len(STRINGS) * 4)
            requests_agree(crawl)
            assert {row[0] for row in crawl.rows("SELECT outcome FROM api_request")} >= set(BAD) | {"ok"}
            delays = {line["delay_s"] for line in logged(crawl, "request.failed")}
            assert 0.05 <= min(delays) <= max(delays) <= 0.4
            assert len(delays) > 10
