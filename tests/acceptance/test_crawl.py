"""The whole line, undisturbed: every string searched once, every artist that matches stored, nothing asked twice."""

from __future__ import annotations

from pathlib import Path

from support.processes.crawl_process import crawling
from support.processes.sandbox_process import sandbox


async def test_a_crawl_asks_for_every_string_once_and_stores_what_it_finds(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    spec = "{keyspace: {minLength: 2, maxLength: 2, rangeSize: 50}, rateLimit: {requests: 10000, window: 1s}}"
    with sandbox() as api:
        async with crawling(spec, postgres_url=ledger_url, redis_url=redis_url, sandbox=api, folder=tmp_path) as crawl:
            crawl.worker()
            crawl.worker()
            await crawl.finished()
            assert crawl.missing() == set()
            assert crawl.value("SELECT count(*) FROM search") == 36**2
            assert crawl.repeated() == 0
            assert crawl.value("SELECT sum(requests) FROM crawl_range") == len(crawl.answered())
