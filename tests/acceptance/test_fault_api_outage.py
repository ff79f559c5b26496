"""The API is down for everybody: nothing is given up, one request at a time asks whether it is back."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path

from support.processes.crawl_process import crawling
from support.processes.sandbox_process import sandbox
from support.proofs.crawl_proof import logged, prove, requests_agree, spec
from support.proofs.oracle import Oracle, write_catalogue

RETRY = "{maxAttempts: 2, initialBackoff: 100ms, maxBackoff: 400ms}"
LATENCY_S = 0.06
"""While the API is down, so that requests side by side would show."""


async def test_an_outage_is_probed_by_one_request_at_a_time_and_gives_no_string_up(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    file = write_catalogue(tmp_path / "artists.csv", 300)
    servers = {"postgres_url": ledger_url, "redis_url": redis_url}
    with sandbox(catalogue=file, latency="20ms") as api:
        async with crawling(spec(last="hz", retry=RETRY), **servers, sandbox=api, folder=tmp_path) as crawl:
            crawl.worker()
            await crawl.searched(100)
            api.control(outage={"status": 503}, latency="60ms")
            down_s = time.time()
            await crawl.until(lambda: api.stats()["by_status"].get("503", 0) >= 15)
            api.control(outage=None, latency="20ms")
            await crawl.finished()
            prove(crawl, Oracle.of(file))
            requests_agree(crawl)
            # Until then each task notices for itself: what was in flight, and one retry where that counted.
            probes = [e["received_at_s"] for e in api.requests() if e["status"] == 503][2 * 4 :]
            assert len(probes) >= 6
            assert probes[0] > down_s
            assert min(b - a for a, b in pairwise(probes)) > LATENCY_S


async def test_an_api_that_is_gone_and_comes_back_on_its_address_is_crawled_to_the_end(
    ledger_url: str, redis_url: str, tmp_path: Path
) -> None:
    file = write_catalogue(tmp_path / "artists.csv", 300)
    servers = {"postgres_url": ledger_url, "redis_url": redis_url}
    with sandbox(catalogue=file, latency="20ms") as api:
        async with crawling(spec(last="hz", retry=RETRY), **servers, sandbox=api, folder=tmp_path) as crawl:
            crawl.worker()
            await crawl.searched(100)
            api.kill()
            await crawl.until(lambda: len(logged(crawl, "request.failed")) >= 10)
            with sandbox(catalogue=file, port=api.port) as crawl.sandbox:
                await crawl.finished()
                prove(crawl, Oracle.of(file))
            assert "not_connected" in {line["reason"] for line in logged(crawl, "request.failed")}
            # Its tokens were forgotten with everything else.
            assert len(logged(crawl, "credential.granted")) == 2
