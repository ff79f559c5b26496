"""On the real catalogue: what is stored equals, id for id, what the catalogue's file says."""

from __future__ import annotations

import asyncio
from pathlib import Path

from support.processes.crawl_process import crawling
from support.processes.sandbox_process import sandbox
from support.proofs.oracle import Oracle

LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
SPEC = "{keyspace: {first: ma00, last: mazz, rangeSize: 100}, rateLimit: {requests: 100000, window: 1s}}"


async def test_the_strings_from_ma00_to_mazz_find_exactly_the_artists_they_should(
    real_catalogue: Path, ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    servers = {"postgres_url": ledger_url, "redis_url": redis_url}
    with sandbox(catalogue=real_catalogue) as api:
        async with crawling(SPEC, **servers, sandbox=api, folder=tmp_path) as crawl:
            crawl.worker()
            oracle = await asyncio.to_thread(Oracle.of, real_catalogue)
            await crawl.finished()
            strings = [f"ma{a}{b}" for a in LETTERS for b in LETTERS]
            assert crawl.stored() == oracle.exhaustive(strings)
            assert [row[0] for row in crawl.rows('SELECT string FROM search ORDER BY string COLLATE "C"')] == strings
            names = dict(crawl.rows("SELECT id, name FROM artist"))
            assert names == {artist: oracle.names[artist] for artist in names}
            # Fault-free, no request is spent twice.
            floor = sum(max(1, -(-len(oracle.matching(string)[:1000]) // 50)) for string in strings)
            assert len(api.requests()) == crawl.value("SELECT sum(requests) FROM crawl_range") == floor
