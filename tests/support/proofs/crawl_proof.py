"""What a crawl must have done: shown string by string, from the catalogue's file and the sandbox's log.

`prove` is for a crawl that may repeat a stated number of requests; `prove_frugal` for one whose workers were broken: it
finds a reason for each repeat. `prove_ledger` looks at the ledger alone.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from support.processes.crawl_process import Crawl, WorkerProcess
from support.proofs.oracle import CAP, Oracle, strings_of

LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"

FLUSH_INTERVAL_S = 1.0
"""How long a worker may keep answers before it commits them: its writer's FLUSH_AGE_S."""

GRACE_S = 1.0
"""The way of an answer into the ledger: its own latency, and the commit's."""

LOOKS = 4
"""What a slow machine adds: as many of the supervisor's slowest looks, each of which is a few statements as well."""


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


def strings_to_search(crawl: Crawl) -> set[str]:
    """The keyspace of a job whose strings have one length, computed without our code."""
    keyspace = crawl.job.spec.keyspace
    assert keyspace.min_length == keyspace.max_length
    strings = strings_of(keyspace.alphabet, keyspace.min_length)
    return {string for string in strings if (keyspace.first or "") <= string <= (keyspace.last or string)}


def prove_ledger(crawl: Crawl, oracle: Oracle, *, dead: Iterable[str] = ()) -> int:
    """Every string is searched once but for the dead, the right artists are stored, and the counters add up.

    Returns how many requests the ledger counts.
    """
    strings, of_run = strings_to_search(crawl) - set(dead), f"WHERE run_id = {crawl.run_id}"
    searches = crawl.rows(f"SELECT string, results FROM search {of_run}")
    assert {string for string, _ in searches} == strings
    assert len(searches) == len(strings)
    assert dead_letters(crawl).keys() == set(dead)
    assert {string: results for string, results in searches if results} == {
        string: min(CAP, len(ids)) for string in strings if (ids := oracle.matching(string))
    }
    artists = oracle.exhaustive(strings)
    names = dict(crawl.rows(f"SELECT artist_id, artist_name FROM run_artists {of_run}"))
    assert names == {artist: oracle.names[artist] for artist in artists}
    counted = crawl.rows(f"SELECT sum(searches), sum(artists), sum(requests) FROM crawl_range {of_run}")[0]
    assert counted[:2] == (len(strings), len(artists))
    requests = int(counted[2])
    if not dead:
        assert requests >= oracle.pages(strings, page_size=crawl.job.spec.source.page_size)
    return requests


def prove(crawl: Crawl, oracle: Oracle, *, dead: Iterable[str] = (), repeated: int = 0) -> None:
    """As `prove_ledger`, and at most `repeated` pages were asked for again after an answer."""
    prove_ledger(crawl, oracle, dead=dead)
    asked_again = crawl.repeated()
    assert asked_again <= repeated, f"{asked_again} repeated, {repeated} allowed"


def prove_frugal(crawl: Crawl, oracle: Oracle, *broken: WorkerProcess, deaf_s: float = 0.0) -> None:
    """As `prove_ledger`, and nothing is repeated but what a broken worker had in flight or kept for a flush interval.

    A worker that lives on without knowing that its ranges went to others is broken for `deaf_s` more.
    """
    requests = prove_ledger(crawl, oracle)
    assert requests <= len(crawl.answered())
    lost = lost_answers(crawl)
    assert len(crawl.answered()) - len(lost) == oracle.pages(strings_to_search(crawl))
    for answer in lost:
        explained = any(_within(answer, worker, deaf_s, grace_s(crawl)) for worker in broken)
        assert explained, f"no fault explains the repeat of {answer}"
    for worker in broken:
        cost = sum(entry["client_id"] == worker.client_id for entry in lost)
        assert cost <= bound(crawl, worker), f"{worker.client_id} cost {cost} requests"


def requests_agree(crawl: Crawl) -> None:
    """Every request that arrived is in the ledger's counters, once."""
    assert crawl.value("SELECT sum(requests) FROM crawl_range") == len(crawl.sandbox.requests())


def dead_letters(crawl: Crawl) -> dict[str, tuple[Any, ...]]:
    """{string: (reason, attempts)} of what was given up."""
    rows = crawl.rows(f"SELECT string, reason, attempts FROM dead_letter WHERE run_id = {crawl.run_id}")
    return {string: (reason, attempts) for string, reason, attempts in rows}


def logged(crawl: Crawl, action: str) -> list[dict[str, Any]]:
    """The workers' log lines of one action."""
    return [line for worker in crawl.workers for line in worker.lines() if line.get("action") == action]


def lost_answers(crawl: Crawl) -> list[dict[str, Any]]:
    """Answers that had to be asked for again: of each page all but the last."""
    pages: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for entry in crawl.answered():
        pages[entry["query"], entry["offset"]].append(entry)
    return [entry for answers in pages.values() for entry in answers[:-1]]


def grace_s(crawl: Crawl) -> float:
    """Seconds that an answer may take into the ledger, on the machine as it was during this crawl."""
    return GRACE_S + LOOKS * crawl.slowest_look_s


def bound(crawl: Crawl, worker: WorkerProcess) -> int:
    """The most that this worker ever asked for in a flush interval, and `concurrency` in flight."""
    times = [entry["received_at_s"] for entry in crawl.answered() if entry["client_id"] == worker.client_id]
    kept_s = FLUSH_INTERVAL_S + grace_s(crawl)
    busiest = max((sum(at <= t < at + kept_s for t in times) for at in times), default=0)
    return busiest + crawl.job.spec.workers.concurrency


def _within(answer: dict[str, Any], worker: WorkerProcess, deaf_s: float, late_s: float) -> bool:
    # What it had written when it broke, a busy sandbox reads a little later.
    since_s: float = answer["received_at_s"] - worker.broken_at_s
    return bool(answer["client_id"] == worker.client_id) and -FLUSH_INTERVAL_S - late_s <= since_s <= deaf_s + late_s


def most_in_a_window(crawl: Crawl, *, window_s: float) -> int:
    """The most requests that arrived in any window, whatever was answered."""
    times = [entry["received_at_s"] for entry in crawl.sandbox.requests()]
    return max(bisect_right(times, at) - bisect_right(times, at - window_s) for at in times)
