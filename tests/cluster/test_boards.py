"""Boards in a cluster: a Prometheus that finds pods as the documentation says, and what an operator's board asks of it.

What the boards of workers and of a CrawlJob ask is proven without a cluster, on a bad day, in tests/acceptance.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from support.cluster.kube import eventually
from support.cluster.kube_crawl import WORKERS, ClusterCrawl, applied
from support.cluster.kube_prometheus import prometheus_beside
from support.cluster.kube_release import Release
from support.processes.prometheus_process import Prometheus
from support.proofs.board_drawing import drawing_program, silent_panels
from support.proofs.boards import BOARDS, Expression, expressions, impatient
from support.proofs.scrapes import declared_names

from crawl_core.metrics import definitions as metrics

SPEC = f"""
keyspace: {{minLength: 3, maxLength: 3}}
source: {{requestTimeout: 3s}}
rateLimit: {{requests: 60, window: 2s, bucket: Job}}
workers: {{min: {WORKERS}, max: {WORKERS}, concurrency: 2}}
deadline: 24h
"""
"""A crawl that outlives the test."""

ONLY_SOMETIMES = {"artistcrawl_job_completion_timestamp_seconds"}
OPERATOR = next(board for board in BOARDS if board.stem == "operator")
VARIABLES = {"job": ".+", "instance": ".+", "__rate_interval": "10s", "__interval": "1s", "__range": "5m"}
FORBIDDEN = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "no-more-deployments"},
    "spec": {"hard": {"count/deployments.apps": "0"}},
}


@dataclass(frozen=True, slots=True)
class Watched:
    """A live crawl, and a Prometheus that has seen it from its beginning."""

    server: Prometheus
    crawl: ClusterCrawl
    from_s: float

    def returned(self, expression: Expression) -> bool:
        """Whether the expression returned anything since then."""
        return bool(self.server.ranged(expression.text, from_s=self.from_s, to_s=time.time(), step_s=1))


@pytest.fixture(scope="module")
def watched(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    from_s, rules = time.time(), impatient(tmp_path_factory.mktemp("rules"))
    with prometheus_beside(release, rules=rules) as server, applied(release, "boards", SPEC) as crawl:
        crawl.wait_for_workers(WORKERS)
        server.until(
            lambda: server.query('artistcrawl_job_state{crawljob="boards", state="Crawling"} == 1'), "Crawling"
        )
        server.until(
            lambda: server.query('artistcrawl_job_estimated_completion_timestamp_seconds{crawljob="boards"}'),
            "an estimate", timeout_s=120,
        )  # fmt: skip
        restart_the_standby(release, server)
        restart_redis(release, server)
        refuse_a_deployment(release, server)
        yield Watched(server, crawl, from_s)


def restart_the_standby(release: Release, server: Prometheus) -> None:
    """An operator that dies and comes back in its pod."""
    (standby,) = server.query("artistcrawl_operator_leader == 0")
    name = standby["metric"]["pod"]
    release.kill(next(pod for pod in release.component("operator") if pod["metadata"]["name"] == name))
    server.until(lambda: server.query("changes(process_start_time_seconds[1m]) > 0"), "an operator that was restarted")


def restart_redis(release: Release, server: Prometheus) -> None:
    """A backend that is out of reach for long enough to be missed."""
    release.kubectl("scale", "deployment/artistcrawl-redis", "--replicas=0")
    failed = 'increase(artistcrawl_redis_errors_total{crawljob=""}[1m]) > 0'
    server.until(lambda: server.query(failed), "a call to Redis that failed")
    release.kubectl("scale", "deployment/artistcrawl-redis", "--replicas=1")


def refuse_a_deployment(release: Release, server: Prometheus) -> None:
    """Something that fails at the API server, again and again: another CrawlJob, whose workers a quota forbids."""
    release.kubectl("apply", "-f", "-", stdin=json.dumps(FORBIDDEN))
    try:
        with applied(release, "refused", SPEC):
            # Over as short a time as the board looks at: seen in a longer one, the panel may still be empty.
            window = VARIABLES["__rate_interval"]
            failed = f'increase(artistcrawl_operator_api_requests_total{{code="403"}}[{window}]) > 0'
            server.until(lambda: server.query(failed), "requests that the API server refuses")
    finally:
        release.kubectl("delete", "resourcequota", "no-more-deployments")


@pytest.mark.timeout(420)
def test_the_documented_scrape_finds_every_declared_metric_and_no_other(watched: Watched) -> None:
    # Of the last minutes: while Redis was away, what could not be read had no series.
    found = watched.server.query('group by (__name__) (last_over_time({__name__=~"artistcrawl_.+"}[5m]))')
    names = {series["metric"]["__name__"] for series in found}
    histograms = {each.name for group in metrics.GROUPS for each in group.declarations if each.kind == "histogram"}
    wanted = declared_names(*metrics.GROUPS) - histograms | {
        f"{name}{suffix}" for name in histograms for suffix in ("_bucket", "_sum", "_count")
    }
    assert (names - wanted, wanted - names - ONLY_SOMETIMES) == (set(), set())


def test_each_worker_and_each_operator_is_found_once(watched: Watched, release: Release) -> None:
    pods = {pod["metadata"]["name"] for pod in watched.crawl.workers_pods()}
    workers = watched.server.query('artistcrawl_worker_info{crawljob="boards"}')
    assert sorted(series["metric"]["worker"] for series in workers) == sorted(pods)
    assert {series["metric"]["namespace"] for series in workers} == {release.namespace}
    operators = watched.server.query("artistcrawl_operator_leader")
    assert sorted(series["value"][1] for series in operators) == ["0", "1"]


def test_only_the_operator_that_leads_has_a_crawljobs_series(watched: Watched) -> None:
    (leader,) = watched.server.query("artistcrawl_operator_leader == 1")
    owners = watched.server.query('count by (pod) (artistcrawl_job_info{crawljob="boards"})')
    assert [series["metric"]["pod"] for series in owners] == [leader["metric"]["pod"]]


def test_every_expression_of_the_operators_board_shows_something(watched: Watched) -> None:
    asked = expressions(OPERATOR, **VARIABLES)
    assert "\n".join(expression.where for expression in asked if not watched.returned(expression)) == ""


def test_a_live_cluster_leaves_no_panel_of_the_operators_board_without_data(watched: Watched, release: Release) -> None:
    drawing_program()
    url, from_s = release.postgres_url, watched.from_s
    assert silent_panels(OPERATOR, watched.server, postgres_url=url, from_s=from_s) == ""


def test_the_series_of_a_crawljob_go_with_it(watched: Watched) -> None:
    gone = 'artistcrawl_job_info{crawljob="refused"}'
    eventually(lambda: not watched.server.query(gone), "the series of a CrawlJob that is gone")
    assert watched.server.query(f"max_over_time({gone}[5m])")
