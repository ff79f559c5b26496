"""How fast a job covers its keyspace, from counts that were read again and again."""

from __future__ import annotations

import pytest

from crawl_core.job.throughput import COVERED_OVER_S, LEAST_S, SAMPLE_EVERY_S, Throughput
from crawl_core.values.progress import Progress


def progress(covered: int, requests: int | None = None) -> Progress:
    return Progress(
        covered=covered,
        total=1_000_000,
        open_ranges=1,
        done_ranges=0,
        searches=0,
        requests=covered if requests is None else requests,
        artists=0,
        artists_new=0,
        truncated=0,
        dead_letters=0,
        retries=0,
        rate_limited=0,
        last_commit_at=None,
        requests_last_minute=0,
    )


def seen(covered: list[int], *, every_s: float = 5.0) -> Throughput:
    """What is remembered after these counts, one each few seconds."""
    throughput = Throughput()
    for number, count in enumerate(covered):
        throughput.see(progress(count), at_s=number * every_s)
    return throughput


STEADY = [50 * look for look in range(40)]
"""Ten strings a second, for longer than three minutes."""


def test_nothing_is_known_before_enough_was_seen() -> None:
    assert seen([0, 5]).covered_per_s is None
    assert Throughput().covered_per_s is None


def test_a_steady_crawl_has_its_rate() -> None:
    assert seen(STEADY).covered_per_s == pytest.approx(10)


@pytest.mark.parametrize("looks", range(26, 60))
def test_ten_strings_in_half_a_minute_that_come_all_at_once_are_twenty_a_minute(looks: int) -> None:
    per_s = seen([look * 5 // 30 * 10 for look in range(looks)]).covered_per_s
    assert per_s == pytest.approx(20 / 60, rel=0.26)


def test_a_rate_forgets_what_was_long_ago() -> None:
    looks = int(COVERED_OVER_S / 5) + 2
    assert seen([*STEADY, *([STEADY[-1]] * looks)]).covered_per_s == 0


def test_counts_that_go_back_begin_anew() -> None:
    assert seen([*STEADY, 0]).covered_per_s is None


def test_requests_that_go_back_begin_anew_too() -> None:
    throughput = seen(STEADY)
    throughput.see(progress(STEADY[-1], requests=0), at_s=200.0)
    assert throughput.covered_per_s is None


def test_a_pause_is_no_part_of_the_rate() -> None:
    throughput = seen(STEADY)
    throughput.pause()
    for number in range(8):
        throughput.see(progress(STEADY[-1] + number), at_s=3_600 + 5.0 * number)
    assert throughput.covered_per_s == pytest.approx(0.2)


def test_a_day_of_looks_is_a_bounded_memory() -> None:
    throughput = seen(list(range(20_000)), every_s=1.0)
    assert len(throughput._samples) <= COVERED_OVER_S / SAMPLE_EVERY_S + 2


def test_after_a_freeze_a_crawl_is_expected_to_go_on_as_before_it() -> None:
    throughput = seen(STEADY)
    for _ in range(100):
        throughput.hold()
    throughput.see(progress(STEADY[-1]), at_s=72_000.0)
    assert throughput.covered_per_s == pytest.approx(10)


def test_some_time_after_a_freeze_only_what_came_after_it_counts() -> None:
    throughput = seen(STEADY)
    throughput.hold()
    for number in range(int(LEAST_S / 5) + 1):
        throughput.see(progress(STEADY[-1] + 100 * number), at_s=72_000 + 5.0 * number)
    assert throughput.covered_per_s == pytest.approx(20)


def test_a_suspended_job_forgets_how_it_went() -> None:
    throughput = seen(STEADY)
    throughput.hold()
    throughput.pause()
    assert throughput.covered_per_s is None
