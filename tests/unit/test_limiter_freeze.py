"""How long a 429 pauses a bucket."""

from __future__ import annotations

import pytest

from crawl_core.limiter.freeze import freeze_duration_s, parse_retry_after


@pytest.mark.parametrize(
    ("text", "expected"),
    [("3", 3.0), (" 3 ", 3.0), ("2.5", 2.5), ("86400", 86400.0), (None, None), ("", None), ("0", None), ("-1", None),
     ("soon", None), ("nan", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None)],
)  # fmt: skip
def test_a_retry_after_is_its_seconds_or_nothing_usable(text: str | None, expected: float | None) -> None:
    assert parse_retry_after(text) == expected


@pytest.mark.parametrize("retry_after_s", [None, 0.0, -5.0])
def test_without_a_usable_retry_after_the_freeze_is_one_window(retry_after_s: float | None) -> None:
    assert freeze_duration_s(retry_after_s, 30.0, 0) == 30.0


def test_freezes_double_while_429s_go_on_up_to_an_hour() -> None:
    assert [freeze_duration_s(None, 30.0, count) for count in (1, 2, 6, 7, 1000)] == [60, 120, 1920, 3600, 3600]


def test_a_window_longer_than_an_hour_is_kept() -> None:
    assert freeze_duration_s(None, 86400.0, 3) == 86400.0


def test_the_first_retry_after_is_taken_as_it_is() -> None:
    assert freeze_duration_s(3.0, 30.0, 0) == 3.0


@pytest.mark.parametrize(("asked_s", "expected"), [(3.0, [60, 120, 240]), (100.0, [100, 120, 240])])
def test_a_retry_after_that_turned_out_too_short_counts_no_more_than_the_doubling(
    asked_s: float, expected: list[float]
) -> None:
    assert [freeze_duration_s(asked_s, 30.0, count) for count in (1, 2, 3)] == expected


@pytest.mark.parametrize("retry_after_s", [200_000.0, float("inf")])
def test_more_than_two_days_are_two_days(retry_after_s: float) -> None:
    assert freeze_duration_s(retry_after_s, 30.0, 0) == 172_800.0
