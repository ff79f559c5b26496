"""What a local run's metrics say of its job when something is out of reach, and at the end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from crawl_core.errors import LedgerUnavailableError, RedisUnavailableError
from crawl_core.job.views import BucketStatus, FrontierView
from crawl_core.readings.job import JobFigures
from crawl_core.values.jobs import JobRow
from crawl_core.values.limits import BucketLimits, BucketRow
from crawl_core.values.progress import Progress
from crawl_worker.local.job_look import JobLook
from crawl_worker.local.judgement import Judgement, WorkerCount, judge, out_of_reach
from crawl_worker.local.metrics import LocalMetrics, figures_of, without_counts

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROW = JobRow(
    id=1, namespace="music", name="artists", uid="u", spec={"deadline": "3h"}, total=10, bucket="b",
    bucket_scope="Named", page_size=None, problem_reason=None, problem_message=None,
    started_at=NOW - timedelta(hours=1), finished_at=None, deleted_at=None,
)  # fmt: skip
LIMITS = BucketLimits(requests=10, window_s=30.0, request_timeout_s=10.0, even=True)
LOOK = JobLook(
    NOW,
    ROW,
    Progress(
        covered=5, total=10, open_ranges=1, done_ranges=1, searches=5, requests=6, artists=7, artists_new=3,
        truncated=0, dead_letters=0, retries=0, rate_limited=0, last_commit_at=None, requests_last_minute=20,
    ),
    FrontierView(known=True, pending=1, epoch="e"),
    BucketStatus(BucketRow("b", LIMITS, frozen_until_us=0, epoch=1), frozen_until=None, slots_free=4),
    floor_s=0.0,
)  # fmt: skip
WORKERS = WorkerCount(desired=2, alive=1)


def figures(look: JobLook = LOOK, *, before: Judgement | None = None) -> JobFigures:
    judgement = judge(look, workers=WORKERS, covered_per_s=1.0, before=before or Judgement())
    return figures_of(look, judgement, workers=WORKERS, bucket="b")


def series(shown: JobFigures | None) -> dict[tuple[str, ...], float]:
    assert shown is not None
    return {
        (reading.metric.declaration.name.removeprefix("artistcrawl_"), *reading.labels[2:]): reading.value
        for reading in shown.readings()
    }


def test_a_job_that_goes_on_has_the_series_that_an_operator_would_export() -> None:
    expected = {
        ("job_info", "Sandbox", "b"): 1,
        ("job_state", "Crawling"): 1,
        ("job_condition", "Progressing", "True", "LimitBinds"): 1,
        ("job_searches",): 5,
        ("job_requests_per_second",): 20 / 60,
        ("job_estimated_completion_timestamp_seconds",): NOW.timestamp() + 10,
        ("job_deadline_timestamp_seconds",): NOW.timestamp() + 2 * 3600,
        ("job_workers", "desired"): 2,
        ("job_workers", "ready"): 1,
        ("frontier_ranges", "pending"): 1,
        ("bucket_slots_free", "b"): 4,
    }
    shown = series(figures())
    assert {key: shown.get(key) for key in expected} == expected


def test_a_ledger_out_of_reach_is_named_and_old_counts_are_not_shown() -> None:
    judgement = out_of_reach(LedgerUnavailableError("down"), now=NOW, before=Judgement())
    shown = series(without_counts(figures(), judgement, now_s=2.0))
    assert shown["job_condition", "Progressing", "Unknown", "LedgerUnavailable"] == 1
    assert shown["job_observed_timestamp_seconds",] == 2.0
    assert ("job_searches",) not in shown
    assert ("job_estimated_completion_timestamp_seconds",) not in shown


def test_what_the_ledger_says_is_shown_while_redis_is_out_of_reach() -> None:
    away = replace(LOOK, frontier=None, bucket=None, redis_error=RedisUnavailableError("down"))
    shown = series(figures(away))
    assert (shown["job_searches",], shown["job_info", "Sandbox", "b"]) == (5, 1)
    assert not [key for key in shown if key[0].startswith(("frontier_", "bucket_"))]
    # It does not go on as it did.
    assert ("job_estimated_completion_timestamp_seconds",) not in shown


def test_a_job_that_is_done_says_when_and_that_all_is_covered() -> None:
    done_at = NOW - timedelta(seconds=1)
    shown = series(figures(replace(LOOK, row=replace(ROW, finished_at=done_at))))
    assert (shown["job_state", "Succeeded"], shown["job_progress_ratio",]) == (1, 1)
    assert shown["job_completion_timestamp_seconds",] == done_at.timestamp()
    assert shown["job_condition", "Progressing", "False", "Completed"] == 1


def test_a_run_that_is_done_says_so_with_the_counts_it_had() -> None:
    metrics = LocalMetrics()
    metrics.figures = figures()
    metrics.finish()
    shown = series(metrics.figures)
    assert (shown["job_state", "Succeeded"], shown["job_progress_ratio",], shown["job_searches",]) == (1, 1, 5)
    assert ("job_estimated_completion_timestamp_seconds",) not in shown


def test_a_run_that_knew_nothing_yet_can_end_too() -> None:
    metrics = LocalMetrics()
    metrics.finish()
    assert metrics.figures is None
