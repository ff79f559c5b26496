"""How much is done, and when all is done: rounded, and calm while the rate wavers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from crawl_core.job.time_left import estimated_end, percentage, seconds_left
from crawl_core.values.progress import Progress

NOW = datetime(2026, 3, 1, 12, 0, 3, tzinfo=UTC)
LONG = timedelta(hours=1)
TOTAL = 36**4
QUARTER = Progress(
    covered=TOTAL // 4,
    total=TOTAL,
    open_ranges=100,
    done_ranges=20,
    searches=420,
    requests=430,
    artists=0,
    artists_new=0,
    truncated=0,
    dead_letters=0,
    retries=0,
    rate_limited=0,
    last_commit_at=None,
    requests_last_minute=20,
)


@pytest.mark.parametrize(
    ("covered", "finished", "text"),
    [
        (0, False, "0.00%"),
        (1, False, "0.00%"),
        (TOTAL // 2, False, "50.00%"),
        (TOTAL * 4231 // 10_000 + 1, False, "42.31%"),
        (TOTAL - 1, False, "99.99%"),
        (TOTAL, False, "99.99%"),
        (TOTAL, True, "100.00%"),
    ],
)
def test_progress_is_rounded_down_and_whole_only_at_the_end(covered: int, finished: bool, text: str) -> None:
    assert percentage(covered=covered, total=TOTAL, finished=finished) == text


def test_an_empty_keyspace_divides_nothing_by_zero() -> None:
    assert percentage(covered=0, total=0, finished=False) == "0.00%"


def test_what_is_left_takes_as_long_as_the_rate_says() -> None:
    assert seconds_left(QUARTER, covered_per_s=TOTAL * 0.75 / 600, age=LONG) == pytest.approx(600)


def test_without_a_rate_it_goes_by_the_last_minutes_requests() -> None:
    # 430 requests covered a quarter; 20 a minute need 64.5 min for the rest.
    assert seconds_left(QUARTER, covered_per_s=None, age=LONG) == pytest.approx(64.5 * 60)


@pytest.mark.parametrize(
    ("progress", "covered_per_s", "age"),
    [
        (QUARTER, None, timedelta(seconds=59)),
        (QUARTER, 0.0, LONG),
        (QUARTER, 1e-9, LONG),
        (QUARTER, float("nan"), LONG),
        (replace(QUARTER, covered=0), None, LONG),
        (replace(QUARTER, requests_last_minute=0), None, LONG),
        (replace(QUARTER, covered=TOTAL), 10.0, LONG),
    ],
)
def test_what_cannot_be_said_is_not(progress: Progress, covered_per_s: float | None, age: timedelta) -> None:
    assert seconds_left(progress, covered_per_s=covered_per_s, age=age) is None


@pytest.mark.parametrize(
    ("left_s", "end"), [(60.0, "12:01:10"), (3_600.0, "13:01:00"), (86_400.0, "12:10:00"), (500_000.0, "07:00:00")]
)
def test_an_end_is_told_as_coarsely_as_it_is_known(left_s: float, end: str) -> None:
    assert estimated_end(left_s, now=NOW, before=None).strftime("%H:%M:%S") == end


def test_a_wavering_rate_does_not_change_it() -> None:
    before = estimated_end(10_000, now=NOW, before=None)
    assert estimated_end(10_300, now=NOW, before=before) == before


@pytest.mark.parametrize("before", [NOW - timedelta(seconds=1), NOW + timedelta(hours=9)])
def test_an_estimate_that_is_over_or_wrong_is_made_anew(before: datetime) -> None:
    assert estimated_end(20, now=NOW, before=before) == estimated_end(20, now=NOW, before=None)
