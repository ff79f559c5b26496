"""The status' numbers and times: from the ledger, and quiet where nothing happens."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from support.fakes.observations import (
    NOW,
    crawling,
    event_reasons,
    later,
    planned,
    said,
    settled,
    status_of,
    told,
)

from crawl_operator.decide.status import time_left
from crawl_operator.values.model import Memory, Observation, Trouble

TOTAL = 36**4


def paced(covered_per_s: float | None, **more: object) -> Observation:
    return crawling(memory=Memory(seeded_at=NOW, covered_per_s=covered_per_s), **more)  # type: ignore[arg-type]


def test_counts_are_the_ledgers() -> None:
    status = status_of(crawling())
    counts = (status.searches, status.requests, status.artists, status.artists_new, status.truncated)
    assert counts == (420, 430, 900, 800, 1)
    assert (status.covered, status.total) == (TOTAL // 4, TOTAL)
    assert (status.requests_per_minute, status.dead_letters, status.progress) == (20, 0, "25.00%")


def test_times_are_the_ledgers() -> None:
    status = status_of(crawling(row={"finished_at": NOW}))
    assert (status.start_time, status.completion_time) == ("2026-03-01T11:00:00Z", "2026-03-01T12:00:00Z")


def test_it_carries_the_selector_of_its_pods() -> None:
    assert status_of(crawling()).selector == (
        "app.kubernetes.io/component=worker,app.kubernetes.io/managed-by=artistcrawl-operator,"
        "app.kubernetes.io/name=artistcrawl,artistcrawl.dev/crawljob=artists"
    )


def test_workers_are_told_as_wanted_and_as_up() -> None:
    workers = status_of(crawling({"workers": {"replicas": 3}}, workers={"replicas": 3, "ready": 2, "pods": 4})).workers
    assert (workers.desired, workers.current, workers.ready) == (3, 4, 2)


def test_smaller_pages_than_the_spec_asks_for_are_told() -> None:
    tried = {"page_size": 10, "page_size_tried_at": NOW}
    status = status_of(crawling(row=tried))
    assert (status.page_size, status.page_size_tried_at) == (10, "2026-03-01T12:00:00Z")
    assert status_of(crawling({"source": {"pageSize": 10}}, row=tried)).page_size is None
    assert status_of(crawling(row={"page_size": 10})).page_size_tried_at is None


def test_a_finished_job_requests_nothing() -> None:
    assert status_of(crawling(row={"finished_at": NOW})).requests_per_minute == 0


# --- the estimate


def test_it_is_what_is_left_at_the_present_pace() -> None:
    assert status_of(paced(TOTAL * 0.75 / 1_000)).estimated_completion_time == "2026-03-01T12:17:00Z"


def test_right_after_the_operators_start_it_is_by_the_last_minutes_requests() -> None:
    # 430 requests covered a quarter; 20 a minute need 64.5 min for the rest.
    assert status_of(paced(None)).estimated_completion_time == "2026-03-01T13:05:00Z"


def test_a_wavering_pace_does_not_change_it() -> None:
    seen = told(paced(TOTAL * 0.75 / 10_000))
    wavers = replace(later(seen, 5), memory=Memory(seeded_at=NOW, covered_per_s=TOTAL * 0.75 / 10_300))
    assert status_of(wavers).estimated_completion_time == status_of(seen).estimated_completion_time


def test_another_pace_does() -> None:
    seen = told(paced(TOTAL * 0.75 / 10_000))
    slower = replace(seen, memory=Memory(seeded_at=NOW, covered_per_s=TOTAL * 0.75 / 20_000))
    assert status_of(slower).estimated_completion_time != status_of(seen).estimated_completion_time


@pytest.mark.parametrize("days", [3, 58])
def test_a_far_end_is_told_by_the_hour(days: int) -> None:
    found = status_of(paced(TOTAL * 0.75 / (days * 86_400 + 1))).estimated_completion_time
    assert found is not None
    assert found.endswith(":00:00Z")


@pytest.mark.parametrize("pace", [0.0, 1e-9, float("nan")])
def test_no_pace_has_no_end(pace: float) -> None:
    assert status_of(paced(pace)).estimated_completion_time is None


@pytest.mark.parametrize(
    "seen",
    [
        crawling({"suspend": True}),
        crawling(limits={"frozen_s": 60}),
        crawling(row={"finished_at": NOW}),
        crawling(progress={"covered": 0, "requests": 0}),
    ],
)
def test_where_nothing_goes_on_there_is_none(seen: Observation) -> None:
    assert status_of(seen).estimated_completion_time is None


def test_what_does_not_change_is_not_written_anew() -> None:
    seen = told(paced(TOTAL * 0.75 / 10_000))
    status = planned(later(seen, 5)).status
    assert status is not None
    assert status.model_dump(mode="json", by_alias=True, exclude_none=True) == seen.crawljob.status


def test_a_later_commit_changes_counts_and_no_condition() -> None:
    seen = told(crawling())
    assert seen.progress is not None
    counted = replace(seen.progress, searches=500, covered=seen.progress.covered + 80, last_commit_at=NOW)
    moved = replace(later(seen, 5), progress=counted)
    assert status_of(moved).conditions == status_of(seen).conditions
    assert status_of(moved).searches == 500


def test_a_start_before_the_last_look_is_kept_while_the_ledger_is_away() -> None:
    before = told(crawling())
    assert status_of(replace(before, row=None, progress=None)).start_time == "2026-03-01T11:00:00Z"


def test_the_next_look_is_sooner_where_something_goes_on() -> None:
    assert planned(told(crawling())).requeue_after_s == 5.0
    row = {"problem_reason": "Unauthorized", "problem_at": NOW + timedelta(seconds=1)}
    assert planned(told(crawling(row=row))).requeue_after_s == 30.0


@pytest.mark.parametrize(
    ("left", "text"),
    [
        (timedelta(seconds=0), "0s"),
        (timedelta(seconds=31), "40s"),
        (timedelta(seconds=61), "2m"),
        (timedelta(minutes=59, seconds=30), "1h"),
        (timedelta(hours=3, minutes=11), "3h20m"),
        (timedelta(hours=23, minutes=30), "1d"),
        (timedelta(days=57, hours=3, minutes=5), "57d4h"),
    ],
)
def test_the_time_left_is_shown_as_coarsely_as_it_is_known(left: timedelta, text: str) -> None:
    assert time_left(left) == text


def test_a_job_that_has_just_begun_is_given_no_estimate() -> None:
    assert status_of(paced(None, row={"started_at": NOW - timedelta(seconds=5)})).time_left is None


def test_the_time_left_stands_beside_the_estimate() -> None:
    assert status_of(paced(TOTAL * 0.75 / 1_000)).time_left == "17m"


def test_a_job_whose_requests_are_committed_is_crawling_before_its_pods_are_told_ready() -> None:
    assert status_of(crawling(workers={"ready": 0})).state == "Crawling"


def test_a_finished_job_whose_counts_cannot_be_read_is_not_called_complete() -> None:
    away = Trouble("LedgerUnavailable", "no", permanent=False)
    seen = replace(told(crawling()), trouble=away, progress=None, deployment=None)
    assert seen.row is not None
    seen = replace(seen, row=replace(seen.row, finished_at=NOW))
    assert (said(seen, "Succeeded").status, status_of(seen).state, status_of(seen).searches) == (
        "Unknown",
        "Crawling",
        420,
    )
    assert ("Succeeded" in event_reasons(seen), planned(seen).requeue_after_s) == (False, 30.0)


def test_a_finished_job_stays_complete_while_its_counts_cannot_be_read() -> None:
    away = Trouble("LedgerUnavailable", "no", permanent=False)
    done = settled(crawling(row={"finished_at": NOW}, progress={"open_ranges": 0, "covered": 36**4}))
    seen = replace(done, progress=None, trouble=away)
    assert (status_of(seen), planned(seen).requeue_after_s) == (status_of(done), 30.0)
