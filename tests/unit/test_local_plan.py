"""What the local run decides: workers, their replacement, the sandbox's flags."""

from __future__ import annotations

from pathlib import Path

import pytest

from crawl_core.job.views import BucketStatus
from crawl_core.spec import CrawlJob, parse_crawljob
from crawl_core.values.capacity import limits_of
from crawl_core.values.limits import Binder, BucketLimits, BucketRow
from crawl_worker.crew.backoff import Backoff
from crawl_worker.crew.sandbox import sandbox_arguments
from crawl_worker.local.plan import floor_note, limit_per_minute, process_count, shared_note


def job(spec: str = "{}") -> CrawlJob:
    text = f"{{apiVersion: artistcrawl.dev/v1alpha1, kind: CrawlJob, metadata: {{name: artists}}, spec: {spec}}}"
    return parse_crawljob(text, origin="test")


@pytest.mark.parametrize(
    ("spec", "cpus", "expected"),
    [
        ("{}", 8, 1),
        ("{rateLimit: {requests: 5000, window: 10s}}", 8, 8),
        ("{rateLimit: {requests: 5000, window: 10s}}", 2, 2),
        ("{rateLimit: {requests: 5000, window: 10s}, workers: {max: 3}}", 8, 3),
        ("{rateLimit: {requests: 300, window: 10s}}", 8, 3),
        ("{workers: {min: 4}}", 2, 4),
        ("{workers: {replicas: 5}}", 2, 5),
        ("{workers: {replicas: 0}}", 2, 1),
    ],
)
def test_as_many_workers_as_the_limit_can_occupy(spec: str, cpus: int, expected: int) -> None:
    assert process_count(job(spec).spec, cpus=cpus) == expected


def test_the_user_may_ask_for_more_workers() -> None:
    assert process_count(job().spec, cpus=2, asked=9) == 9


def test_the_limit_is_shown_in_requests_a_minute() -> None:
    assert limit_per_minute(job().spec.rate_limit) == 20
    assert limit_per_minute(shared(requests=5, window_s=30.0).row.limits) == 10


def shared(*, requests: int, window_s: float) -> BucketStatus:
    limits = BucketLimits(requests=requests, window_s=window_s, request_timeout_s=1, even=True)
    other = Binder("default/other", requests=requests, window_s=window_s, even=True, activity="crawls")
    return BucketStatus(BucketRow("credential:x", limits, 0, 1), frozen_until=None, binders=(other,))


@pytest.mark.parametrize(("requests", "window_s"), [(3, 30.0), (10, 60.0)])
def test_a_stricter_limit_than_the_own_one_is_explained(requests: int, window_s: float) -> None:
    note = shared_note(limits_of(job().spec), shared(requests=requests, window_s=window_s))
    assert note.startswith(f"{requests} requests in ")
    assert "count instead of the job's own 10 requests in 30 s: default/other (" in note
    assert "it crawls) shares bucket credential:x." in note


def test_the_own_limit_needs_no_explanation() -> None:
    assert not shared_note(limits_of(job().spec), shared(requests=10, window_s=30.0))


def test_a_wait_is_explained_only_while_it_lasts() -> None:
    assert floor_note(3.2).startswith("waiting 4 s: ")
    assert not floor_note(0)


def test_the_first_successor_starts_at_once_and_later_ones_later() -> None:
    backoff = Backoff()
    assert [backoff.after(0.1) for _ in range(9)] == [0, 0.5, 1, 2, 4, 8, 16, 30, 30]


def test_a_worker_that_worked_for_a_while_is_replaced_at_once() -> None:
    backoff = Backoff()
    for _ in range(5):
        backoff.after(0.1)
    assert backoff.after(31) == 0


def test_the_sandbox_enforces_the_limit_of_the_job() -> None:
    arguments = sandbox_arguments(
        job("{rateLimit: {requests: 7, window: 1m30s}}"), catalogue=None, port=0, ready_file=Path("r")
    )
    assert arguments[arguments.index("--limit") + 1] == "7/1m30s"
    assert arguments[arguments.index("--limit-by") + 1] == "client"
    assert "--catalogue" not in arguments


@pytest.mark.parametrize(("size", "mode"), [(10, "development"), (11, "extended"), (50, "extended")])
def test_the_sandbox_has_the_mode_that_allows_the_page_size(size: int, mode: str) -> None:
    arguments = sandbox_arguments(
        job(f"{{source: {{pageSize: {size}}}}}"), catalogue=None, port=0, ready_file=Path("r")
    )
    assert arguments[arguments.index("--mode") + 1] == mode


def test_the_catalogue_is_handed_on() -> None:
    arguments = sandbox_arguments(job(), catalogue=Path("a.csv"), port=0, ready_file=Path("r"))
    assert arguments[-2:] == ["--catalogue", "a.csv"]
