"""A freeze that a local run has heard of is shown, and told once, also while Redis is out of reach."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from support.fakes.observations import job_of
from support.fakes.operator_rounds import TurnedClock

from crawl_core.errors import RedisUnavailableError
from crawl_core.job.views import BucketStatus, FrontierView
from crawl_core.values.jobs import JobRow
from crawl_core.values.limits import BucketLimits, BucketRow
from crawl_core.values.progress import Progress
from crawl_worker.local import monitor
from crawl_worker.local.job_look import JobLook
from crawl_worker.local.judgement import WorkerCount

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMITS = BucketLimits(requests=10, window_s=30.0, request_timeout_s=10.0, even=True)
FROZEN = JobLook(
    NOW,
    JobRow(
        id=1, namespace="music", name="artists", uid="u", spec={}, total=100, bucket="b", bucket_scope="Named",
        page_size=None, problem_reason=None, problem_message=None, started_at=NOW - timedelta(hours=2),
        finished_at=None, deleted_at=None,
    ),
    Progress(
        covered=40, total=100, open_ranges=5, done_ranges=5, searches=40, requests=40, artists=7, artists_new=3,
        truncated=0, dead_letters=0, retries=0, rate_limited=1, last_commit_at=NOW, requests_last_minute=20,
    ),
    FrontierView(known=True, pending=5),
    BucketStatus(BucketRow("b", LIMITS, frozen_until_us=0, epoch=1), NOW + timedelta(hours=1), slots_free=0),
    floor_s=0.0,
)  # fmt: skip
AWAY = replace(FROZEN, frontier=None, bucket=None, redis_error=RedisUnavailableError("no answer"))


async def test_a_freeze_is_shown_while_redis_is_away_and_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: Iterator[JobLook] = iter([FROZEN, AWAY, FROZEN])

    async def next_look(*_: Any, **__: Any) -> JobLook:
        return next(looks)

    monkeypatch.setattr(monitor, "look_at", next_look)
    told: list[str] = []
    job_monitor = monitor.JobMonitor(job_of(), event=told.append, clock=TurnedClock())
    opened: Any = SimpleNamespace(redis=None, ledger=None, bucket="b")
    for _ in range(3):
        await job_monitor.renew(opened, workers=WorkerCount(desired=1, alive=1))
        assert job_monitor.snapshot.frozen_s == 3600.0
    assert len(told) == 1
