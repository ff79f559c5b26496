"""What a crawl over two-character strings must show in the end, string by string, against the whole catalogue."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from support.processes.crawl_process import Crawl
from support.proofs.oracle import CAP, Oracle, strings_of

LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"


def spec(*, first: str = "00", last: str = "zz", rate: int = 10_000, **sections: str) -> str:
    """A spec in YAML's flow style: the strings from `first` to `last` in twelve ranges, retried soon."""
    count = 36 * (LETTERS.index(last[0]) - LETTERS.index(first[0])) + LETTERS.index(last[1]) - LETTERS.index(first[1])
    parts = {
        "keyspace": f"{{minLength: 2, maxLength: 2, first: '{first}', last: '{last}', rangeSize: {1 + count // 12}}}",
        "rateLimit": f"{{requests: {rate}, window: 1s}}",
        "retry": "{maxAttempts: 3, initialBackoff: 100ms, maxBackoff: 400ms}",
        "workers": "{concurrency: 4}",
    } | sections
    return "{" + ", ".join(f"{name}: {text}" for name, text in parts.items()) + "}"


def prove(crawl: Crawl, oracle: Oracle, *, dead: Iterable[str] = (), repeated: int = 0) -> None:
    """Every string searched once but for the dead, the right artists with the right names, counters that add up.

    At most `repeated` pages were asked for again after an answer.
    """
    part = crawl.job.spec.keyspace
    strings = {s for s in strings_of(LETTERS, 2) if (part.first or "") <= s <= (part.last or "")} - set(dead)
    searched = crawl.rows("SELECT string, results FROM search")
    assert {string for string, _ in searched} == strings
    assert len(searched) == len(strings)
    assert crawl.value("SELECT sum(searches) FROM crawl_range") == len(strings)
    assert set(dead_letters(crawl)) == set(dead)
    assert crawl.stored() == oracle.exhaustive(strings)
    assert {string: count for string, count in searched if count} == {
        string: min(CAP, len(ids)) for string in strings if (ids := oracle.matching(string))
    }
    names = dict(crawl.rows("SELECT id, name FROM artist"))
    assert names == {artist: oracle.names[artist] for artist in names}
    found = crawl.repeated()
    assert found <= repeated, f"{found} repeated, {repeated} allowed"


def requests_agree(crawl: Crawl) -> None:
    """Every request that arrived is in the ledger's counters, once."""
    assert crawl.value("SELECT sum(requests) FROM crawl_range") == len(crawl.sandbox.requests())


def dead_letters(crawl: Crawl) -> dict[str, tuple[Any, ...]]:
    """{string: (reason, attempts)} of what was given up."""
    return {row[0]: row[1:] for row in crawl.rows("SELECT string, reason, attempts FROM dead_letter")}


def logged(crawl: Crawl, action: str) -> list[dict[str, Any]]:
    """The workers' log lines of one action."""
    return [line for worker in crawl.workers for line in worker.lines() if line.get("action") == action]
