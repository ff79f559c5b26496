"""How fast a crawl goes, from what rounds saw."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from crawl_core.ledger import Progress
from crawl_operator.observe.throughput import Pace

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def progress(requests: int, covered: int = 0) -> Progress:
    return Progress(covered, 1_000_000, 1, 0, 0, requests, 0, 0, 0, 0, 0, 0, None, 0)


def seen(counts, *, every_s: float = 5.0) -> Pace:
    """A pace that saw these (requests, covered), one each few seconds."""
    pace = Pace(began=BEGAN)
    for number, (requests, covered) in enumerate(counts):
        pace.see(progress(requests, covered), BEGAN + timedelta(seconds=number * every_s))
    return pace


def test_nothing_is_known_before_enough_was_seen():
    memory = seen([(0, 0), (5, 5)]).memory()
    assert (memory.requests_per_minute, memory.covered_per_s) == (None, None)


def test_a_steady_crawl_has_its_rate():
    memory = seen([(10 * look, 50 * look) for look in range(40)]).memory()
    assert memory.requests_per_minute == pytest.approx(120)
    assert memory.covered_per_s == pytest.approx(10)


@pytest.mark.parametrize("looks", range(26, 60))
def test_ten_requests_in_half_a_minute_that_come_all_at_once_are_twenty_a_minute(looks):
    memory = seen([(look * 5 // 30 * 10, 0) for look in range(looks)]).memory()
    assert memory.requests_per_minute == pytest.approx(20, rel=0.26)


def test_a_rate_forgets_what_was_minutes_ago():
    fast, then_none = [(100 * look, 0) for look in range(10)], [(900, 0)] * 26
    assert seen(fast + then_none).memory().requests_per_minute == 0


def test_counts_that_go_back_begin_anew():
    memory = seen([(100 * look, 0) for look in range(30)] + [(0, 0)]).memory()
    assert memory.requests_per_minute is None


def test_a_pause_is_no_part_of_the_rate():
    pace = seen([(100 * look, 0) for look in range(30)])
    pace.pause()
    for number in range(8):
        pace.see(progress(3_000 + number), BEGAN + timedelta(hours=1, seconds=5 * number))
    assert pace.memory().requests_per_minute == pytest.approx(12)


def test_progress_is_dated_from_the_last_look_that_moved():
    pace = seen([(0, 0), (1, 1), (1, 1), (1, 1)])
    assert pace.memory().progressed_at == BEGAN + timedelta(seconds=5)
    assert Pace(began=BEGAN).memory().progressed_at == BEGAN


def test_a_day_of_looks_is_a_bounded_memory():
    pace = seen([(look, look) for look in range(20_000)], every_s=1.0)
    assert len(pace._samples) <= 122


def test_after_a_freeze_a_crawl_is_expected_to_go_on_as_before_it():
    pace = seen([(10 * look, 50 * look) for look in range(40)])
    pace.hold()
    after = BEGAN + timedelta(hours=20)
    pace.see(progress(390, 1950), after)
    assert pace.memory().covered_per_s == pytest.approx(10)
    for number in range(1, 8):
        pace.see(progress(390, 1950 + 100 * number), after + timedelta(seconds=5 * number))
    assert pace.memory().covered_per_s == pytest.approx(20)


def test_a_suspended_job_forgets_how_it_went():
    pace = seen([(10 * look, 50 * look) for look in range(40)])
    pace.hold()
    pace.pause()
    assert pace.memory().covered_per_s is None
