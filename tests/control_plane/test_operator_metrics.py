"""What an operator serves at /metrics: all that is declared, and true; of CrawlJobs only where it leads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from support.processes.operator_process import OperatorProcess, Scene
from support.processes.sandbox_process import SandboxProcess, sandbox
from support.proofs.scrapes import Scrape, declared_names

from crawl_core.errors import EXIT_CONFIGURATION
from crawl_core.metrics.definitions import BACKENDS, JOB, OPERATOR

STRINGS = 36
SLOW = {"rateLimit": {"requests": 1, "window": "1s"}, "deadline": "2h"}
"""A request a second: 36 s, which is long enough for an estimate."""
OF_JOBS = declared_names(JOB)
NOT_YET = {"artistcrawl_job_completion_timestamp_seconds"}
NO_MORE = {"artistcrawl_job_estimated_completion_timestamp_seconds"}
OF_REDIS = {name for name in OF_JOBS if name.startswith(("artistcrawl_frontier_", "artistcrawl_bucket_"))}
"""Of a finished job, which nobody looks for in Redis, there are none."""


@pytest.fixture
def api() -> Iterator[SandboxProcess]:
    with sandbox(size=200) as one:
        yield one


@contextmanager
def worker(scene: Scene, api: SandboxProcess) -> Iterator[None]:
    """A worker beside the cluster, which has no node for one."""
    command = [sys.executable, "-m", "crawl_worker.cli", "worker", "--job", f"{scene.namespace}/artists"]
    command += ["--postgres", scene.postgres_url, "--redis", scene.redis_url, "--base-url", api.url]
    with (scene.folder / "worker.jsonl").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, env=os.environ)
    try:
        yield
    finally:
        process.kill()
        process.wait(10)


def of_job(name: str) -> str:
    return f"artistcrawl_job_{name}"


def instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def status(scene: Scene) -> dict[str, Any]:
    found: dict[str, Any] = scene.get("crawljob", "artists")["status"]
    return found


def state(seen: Scrape) -> str:
    """The only state that is 1."""
    name = of_job("state")
    (found,) = [each for each in seen.labels(name, "state") if seen.value(name, state=each) == 1]
    return found


def searched(scene: Scene) -> int:
    return int(scene.value("SELECT coalesce(sum(searches), 0) FROM crawl_range"))


def jobs_in(operator: OperatorProcess) -> set[str]:
    """The CrawlJobs that it has any series of."""
    seen = operator.scraped()
    return {name for metric in OF_JOBS for name in seen.labels(metric, "crawljob")}


def test_from_its_application_to_its_deletion_a_crawljob_has_its_series_at_the_leader_alone(
    scene: Scene, api: SandboxProcess
) -> None:
    leader = scene.leader()
    standby = scene.operator()
    standby.did("watches.complete")
    scene.apply({**SLOW, "source": {"baseURL": api.url}})
    scene.wait("condition=Seeded")
    with worker(scene, api):
        _while_it_crawls(scene, leader)
        assert (jobs_in(standby), standby.scraped().value("artistcrawl_operator_leader")) == (set(), 0)
        scene.wait("condition=Succeeded", timeout_s=90)
    _once_it_is_done(scene, leader)
    scene.kubectl("delete", "crawljob", "artists")
    scene.until(lambda: not jobs_in(leader), "no series of a deleted CrawlJob")
    assert leader.scraped().value("artistcrawl_operator_crawljobs") == 0


def _while_it_crawls(scene: Scene, leader: OperatorProcess) -> None:
    seen = scene.until(lambda: _with_an_estimate(leader.scraped()), "an estimate", timeout_s=60)
    searches = searched(scene)
    assert declared_names(OPERATOR, BACKENDS, JOB) - seen.names == NOT_YET
    assert seen.undeclared((OPERATOR, BACKENDS, JOB)) == []
    assert (seen.labels(of_job("info"), "namespace"), seen.labels(of_job("info"), "crawljob")) == (
        {scene.namespace},
        {"artists"},
    )
    assert 0 < seen.value(of_job("searches")) <= searches
    assert seen.value(of_job("strings")) == STRINGS
    assert seen.value(of_job("progress_ratio")) == pytest.approx(seen.value(of_job("strings_covered")) / STRINGS)
    assert 0 < seen.value(of_job("requests_per_second")) * 60 <= seen.value(of_job("requests"))
    said = status(scene)
    # Pending, since the cluster has no node for the worker that it asks for.
    assert state(seen) == said["state"]
    workers = [seen.value(of_job("workers"), state=each) for each in ("desired", "ready")]
    assert workers == [1, 0] == [said["workers"][each] for each in ("desired", "ready")]
    assert seen.value(of_job("start_timestamp_seconds")) == instant(said["startTime"])
    assert seen.value(of_job("deadline_timestamp_seconds")) == instant(said["startTime"]) + 7_200
    assert {each["reason"] for each in said["conditions"]} == seen.labels(of_job("condition"), "reason")
    assert seen.value("artistcrawl_frontier_ranges", state="leased") == 1
    assert (seen.value("artistcrawl_bucket_limit_requests"), seen.value("artistcrawl_bucket_window_seconds")) == (1, 1)
    assert seen.value("artistcrawl_bucket_slots_free") in (0, 1)
    _what_the_operator_does(seen)


def _with_an_estimate(seen: Scrape) -> Scrape | None:
    return seen if seen.names >= NO_MORE else None


def _what_the_operator_does(seen: Scrape) -> None:
    assert (seen.value("artistcrawl_operator_leader"), seen.value("artistcrawl_operator_crawljobs")) == (1, 1)
    for done in ("RecordJob", "SeedFrontier", "CreateDeployment"):
        assert seen.value("artistcrawl_operator_steps_total", step=done, result="done") >= 1
    assert seen.value("artistcrawl_operator_reconciles_total", result="success") >= 3
    assert seen.value("artistcrawl_operator_reconcile_duration_seconds_count") >= 3
    assert seen.value("artistcrawl_operator_queue_wait_seconds_count") >= 3
    assert seen.value("artistcrawl_operator_queue_length", state="planned") <= 1
    asked = seen.labels("artistcrawl_operator_api_requests_total", "resource")
    assert asked >= {"crawljobs", "crawljobs/status", "deployments", "leases", "secrets"}
    assert seen.value("artistcrawl_operator_api_requests_total", resource="secrets", code="200") >= 1
    assert seen.value("artistcrawl_operator_api_request_duration_seconds_count", verb="PATCH") >= 3
    for watched in ("crawljobs", "deployments"):
        assert seen.value("artistcrawl_operator_watch_events_total", resource=watched) >= 1
    turned_s = seen.value("artistcrawl_operator_turn_timestamp_seconds", part="rounds")
    assert 0 <= seen.value("process_start_time_seconds") < turned_s
    assert turned_s == pytest.approx(seen.value(of_job("observed_timestamp_seconds")), abs=60)


def _once_it_is_done(scene: Scene, leader: OperatorProcess) -> None:
    scene.until(lambda: state(leader.scraped()) == "Succeeded", "its end in the metrics")
    seen, said = leader.scraped(), status(scene)
    assert seen.names & OF_JOBS == OF_JOBS - NO_MORE - OF_REDIS
    assert seen.value(of_job("completion_timestamp_seconds")) == instant(said["completionTime"])
    assert (seen.value(of_job("progress_ratio")), seen.value(of_job("requests_per_second"))) == (1, 0)
    counted = [seen.value(of_job(name)) for name in ("searches", "requests", "artists", "truncated")]
    assert counted == [said[name] for name in ("searches", "requests", "artists", "truncated")]
    assert (searched(scene), seen.value(of_job("ranges"), state="open")) == (counted[0], 0)


def test_who_takes_over_has_the_series_and_who_lost_the_lead_has_none(scene: Scene) -> None:
    leader = scene.leader()
    standby = scene.operator()
    standby.did("watches.complete")
    scene.apply()
    scene.wait("condition=Seeded")
    scene.until(lambda: jobs_in(leader) == {"artists"}, "series at the leader")
    leader.pause()
    standby.did("lease.acquired")
    scene.until(lambda: jobs_in(standby) == {"artists"}, "series at the other one")
    leader.wake()
    # At once, before it has looked at the Lease again.
    assert (jobs_in(leader), leader.scraped().value("artistcrawl_operator_leader")) == (set(), 0)
    assert sum(leader.scraped().values("artistcrawl_operator_queue_length")) == 0


def test_when_the_ledger_is_gone_the_state_is_told_and_no_count_of_before(scene: Scene) -> None:
    leader = scene.leader()
    scene.apply()
    scene.wait("condition=Seeded")
    scene.until(lambda: of_job("searches") in leader.scraped().names, "counts")
    errors = leader.scraped().value("artistcrawl_ledger_errors_total")
    nowhere = {"stringData": {"postgres-url": "postgresql://nobody@127.0.0.1:1/nothing"}}
    scene.kubectl("patch", "secret", "artistcrawl-backends", "--type=merge", "-p", json.dumps(nowhere))
    scene.until(lambda: of_job("searches") not in leader.scraped().names, "no counts")
    seen = leader.scraped()
    assert (len(seen.values(of_job("state"))), seen.names & OF_REDIS) == (6, set())
    assert seen.values(of_job("condition"), type="Progressing", status="True") == []
    assert seen.value("artistcrawl_ledger_errors_total") > errors


def test_a_metrics_port_that_is_taken_ends_the_operator_with_what_to_write(scene: Scene) -> None:
    port = scene.operator().did("metrics.serving")["port"]
    second = scene.operator("--metrics-port", str(port))
    assert second.ended() == EXIT_CONFIGURATION
    said = second.lines("operator.misconfigured")[0]["message"]
    assert f"port {port}" in said
    assert "--metrics-port PORT, or --metrics-port -1" in said
