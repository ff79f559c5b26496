"""A worker that loses sight of Redis stops by itself, another takes its ranges over, and it comes back for others."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from support.processes.crawl_process import Crawl, crawling
from support.processes.sandbox_process import sandbox
from support.processes.servers import Valkey
from support.processes.tcp_proxy import TcpProxy
from support.proofs.crawl_proof import most_in_a_window, oracle, prove, prove_frugal, write_catalogue

SPEC = """{keyspace: {alphabet: abcdefghijklmnopqr, minLength: 2, maxLength: 2, rangeSize: 18},
    source: {requestTimeout: 1s}, rateLimit: {requests: 50, window: 1s}, workers: {concurrency: 3}}"""
LEASE_TTL_S = 2.0
IN_FLIGHT_S = 1.5
"""Until a worker has sent what it had permits for: the horizon, the send deadline and a round trip, generously."""


@pytest.mark.parametrize("fault", ["refuse", pytest.param("blackhole", marks=pytest.mark.slow)])
async def test_a_worker_cut_off_from_redis_stops_and_loses_its_ranges_to_another(
    ledger_url: str, redis_url: str, redis_server: Valkey, tmp_path: Path, fault: str
) -> None:
    catalogue = write_catalogue(tmp_path)
    with (
        sandbox(catalogue=catalogue, latency="20ms") as api,
        TcpProxy(("127.0.0.1", redis_server.port)) as proxy,
    ):
        servers = {"postgres_url": ledger_url, "redis_url": redis_url, "sandbox": api, "folder": tmp_path}
        async with crawling(SPEC, **servers, lease_ttl_s=LEASE_TTL_S) as crawl:
            lonely = crawl.worker(redis_url=f"redis://127.0.0.1:{proxy.port}/0", client_id="lonely")
            await crawl.searched(20)
            lonely.broken_at_s = time.time()
            getattr(proxy, fault)(True)
            crawl.worker(client_id="other")
            await crawl.until(lambda: crawl.value("SELECT count(*) FROM crawl_range WHERE fence >= 2") >= 1)
            assert last_request_s(crawl, "lonely") < lonely.broken_at_s + IN_FLIGHT_S
            getattr(proxy, fault)(False)
            healed_at_s = time.time()
            await crawl.until(lambda: last_request_s(crawl, "lonely") > healed_at_s, 15)
            await crawl.finished()
            prove(crawl, oracle(catalogue, alphabet="abcdefghijklmnopqr"))
            prove_frugal(crawl, lonely, deaf_s=IN_FLIGHT_S)
            assert most_in_a_window(crawl, window_s=1.0) <= 50
            assert lonely.drain() == 0


def last_request_s(crawl: Crawl, client_id: str) -> float:
    return max(entry["received_at_s"] for entry in crawl.answered() if entry["client_id"] == client_id)
