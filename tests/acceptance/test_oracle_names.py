"""Names that PostgreSQL cannot store as they are: found and kept, with the replacement character."""

from __future__ import annotations

from pathlib import Path

from support.processes.crawl_process import crawling
from support.processes.sandbox_process import sandbox
from support.proofs.crawl_proof import spec
from support.proofs.oracle import Oracle, strings_of, write_catalogue


async def test_names_with_nul_or_half_a_surrogate_pair_are_stored_with_a_replacement(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    file = write_catalogue(tmp_path / "artists.csv", 300, alphabet="abc")
    servers = {"postgres_url": ledger_url, "redis_url": redis_url}
    with sandbox(catalogue=file, odd_names=0.3) as api:
        async with crawling(spec(first="a0", last="cz"), **servers, sandbox=api, folder=tmp_path) as crawl:
            crawl.worker()
            await crawl.finished()
            oracle = Oracle.of(file)
            names = dict(crawl.rows("SELECT id, name FROM artist"))
            assert set(names) == oracle.exhaustive(strings_of("abc", 2))
            odd = {
                artist for artist, name in names.items() if name == oracle.names[artist] + "\N{REPLACEMENT CHARACTER}"
            }
            assert 0.2 < len(odd) / len(names) < 0.4
            assert all(names[artist] == oracle.names[artist] for artist in set(names) - odd)
            assert crawl.value("SELECT count(*) FROM dead_letter") == 0
