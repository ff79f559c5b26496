"""Strings of many pages: the cap, the exact end of a list, and a cursor in the middle of one."""

from __future__ import annotations

from pathlib import Path

from support.processes.crawl_process import Crawl, crawling
from support.processes.sandbox_process import sandbox
from support.proofs.crawl_proof import prove, spec
from support.proofs.oracle import Oracle, write_catalogue


async def test_a_string_beyond_the_cap_is_read_to_the_cap_and_said_to_be_truncated(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    file = write_catalogue(tmp_path / "artists.csv", 300, dense={"ab": 1300, "ad": 100})
    oracle = Oracle.of(file)
    servers = {"postgres_url": ledger_url, "redis_url": redis_url}
    with sandbox(catalogue=file) as api:
        async with crawling(spec(first="aa", last="af"), **servers, sandbox=api, folder=tmp_path) as crawl:
            crawl.worker()
            await crawl.finished()
            prove(crawl, oracle)
            assert _offsets(crawl, "ab") == list(range(0, 1000, 50))
            count = len(oracle.matching("ad"))
            assert _offsets(crawl, "ad") == list(range(0, count, 50))
            rows = crawl.rows(
                "SELECT string, pages, results, total, truncated FROM search WHERE string IN ('ab', 'ad')"
            )
            assert sorted(rows) == [
                ("ab", 20, 1000, len(oracle.matching("ab")), True),
                ("ad", -(-count // 50), count, count, False),
            ]


async def test_a_worker_killed_between_pages_costs_only_the_pages_it_had_not_committed(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    file = write_catalogue(tmp_path / "artists.csv", 300, dense={"ab": 1300})
    servers = {"postgres_url": ledger_url, "redis_url": redis_url}
    with sandbox(catalogue=file, latency="200ms") as api:
        async with crawling(spec(first="ab", last="ab"), **servers, sandbox=api, folder=tmp_path) as crawl:
            first = crawl.worker()
            await crawl.until(lambda: _committed_offset(crawl) >= 200)
            first.kill()
            kept = _committed_offset(crawl)
            lost = [offset for offset in _offsets(crawl, "ab") if offset >= kept]
            crawl.worker()
            await crawl.finished()
            # The next one goes on at the cursor: what comes twice is what came after it, and one that was in flight.
            prove(crawl, Oracle.of(file), repeated=len(lost) + 1)
            assert _offsets(crawl, "ab").count(kept - 50) == 1


def _offsets(crawl: Crawl, string: str) -> list[int]:
    return [entry["offset"] for entry in crawl.answered() if entry["query"] == string]


def _committed_offset(crawl: Crawl) -> int:
    return int(crawl.value("SELECT coalesce((cursor ->> 'offset')::int, 0) FROM crawl_range"))
