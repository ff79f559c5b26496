"""A local run judges its job as the operator judges a CrawlJob."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crawl_core.errors import ArtistcrawlError, LedgerUnavailableError, RedisUnavailableError, UnknownJobError
from crawl_core.job.views import BucketStatus, FrontierView
from crawl_core.values.jobs import JobRow
from crawl_core.values.limits import BucketLimits, BucketRow
from crawl_core.values.progress import Progress
from crawl_worker.local.job_look import JobLook
from crawl_worker.local.judgement import Judgement, WorkerCount, judge, out_of_reach

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ONE = WorkerCount(desired=1, alive=1)
ROW = JobRow(
    id=1, namespace="music", name="artists", uid="u", spec={}, total=100, bucket="b", bucket_scope="Named",
    page_size=None, problem_reason=None, problem_message=None, started_at=NOW - timedelta(hours=2), finished_at=None,
    deleted_at=None,
)  # fmt: skip
PROGRESS = Progress(
    covered=40, total=100, open_ranges=5, done_ranges=5, searches=40, requests=40, artists=7, artists_new=3,
    truncated=0, dead_letters=0, retries=0, rate_limited=0, last_commit_at=NOW - timedelta(seconds=5),
    requests_last_minute=20,
)  # fmt: skip
LIMITS = BucketLimits(requests=10, window_s=30.0, request_timeout_s=10.0, even=True)
FREE = BucketStatus(BucketRow("b", LIMITS, frozen_until_us=0, epoch=1), frozen_until=None, slots_free=10)
FROZEN = replace(FREE, frozen_until=NOW + timedelta(hours=1))
LOOK = JobLook(NOW, ROW, PROGRESS, FrontierView(known=True, pending=5), FREE, floor_s=0.0)


def judged(look: JobLook = LOOK, *, workers: WorkerCount = ONE, before: Judgement | None = None) -> Judgement:
    return judge(look, workers=workers, covered_per_s=1.0, before=before or Judgement())


def conditions(judgement: Judgement) -> dict[str, tuple[str, str]]:
    return {kind: (status, reason) for kind, status, reason in judgement.verdicts()}


CRAWLING = {
    "Seeded": ("True", "Seeded"),
    "Progressing": ("True", "LimitBinds"),
    "RateLimited": ("False", "WithinLimit"),
}


def test_a_job_that_goes_on_crawls_within_its_limit_and_has_an_end() -> None:
    judgement = judged()
    assert (judgement.state, conditions(judgement)) == ("Crawling", CRAWLING)
    assert judgement.estimated_end == NOW + timedelta(seconds=60)


@pytest.mark.parametrize(
    ("change", "workers", "state", "progressing"),
    [
        ({"bucket": FROZEN}, ONE, "Frozen", ("False", "Frozen")),
        ({"row": replace(ROW, finished_at=NOW)}, ONE, "Succeeded", ("False", "Completed")),
        (
            {"row": replace(ROW, problem_reason="Unauthorized", problem_at=NOW)}, ONE, "Stalled",
            ("False", "Unauthorized"),
        ),
        (
            {"row": replace(ROW, problem_reason="Misconfigured", problem_at=NOW)}, WorkerCount(1, 0), "Stalled",
            ("False", "Misconfigured"),
        ),
        (
            {"progress": replace(PROGRESS, last_commit_at=None)}, WorkerCount(1, 0), "Pending",
            ("False", "WorkersStarting"),
        ),
    ],
)  # fmt: skip
def test_a_state_has_its_reason(
    change: dict[str, Any], workers: WorkerCount, state: str, progressing: tuple[str, str]
) -> None:
    judgement = judged(replace(LOOK, **change), workers=workers)
    assert (judgement.state, conditions(judgement)["Progressing"]) == (state, progressing)


@pytest.mark.parametrize("change", [{"bucket": FROZEN}, {"row": replace(ROW, finished_at=NOW)}])
def test_where_nothing_goes_on_there_is_no_end_to_tell(change: dict[str, Any]) -> None:
    assert judged(replace(LOOK, **change)).estimated_end is None


def test_five_minutes_without_a_commit_are_a_stall() -> None:
    later = replace(LOOK, now=NOW + timedelta(minutes=6))
    judgement = judged(later, before=judged())
    assert (judgement.state, conditions(judgement)["Progressing"]) == ("Stalled", ("False", "NoProgress"))


def test_a_bucket_shared_with_a_stricter_job_is_told() -> None:
    stricter = replace(FREE, row=replace(FREE.row, limits=replace(LIMITS, requests=2)))
    assert conditions(judged(replace(LOOK, bucket=stricter)))["RateLimited"] == ("False", "SharedBucketStricter")


@pytest.mark.parametrize(
    ("before", "seeded"),
    [(judged(), ("False", "FrontierLost")), (Judgement(), ("Unknown", "Pending"))],
)
def test_a_frontier_that_redis_does_not_know_is_lost_or_new(before: Judgement, seeded: tuple[str, str]) -> None:
    assert conditions(judged(replace(LOOK, frontier=FrontierView(known=False)), before=before))["Seeded"] == seeded


def test_a_status_keeps_the_time_since_when_it_holds() -> None:
    later = judged(replace(LOOK, now=NOW + timedelta(seconds=9)), before=judged())
    assert {held.since for held in later.conditions.values()} == {NOW}


@pytest.mark.parametrize(
    ("error", "kind", "expected"),
    [
        (LedgerUnavailableError("down"), "Progressing", ("Unknown", "LedgerUnavailable")),
        (RedisUnavailableError("down"), "Progressing", ("Unknown", "RedisUnavailable")),
        (UnknownJobError("forgotten"), "Seeded", ("False", "FrontierLost")),
    ],
)
def test_what_is_out_of_reach_is_named_and_the_rest_stays(
    error: ArtistcrawlError, kind: str, expected: tuple[str, str]
) -> None:
    judgement = out_of_reach(error, now=NOW, before=judged())
    assert (judgement.state, conditions(judgement)) == ("Crawling", {**CRAWLING, kind: expected})


def test_a_ledger_that_never_answered_leaves_nothing_to_say_of_the_frontier() -> None:
    judgement = out_of_reach(LedgerUnavailableError("down"), now=NOW, before=Judgement())
    assert conditions(judgement)["Seeded"] == ("Unknown", "LedgerUnavailable")


def test_a_redis_out_of_reach_is_told_from_a_look_that_has_the_ledgers_counts() -> None:
    look = replace(LOOK, frontier=None, bucket=None, redis_error=RedisUnavailableError("down"))
    assert conditions(judged(look, before=judged()))["Progressing"] == ("Unknown", "RedisUnavailable")
