"""What a crawl must have done, computed without our code: from the catalogue's file and from the sandbox's log.

It refuses to guess which requests a fault may have cost: whoever repeats one must have been broken at that moment.
"""

from __future__ import annotations

import csv
import random
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from itertools import product
from math import ceil
from pathlib import Path
from typing import Any

from support.processes.crawl_process import Crawl, WorkerProcess

ALPHABET = "abcdefghijkl"
"""12 of the 26 letters that occur in names: 144 strings of two, and artists that no string finds."""

FLUSH_INTERVAL_S = 1.0
"""How long a worker may keep answers before it commits them: its writer's FLUSH_AGE_S."""

GRACE_S = 1.0
"""The way of an answer into the ledger on a machine that does other things too: its own latency, and the commit's."""


def write_catalogue(
    folder: Path,
    *,
    size: int = 500,
    dense: str = "ab",
    dense_size: int = 120,
    letters: str = "abcdefghijklmnopqrstuvwxyz",
) -> Path:
    """Artists of one or two words, and `dense_size` whose only word starts with `dense`."""
    rng = random.Random(7)

    def word() -> str:
        return "".join(rng.choice(letters) for _ in range(4))

    names = [" ".join(word() for _ in range(rng.choice((1, 2)))) for _ in range(size)]
    names += [dense + word() for _ in range(dense_size)]
    file = folder / "catalogue.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(("id", "name", "popularity"))
        rows.writerows((f"id{number:05}", name, rng.randrange(100)) for number, name in enumerate(names))
    return file


@dataclass(frozen=True)
class Oracle:
    """What the strings of one length find. `pages` is the least number of requests for it."""

    artists: set[str]
    strings: int
    pages: int


def oracle(catalogue: Path, *, length: int = 2, alphabet: str = ALPHABET, page_size: int = 50) -> Oracle:
    """Match by brute force: a string finds the artists of whom a word starts with it."""
    found: dict[str, set[str]] = defaultdict(set)
    with catalogue.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            for word in row["name"].split():
                found[word[:length]].add(row["id"])
    strings = ["".join(letters) for letters in product(alphabet, repeat=length)]
    return Oracle(
        artists=set().union(*(found[string] for string in strings)),
        strings=len(strings),
        pages=sum(max(1, ceil(len(found[string]) / page_size)) for string in strings),
    )


def prove(crawl: Crawl, truth: Oracle) -> None:
    """Nothing is missing, nothing is there twice, and the counters say what is in the ledger and in the API's log."""
    requests = prove_ledger(crawl, truth)
    assert requests <= len(crawl.answered())
    # What was asked beyond the pages that are needed is what `prove_frugal` must find a reason for.
    assert crawl.repeated() == len(crawl.answered()) - truth.pages


def prove_ledger(crawl: Crawl, truth: Oracle) -> int:
    """The ledger alone: every string searched once, every artist found. How many requests it counts."""
    assert crawl.missing() == set()
    where = f"WHERE job_id = {crawl.id}"
    found = crawl.rows(f"SELECT id FROM artist WHERE id IN (SELECT artist_id FROM job_artist {where})")
    assert {row[0] for row in found} == truth.artists
    searches = crawl.value(f"SELECT count(*) FROM search {where}")
    counted, requests, artists = crawl.rows(
        f"SELECT sum(searches), sum(requests), sum(artists) FROM crawl_range {where}"
    )[0]
    assert (searches, counted, artists) == (truth.strings, truth.strings, len(truth.artists))
    assert requests >= truth.pages
    return int(requests)


def prove_frugal(crawl: Crawl, *broken: WorkerProcess, deaf_s: float = 0.0) -> None:
    """Repeats stay within the bound: of what a broken worker had in flight or kept for less than a flush interval.

    A worker that lives on without knowing that its ranges went to others is broken for `deaf_s` more.
    """
    lost = lost_answers(crawl)
    for answer in lost:
        assert any(_within(answer, worker, deaf_s) for worker in broken), f"no fault explains the repeat of {answer}"
    for worker in broken:
        mine = [entry for entry in lost if entry["client_id"] == worker.client_id]
        assert len(mine) <= bound(crawl, worker), f"{worker.client_id} cost {len(mine)} requests"


def lost_answers(crawl: Crawl) -> list[dict[str, Any]]:
    """Answers that had to be asked for again: of each page all but the last."""
    pages: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for entry in crawl.answered():
        pages[entry["query"], entry["offset"]].append(entry)
    return [entry for answers in pages.values() for entry in answers[:-1]]


def bound(crawl: Crawl, worker: WorkerProcess) -> int:
    """The most that this worker ever asked for in a flush interval, and `concurrency` in flight."""
    times = [entry["received_at_s"] for entry in crawl.answered() if entry["client_id"] == worker.client_id]
    busiest = max((sum(at <= t < at + FLUSH_INTERVAL_S + GRACE_S for t in times) for at in times), default=0)
    return busiest + crawl.job.spec.workers.concurrency


def _within(answer: dict[str, Any], worker: WorkerProcess, deaf_s: float) -> bool:
    # What it had written when it broke, a busy sandbox reads a little later.
    since_s = answer["received_at_s"] - worker.broken_at_s
    return bool(answer["client_id"] == worker.client_id) and -FLUSH_INTERVAL_S - GRACE_S <= since_s <= deaf_s + GRACE_S


def most_in_a_window(crawl: Crawl, *, window_s: float) -> int:
    """The most requests that arrived in any window, whatever was answered."""
    times = [entry["received_at_s"] for entry in crawl.sandbox.requests()]
    return max(bisect_right(times, at) - bisect_right(times, at - window_s) for at in times)
