"""What is judged of a job that goes on, in a cluster and in a local run alike."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crawl_core.job import reasons
from crawl_core.job.verdicts import (
    OTHERS_COMMIT_WITHIN,
    Standing,
    Verdict,
    limit_binds,
    misconfigured,
    progressing,
    rate_limited,
    running_state,
)
from crawl_core.spec import Spec
from crawl_core.values.capacity import limits_of
from crawl_core.values.jobs import JobRow
from crawl_core.values.progress import Progress

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CRAWLS = Standing(Verdict("True", reasons.CRAWLING), since=NOW - timedelta(hours=1))
ROW = JobRow(
    id=1, namespace="music", name="artists", uid="u", spec={}, total=100, bucket="b", bucket_scope="Named",
    page_size=None, problem_reason=None, problem_message=None, started_at=NOW - timedelta(hours=2), finished_at=None,
    deleted_at=None,
)  # fmt: skip
PROGRESS = Progress(
    covered=10, total=100, open_ranges=5, done_ranges=5, searches=10, requests=12, artists=7, artists_new=3,
    truncated=0, dead_letters=0, retries=0, rate_limited=0, last_commit_at=NOW - timedelta(seconds=5),
    requests_last_minute=20,
)  # fmt: skip


def noted(reason: str, *, ago_s: float = 10) -> JobRow:
    return replace(ROW, problem_reason=reason, problem_message="m", problem_at=NOW - timedelta(seconds=ago_s))


def committed(ago: timedelta) -> Progress:
    return replace(PROGRESS, last_commit_at=NOW - ago)


def judged(row: JobRow = ROW, progress: Progress = PROGRESS, **more: Any) -> Verdict:
    known = {"now": NOW, "ready": 1, "limit_binds": True, "window_s": 30.0, "before": CRAWLS}
    return progressing(row, progress, **{**known, **more})


@pytest.mark.parametrize(("binds", "reason"), [(True, reasons.LIMIT_BINDS), (False, reasons.CRAWLING)])
def test_a_crawl_says_whether_more_workers_would_help(binds: bool, reason: str) -> None:
    assert judged(limit_binds=binds) == Verdict("True", reason)


def test_without_workers_they_are_starting() -> None:
    assert judged(ready=0) == Verdict("False", reasons.WORKERS_STARTING)


@pytest.mark.parametrize("reason", sorted(reasons.NOTED_BY_WORKERS))
def test_what_workers_noted_stands_until_something_is_committed(reason: str) -> None:
    long_ago = committed(timedelta(minutes=1))
    assert judged(noted(reason), long_ago) == Verdict("False", reason)
    assert judged(noted(reason), PROGRESS) == Verdict("True", reasons.LIMIT_BINDS)


@pytest.mark.parametrize(("window_s", "quiet_s"), [(30.0, 300), (200.0, 600)])
def test_silence_for_five_minutes_and_three_windows_is_a_stall(window_s: float, quiet_s: int) -> None:
    silent, not_yet = committed(timedelta(seconds=quiet_s)), committed(timedelta(seconds=quiet_s - 1))
    assert judged(progress=silent, window_s=window_s) == Verdict("False", reasons.NO_PROGRESS)
    assert judged(progress=not_yet, window_s=window_s).status == "True"


def test_silence_counts_from_when_the_crawl_went_on() -> None:
    resumed = Standing(Verdict("True", reasons.CRAWLING), since=NOW - timedelta(seconds=10))
    assert judged(progress=committed(timedelta(days=3)), before=resumed).status == "True"


def test_a_stall_lasts_until_something_is_committed() -> None:
    stalled = Standing(Verdict("False", reasons.NO_PROGRESS), since=NOW - timedelta(seconds=20))
    assert judged(progress=committed(timedelta(minutes=6)), before=stalled).reason == reasons.NO_PROGRESS
    assert judged(progress=PROGRESS, before=stalled).status == "True"


@pytest.mark.parametrize("before", [None, Standing(Verdict("False", reasons.FROZEN), since=NOW - timedelta(hours=1))])
def test_what_did_not_go_on_until_now_is_not_silent(before: Standing | None) -> None:
    assert judged(progress=committed(timedelta(hours=1)), before=before).status == "True"


@pytest.mark.parametrize(
    ("row", "progress", "ready", "expected"),
    [
        (ROW, PROGRESS, 0, False),
        (noted(reasons.UNAUTHORIZED), PROGRESS, 0, False),
        (noted(reasons.MISCONFIGURED), committed(timedelta(minutes=1)), 0, True),
        (noted(reasons.MISCONFIGURED), committed(timedelta(minutes=1)), 1, False),
        (noted(reasons.MISCONFIGURED, ago_s=31), committed(timedelta(minutes=1)), 1, True),
        (noted(reasons.MISCONFIGURED), PROGRESS, 0, False),
    ],
)
def test_a_job_is_misconfigured_when_no_worker_can_work(
    row: JobRow, progress: Progress, ready: int, expected: bool
) -> None:
    assert timedelta(seconds=10) < OTHERS_COMMIT_WITHIN < timedelta(seconds=31)
    assert misconfigured(row, progress, now=NOW, ready=ready) is expected


SPEC = Spec.model_validate({"rateLimit": {"requests": 10, "window": "30s"}})
OWN = limits_of(SPEC)


@pytest.mark.parametrize(
    ("row", "frozen", "in_force", "expected"),
    [
        (ROW, False, None, Verdict("False", reasons.WITHIN_LIMIT)),
        (ROW, False, OWN, Verdict("False", reasons.WITHIN_LIMIT)),
        (ROW, False, replace(OWN, requests=2), Verdict("False", reasons.SHARED_BUCKET_STRICTER)),
        (ROW, True, replace(OWN, requests=2), Verdict("True", reasons.FROZEN_BY_API)),
        (noted(reasons.QUOTA_EXCEEDED), True, OWN, Verdict("True", reasons.QUOTA_EXCEEDED)),
        (noted(reasons.QUOTA_EXCEEDED), False, OWN, Verdict("False", reasons.WITHIN_LIMIT)),
    ],
)
def test_a_limit_is_the_sources_pause_or_anothers_or_its_own(
    row: JobRow, frozen: bool, in_force: Any, expected: Verdict
) -> None:
    assert rate_limited(SPEC, row=row, frozen=frozen, in_force=in_force) == expected


@pytest.mark.parametrize(
    ("spec", "workers", "binds"),
    [
        ({}, 1, True),
        ({"rateLimit": {"requests": 100, "window": "1s"}}, 1, False),
        ({"rateLimit": {"requests": 100, "window": "1s"}}, 8, True),
        ({"rateLimit": {"bucket": "Node"}}, 8, False),
    ],
)
def test_a_limit_binds_where_more_workers_would_change_nothing(spec: Any, workers: int, binds: bool) -> None:
    parsed = Spec.model_validate(spec)
    assert limit_binds(parsed, limits_of(parsed), latency_s=None, workers=workers) is binds


@pytest.mark.parametrize(
    ("reason", "ready", "progress", "before", "state"),
    [
        (reasons.NO_PROGRESS, 1, PROGRESS, "Crawling", "Stalled"),
        (reasons.UNAUTHORIZED, 1, PROGRESS, "Crawling", "Stalled"),
        (reasons.CRAWLING, 1, committed(timedelta(hours=1)), "Pending", "Crawling"),
        (reasons.WORKERS_STARTING, 0, PROGRESS, "Pending", "Crawling"),
        (reasons.WORKERS_STARTING, 0, committed(timedelta(hours=1)), "Crawling", "Crawling"),
        (reasons.WORKERS_STARTING, 0, committed(timedelta(hours=1)), "Pending", "Pending"),
    ],
)
def test_the_state_is_one_word_for_it(reason: str, ready: int, progress: Progress, before: str, state: str) -> None:
    verdict = Verdict("True" if reason == reasons.CRAWLING else "False", reason)
    assert running_state(verdict, progress, now=NOW, ready=ready, before=before) == state
