"""What a local run's metrics say of its job when something is out of reach, and at the end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crawl_core.errors import ArtistcrawlError, LedgerUnavailableError, RedisUnavailableError, UnknownJobError
from crawl_core.readings.job import JobFigures
from crawl_core.values.progress import Progress
from crawl_worker.local.metrics import LocalMetrics, without_backends

FIGURES = JobFigures(
    "music", "artists", "Crawling", 1.0, progress=Progress(
        covered=5, total=10, open_ranges=1, done_ranges=1, searches=5, requests=6, artists=7, artists_new=3,
        truncated=0, dead_letters=0, retries=0, rate_limited=0, last_commit_at=None, requests_last_minute=20,
    ),
    estimated_at_s=9.0,
)  # fmt: skip


def series(figures: JobFigures | None) -> dict[tuple[str, ...], float]:
    assert figures is not None
    return {(each.metric.declaration.name, *each.labels[2:]): each.value for each in figures.readings()}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (LedgerUnavailableError("down"), "LedgerUnavailable"),
        (RedisUnavailableError("down"), "RedisUnavailable"),
        (UnknownJobError("forgotten"), "FrontierLost"),
    ],
)
def test_what_is_out_of_reach_is_named_and_old_counts_are_not_shown(error: ArtistcrawlError, reason: str) -> None:
    found = series(without_backends(FIGURES, error, now_s=2.0))
    assert found["artistcrawl_job_condition", "Seeded", "False", reason] == 1
    assert found["artistcrawl_job_observed_timestamp_seconds",] == 2.0
    assert ("artistcrawl_job_searches",) not in found


def test_a_run_that_is_done_says_so_with_the_counts_it_had() -> None:
    metrics = LocalMetrics()
    metrics.figures = replace(FIGURES)
    metrics.finish()
    found = series(metrics.figures)
    assert found["artistcrawl_job_state", "Succeeded"] == 1
    assert found["artistcrawl_job_progress_ratio",] == 1.0
    assert found["artistcrawl_job_searches",] == 5
    assert ("artistcrawl_job_estimated_completion_timestamp_seconds",) not in found


def test_a_run_that_knew_nothing_yet_can_end_too() -> None:
    metrics = LocalMetrics()
    metrics.finish()
    assert metrics.figures is None
