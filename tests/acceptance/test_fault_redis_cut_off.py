"""A worker that loses sight of Redis stops by itself, another takes its ranges over, and it comes back for others."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from support.processes.crawl_process import Crawl, crawling
from support.processes.sandbox_process import sandbox
from support.processes.servers import Valkey
from support.processes.tcp_proxy import TcpProxy
from support.proofs.crawl_proof import most_in_a_window, prove_frugal
from support.proofs.oracle import Oracle, small_catalogue

ALPHABET = "abcdefghij"
LIMIT = 50


def spec(requests: int = LIMIT) -> str:
    """A thousand strings: at the limit, more than there is time for before the fault is over."""
    return f"""{{keyspace: {{alphabet: {ALPHABET}, minLength: 3, maxLength: 3, rangeSize: 20}},
        source: {{requestTimeout: 1s}}, workers: {{concurrency: 3}},
        rateLimit: {{requests: {requests}, window: 1s}}}}"""


LEASE_TTL_S = 2.0
"""A worker that does not reach Redis stops within it, for then its ranges are others' to take."""


@pytest.mark.parametrize("fault", ["refuse", pytest.param("blackhole", marks=pytest.mark.slow)])
async def test_a_worker_cut_off_from_redis_stops_and_loses_its_ranges_to_another(
    ledger_url: str, redis_url: str, redis_server: Valkey, tmp_path: Path, fault: str
) -> None:
    catalogue = small_catalogue(tmp_path)
    with (
        sandbox(catalogue=catalogue, latency="20ms") as api,
        TcpProxy(("127.0.0.1", redis_server.port)) as proxy,
    ):
        servers = {"postgres_url": ledger_url, "redis_url": redis_url, "sandbox": api, "folder": tmp_path}
        async with crawling(spec(), **servers, lease_ttl_s=LEASE_TTL_S) as crawl:
            lonely = crawl.worker(redis_url=f"redis://127.0.0.1:{proxy.port}/0", client_id="lonely")
            await crawl.searched(20)
            lonely.broken_at_s = time.time()
            getattr(proxy, fault)(True)
            crawl.worker(client_id="other")
            await crawl.until(lambda: crawl.value("SELECT count(*) FROM crawl_range WHERE fence >= 2") >= 1)
            lonely_requests, answered = requests_of(crawl, "lonely"), len(crawl.answered())
            await crawl.until(lambda: len(crawl.answered()) >= answered + LIMIT)
            assert requests_of(crawl, "lonely") == lonely_requests
            getattr(proxy, fault)(False)
            await crawl.until(lambda: requests_of(crawl, "lonely") > lonely_requests)
            assert most_in_a_window(crawl, window_s=1.0) <= LIMIT
            await crawl.apply(spec(10_000))
            await crawl.limits()
            await crawl.finished()
            prove_frugal(crawl, Oracle.of(catalogue), lonely, deaf_s=LEASE_TTL_S)
            assert lonely.drain() == 0


def requests_of(crawl: Crawl, client_id: str) -> int:
    return sum(entry["client_id"] == client_id for entry in crawl.answered())
