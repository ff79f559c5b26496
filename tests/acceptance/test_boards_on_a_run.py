"""Boards and alerts on a real Prometheus, of a real crawl to which everything happens that they are there to show.

Each expression of the committed files must return something at some moment of it: one that never does shows nothing
when it is needed. What only an operator exports is proven in tests/cluster.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from redis import Redis
from support.processes.prometheus_process import Prometheus, configuration, program, prometheus
from support.processes.run_process import RunProcess, prepare_data, run, wait_until, write_job
from support.processes.sandbox_process import SandboxProcess, sandbox
from support.processes.servers import server_folder
from support.proofs.board_drawing import drawing_program, silent_panels
from support.proofs.boards import BOARDS, Expression, alerts, expressions, impatient

from crawl_worker import cli
from crawl_worker.embedded import EmbeddedPostgres, EmbeddedValkey

SPEC = {
    "keyspace": {"minLength": 1, "maxLength": 2},
    "rateLimit": {"requests": 25, "window": "1s"},
    "retry": {"maxAttempts": 2, "initialBackoff": "100ms", "maxBackoff": "500ms"},
    "workers": {"min": 2, "max": 2, "concurrency": 4},
    "deadline": "24h",
}
SOURCE = {"requestTimeout": "1s", "pageSize": 10}
"""Small pages, so that there is work for longer than everything takes to happen."""
FAULTS = {
    "rules": [
        {"match": {"query": "b"}, "action": {"status": 500}},
        {"match": {"every": 23}, "action": {"status": 503}},
        {"match": {"every": 31}, "action": {"body": "html"}},
        {"match": {"every": 43}, "action": {"close_after_read": True}},
    ]
}
VARIABLES = {
    "namespace": "default",
    "crawljob": "boards",
    "__rate_interval": "15s",
    "__interval": "1s",
    "__range": "5m",
    "__range_s": "300",
}
LOCAL = [board for board in BOARDS if board.stem != "operator"]
FIRE = {
    "ArtistcrawlDeadLetters",
    "ArtistcrawlFrozenLong",
    "ArtistcrawlLedgerUnreachable",
    "ArtistcrawlRateLimited",
    "ArtistcrawlRedisUnreachable",
}
"""What must fire in this crawl. The others need half an hour, or an operator: promtool proves them."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The crawl, after its bad day."""

    server: Prometheus
    from_s: float
    fired: frozenset[str]
    postgres_url: str
    """The ledger's, while it lives."""

    def returned(self, expression: Expression) -> bool:
        """Whether the expression returned anything at any time of the crawl, which goes on."""
        return bool(self.server.ranged(expression.text, from_s=self.from_s, to_s=time.time(), step_s=1))


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    program("prometheus")
    rules = impatient(tmp_path_factory.mktemp("rules"))
    with server_folder() as folder, sandbox(size=30_000, mode="extended") as api:
        data = folder / "data"
        prepare_data(data)
        file = write_job(folder / "job.yaml", "boards", **SPEC, source=SOURCE | {"baseURL": api.url})
        with run(file, data, "--processes", "2", "--metrics-port", "0") as crawl:
            found = wait_until(lambda: re.search(r"served at http://(\S+)/metrics", crawl.stdout), "the metrics")
            with prometheus(configuration([found[1]], rules=rules)) as server:
                from_s = time.time()
                fired = everything_happens(server, crawl, api, data)
                yield Seen(server, from_s, frozenset(fired), EmbeddedPostgres(data / "postgres").url())


def everything_happens(server: Prometheus, crawl: RunProcess, api: SandboxProcess, data: Path) -> set[str]:
    """A crawl's bad day, each thing shown before the next begins. The alerts that fired."""
    fired: set[str] = set()

    def until(expression: str, what: str) -> None:
        def holds() -> bool:
            fired.update(server.firing())
            return bool(server.query(expression))

        server.until(holds, f"{what}: {expression}")

    until('artistcrawl_job_state{state="Crawling"} == 1 and on () artistcrawl_job_searches > 30', "a quiet crawl")
    api.control(faults=FAULTS)
    until("artistcrawl_job_dead_letters > 0", "a dead letter")
    until('sum(rate(artistcrawl_worker_requests_total{outcome="invalid_body"}[15s])) > 0', "answers without a page")
    crawl.workers()[0].kill()
    until("changes(artistcrawl_worker_start_timestamp_seconds[1m]) > 0", "a worker that was replaced")
    # Stopped, and not killed: a successor would be there before anybody looks.
    redis = valkey(data).pid or 0
    os.kill(redis, signal.SIGSTOP)
    until("artistcrawl_limiter_reachable == 0", "a limiter without Redis")
    os.kill(redis, signal.SIGKILL)
    until("min(artistcrawl_limiter_reachable) == 1 and on () artistcrawl_frontier_ranges", "Redis again")
    postmaster = psutil.Process(EmbeddedPostgres(data / "postgres").pid)
    for process in (postmaster, *postmaster.children(recursive=True)):
        process.suspend()
    until("artistcrawl_ledger_waiting > 0", "tasks that wait for a ledger which is silent")
    for process in postmaster.children(recursive=True):
        process.resume()
    postmaster.kill()
    until("increase(artistcrawl_ledger_errors_total[1m]) > 0", "a ledger out of reach")
    until('artistcrawl_job_state{state="Crawling"} == 1', "a ledger again")
    api.control(
        faults={"rules": [{"match": {"path": "token", "first_n": 2}, "action": {"status": 503}}]}, expire_tokens=True
    )
    until('increase(artistcrawl_worker_token_requests_total{result="failed"}[1m]) > 0', "a token that was not granted")
    api.control(outage={"status": 503})
    until('artistcrawl_worker_state{state="outage"} == 1', "an outage of the API")
    api.control(
        outage=None, faults={"rules": [{"match": {"first_n": 1}, "action": {"status": 429, "retry_after": "7200"}}]}
    )
    until(
        'artistcrawl_job_state{state="Frozen"} == 1 and on () artistcrawl_bucket_frozen_until_timestamp_seconds > 0',
        "a freeze",
    )
    until('ALERTS{alertname="ArtistcrawlFrozenLong", alertstate="firing"} == 1', "the alert of a long freeze")
    bucket = server.query("artistcrawl_bucket_freeze_epoch > 0")[0]["metric"]["bucket"]
    assert cli.main(["unfreeze", bucket, "--data", str(data)]) == 0
    until('artistcrawl_job_state{state="Crawling"} == 1', "a crawl that goes on")
    until("artistcrawl_frontier_expired_total > 0", "the leases of the killed worker, taken back")
    with Redis.from_url(valkey(data).url) as client:
        client.flushall()
    until('sum(increase(artistcrawl_worker_leases_total{event="lost"}[15s])) > 0', "leases that Redis forgot")
    # What is searched from now on, is so after Redis was seeded again.
    searched = crawl.query("SELECT sum(searches) FROM crawl_range")
    until(
        f"artistcrawl_job_searches > {searched + 5} and on () artistcrawl_worker_range > 0",
        "a crawl that goes on again",
    )
    return fired


def valkey(data: Path) -> EmbeddedValkey:
    """The run's."""
    server = EmbeddedValkey(data / "valkey")
    assert server.available()
    return server


def test_every_expression_of_the_boards_shows_something_when_there_is_something(seen: Seen) -> None:
    asked = [expression for board in LOCAL for expression in expressions(board, **VARIABLES)]
    assert "\n".join(expression.where for expression in asked if not seen.returned(expression)) == ""


@pytest.mark.parametrize("board", LOCAL, ids=lambda board: board.stem)
def test_no_panel_is_without_data_while_the_crawl_lives(seen: Seen, board: Path) -> None:
    drawing_program()
    chosen = {"namespace": "default", "crawljob": "boards"}
    silent = silent_panels(board, seen.server, postgres_url=seen.postgres_url, from_s=seen.from_s, **chosen)
    assert silent == ""


def test_the_alerts_that_can_fire_within_minutes_do(seen: Seen) -> None:
    assert FIRE - seen.fired == set()


def test_every_alert_is_an_expression_that_prometheus_takes(seen: Seen) -> None:
    assert {alert.where for alert in alerts() if seen.server.query(alert.text) is not None} >= FIRE
