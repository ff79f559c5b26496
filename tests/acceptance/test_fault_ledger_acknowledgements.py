"""The acknowledgement of a COMMIT gets lost, with the commit done and with the commit still under way."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
from support.processes.crawl_process import Crawl, crawling
from support.processes.sandbox_process import sandbox
from support.processes.tcp_proxy import TcpProxy
from support.proofs.crawl_proof import prove, requests_agree, spec
from support.proofs.oracle import Oracle, write_catalogue

BATCH = b'"finished_at_us"'
"""Stands in every commit that finishes a search, and in nothing else that a worker sends."""


async def test_a_batch_whose_acknowledgement_is_lost_lands_once(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    file = write_catalogue(tmp_path / "artists.csv", 300)
    with sandbox(catalogue=file, latency="20ms") as api, _proxy(ledger_url) as proxy:
        servers = {"postgres_url": ledger_url, "redis_url": redis_url}
        async with crawling(spec(last="hz"), **servers, sandbox=api, folder=tmp_path) as crawl:
            crawl.worker(postgres_url=_through(proxy, ledger_url))
            await crawl.searched(1)
            for _ in range(3):
                cut = proxy.cut_after(BATCH, answered=True)
                assert await asyncio.to_thread(cut.wait, 20)
            await crawl.finished()
            prove(crawl, Oracle.of(file))
            requests_agree(crawl)


async def test_a_batch_cut_off_while_it_is_being_committed_lands_once(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    file = write_catalogue(tmp_path / "artists.csv", 300)
    with sandbox(catalogue=file, latency="20ms") as api, _proxy(ledger_url) as proxy:
        servers = {"postgres_url": ledger_url, "redis_url": redis_url}
        async with crawling(spec(last="hz"), **servers, sandbox=api, folder=tmp_path) as crawl:
            crawl.worker(postgres_url=_through(proxy, ledger_url))
            await crawl.searched(50)
            with psycopg.connect(ledger_url) as holder:
                # Whoever holds the ranges' rows makes every commit wait in the middle.
                holder.execute("SELECT FROM crawl_range WHERE state = 'open' FOR UPDATE")
                await crawl.until(lambda: _waiting(crawl) >= 1)
                proxy.cut()
                # The worker comes back with the same batch while the first one is still under way.
                await crawl.until(lambda: _waiting(crawl) >= 3)
                holder.rollback()
            await crawl.finished()
            prove(crawl, Oracle.of(file))
            requests_agree(crawl)


def _waiting(crawl: Crawl) -> int:
    """Commits that wait for a row; those whose client is gone, too."""
    return int(
        crawl.value(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
    )


def _proxy(url: str) -> TcpProxy:
    return TcpProxy(f"{parse_qs(urlsplit(url).query)['host'][0]}/.s.PGSQL.{urlsplit(url).port or 5432}")


def _through(proxy: TcpProxy, url: str) -> str:
    parts = urlsplit(url)
    who = f"{parts.username}:{parts.password}"
    return f"postgresql://{who}@127.0.0.1:{proxy.port}{parts.path}?sslmode=disable&gssencmode=disable"
