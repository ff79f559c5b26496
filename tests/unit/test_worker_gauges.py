"""What a worker's scrape says of its state."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crawl_core.limiter.state import LimiterState
from crawl_core.metrics.labels import WorkerState
from crawl_worker.crawl.view import PlaceView, WorkerView
from crawl_worker.process.gauges import readings, state_of

LIMITER = LimiterState(
    limits=None, epoch=0, frozen_until_us=0, frozen_s=0.0, waiting=0, granted=0, calls=7, grants=5, discarded=1,
    confirmed=4, round_trip_s=0.001, reachable=True,
)  # fmt: skip
VIEW = WorkerView(
    draining=False, places=[PlaceView(7, 0.25), PlaceView()], in_flight=1, arrivals=4, outage=False, outage_age_s=0.0,
    behind=False, uncommitted_age_s=0.5, limiter=LIMITER,
)  # fmt: skip


def values(view: WorkerView | None) -> dict[tuple[str, ...], float]:
    found = readings(view, started_at_s=1000.0, version="1.2.3")
    return {(reading.metric.declaration.name, *reading.labels): reading.value for reading in found}


@pytest.mark.parametrize(
    ("view", "state"),
    [
        (None, "starting"),
        (VIEW, "crawling"),
        (replace(VIEW, places=[PlaceView()]), "idle"),
        (replace(VIEW, outage=True), "outage"),
        (replace(VIEW, behind=True), "blocked"),
        (replace(VIEW, limiter=replace(LIMITER, reachable=False)), "blocked"),
        (replace(VIEW, outage=True, limiter=replace(LIMITER, frozen_s=1.0)), "frozen"),
        (replace(VIEW, draining=True, outage=True), "draining"),
    ],
)
def test_the_state_is_what_keeps_it_from_crawling(view: WorkerView | None, state: str) -> None:
    assert state_of(view) == state


def test_exactly_one_state_is_one() -> None:
    found = values(VIEW)
    assert {state: found["artistcrawl_worker_state", state] for state in WorkerState} == {
        state: float(state == "crawling") for state in WorkerState
    }


def test_a_worker_that_starts_says_only_that() -> None:
    found = values(None)
    assert found["artistcrawl_worker_start_timestamp_seconds",] == 1000.0
    assert ("artistcrawl_worker_concurrency",) not in found


def test_each_place_has_its_range_and_how_far_that_is() -> None:
    found = values(VIEW)
    assert found["artistcrawl_worker_range", "0"] == 7
    assert found["artistcrawl_worker_range_position_ratio", "0"] == 0.25
    assert found["artistcrawl_worker_range", "1"] == 0
    assert found["artistcrawl_worker_leases_held",] == 1
