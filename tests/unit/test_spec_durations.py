"""Durations: what is read, what is refused, and what is offered instead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawl_core.durations import Duration, suggestion, written


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("5m", 300), ("168h", 604_800), ("500ms", 0.5), ("1h30m", 5400), ("0s", 0), ("1m500ms", 60.5)],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert Duration.parse(text).seconds == seconds


@pytest.mark.parametrize(
    "text", ["", "30", "1d", "1.5h", "-5s", "5 s", "5S", "s", "1h 30m", "5s\n", "٣s", "9" * 20 + "s"]
)
def test_what_a_cluster_would_refuse_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration; write"):
        Duration.parse(text)


def test_a_duration_is_printed_as_it_was_written_and_compared_by_length() -> None:
    assert str(Duration.parse("90m")) == "90m"
    assert Duration.parse("90m") == Duration.parse("1h30m") < Duration.parse("2h")
    assert Duration.parse("90m").canonical() == "1h30m"


@given(st.integers(0, 10**9))
def test_what_is_written_is_read_as_the_same(milliseconds: int) -> None:
    assert Duration.parse(written(milliseconds)).milliseconds == milliseconds


@pytest.mark.parametrize(
    ("value", "meant"),
    [(30, "30s"), ("30", "30s"), ("2 days", "48h"), ("1.5h", "1h30m"), ("1w", "168h"), ("5 Min", "5m"), (0.5, "500ms")],
)
def test_what_was_meant_is_offered(value: object, meant: str) -> None:
    assert suggestion(value) == meant


@pytest.mark.parametrize("value", [True, "soon", "2026-12-24", "1 fortnight", [], ""])
def test_what_cannot_be_told_is_not_guessed(value: object) -> None:
    assert suggestion(value) is None
