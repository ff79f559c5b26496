"""How fast a local run goes, and when it ends."""

from __future__ import annotations

import pytest

from crawl_worker.local.pace import LEAST_S, Pace


def steady(*, per_s: int, seconds: int = 30, began_s: int = 0, covered: int = 0) -> Pace:
    pace = Pace()
    for at in range(seconds):
        pace.note(began_s + at, covered=covered + per_s * at, requests=per_s * at)
    return pace


def test_what_is_left_takes_as_long_as_the_pace_says():
    assert steady(per_s=10).eta_s(left=600) == pytest.approx(60)


def test_nothing_is_said_before_anything_moved():
    assert steady(per_s=0).eta_s(left=600) is None


def test_a_freeze_is_no_part_of_the_pace():
    pace = steady(per_s=10)
    pace.pause()
    pace.note(10_000.0, covered=290, requests=290)
    pace.note(10_001.0, covered=291, requests=291)
    assert pace.eta_s(left=600) == pytest.approx(60)


def test_soon_after_a_freeze_only_what_came_after_it_counts():
    pace = steady(per_s=10)
    pace.pause()
    for at in range(int(LEAST_S) + 2):
        pace.note(10_000.0 + at, covered=290 + 20 * at, requests=0)
    assert pace.eta_s(left=600) == pytest.approx(30)


def test_a_freeze_may_last_for_many_looks():
    pace = steady(per_s=10)
    for _ in range(100):
        pace.pause()
    assert pace.eta_s(left=600) == pytest.approx(60)
