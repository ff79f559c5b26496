"""From one character down into what is truncated: each string asked for is the right one, whatever totals claim."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from support.processes.crawl_process import Crawl, crawling
from support.processes.sandbox_process import sandbox
from support.proofs.oracle import CAP, Oracle, write_catalogue

ALPHABET = "abcde"
SPEC = (
    f"{{keyspace: {{alphabet: {ALPHABET}, minLength: 1, maxLength: 3}}, "
    "rateLimit: {requests: 10000, window: 1s}, workers: {concurrency: 4}}"
)
NULLS = 0.05
QUIRKS = {"wobble_total": 7, "clip_total": 1000, "null_items": NULLS, "missing_followers": 0.2}


@pytest.mark.parametrize("quirks", [{}, QUIRKS], ids=["plain", "odd"])
async def test_an_adaptive_crawl_descends_into_what_is_truncated_and_nowhere_else(
    ledger_url: str, redis_url: str, tmp_path: Path, quirks: dict[str, object]
) -> None:
    file = write_catalogue(tmp_path / "artists.csv", 1500, alphabet=ALPHABET, dense={"abc": 1100, "dd": 1050})
    oracle = Oracle.of(file)
    wanted = oracle.adaptive(ALPHABET, longest=3, page_size=50)
    # A wobbling total must not decide: nothing may lie that near to the cap.
    assert not [string for string in wanted if CAP - 8 < len(oracle.matching(string)) < CAP + 8]
    servers = {"postgres_url": ledger_url, "redis_url": redis_url}
    with sandbox(catalogue=file, latency="5ms", faults={"quirks": quirks}) as api:
        async with crawling(SPEC, **servers, sandbox=api, folder=tmp_path) as crawl:
            crawl.worker()
            crawl.worker()
            await crawl.finished()
            share = NULLS if quirks else 0.0
            found = {artist for string, ids in wanted.items() for artist in ids if not _is_null(string, artist, share)}
            assert crawl.stored() == found
            _searched_rightly(crawl, oracle, wanted)
            assert crawl.value("SELECT sum(covered) = (SELECT total FROM crawl_run) FROM crawl_range")


def _searched_rightly(crawl: Crawl, oracle: Oracle, wanted: dict[str, list[str]]) -> None:
    rows = crawl.rows("SELECT string, results, truncated FROM search")
    assert {string: results for string, results, _ in rows} == {string: len(ids) for string, ids in wanted.items()}
    truncated = {string for string, _, is_truncated in rows if is_truncated}
    assert truncated == {string for string in wanted if len(oracle.matching(string)) >= CAP}
    assert {len(string) for string in truncated} == {1, 2, 3}
    # A string whose children answer for it costs one page.
    assert {entry["offset"] for entry in crawl.answered() if entry["query"] in {"a", "ab", "d"}} == {0}


def _is_null(string: str, artist: str, share: float) -> bool:
    """The sandbox's draw, by its documented hash: null items carry nothing, and each string draws for itself."""
    return zlib.crc32(f"null:0:{string}{artist}".encode()) / 2**32 < share
