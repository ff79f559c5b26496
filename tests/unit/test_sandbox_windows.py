"""The sandbox counts windows as somebody with a list of all arrivals would."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawl_sandbox.errors import OptionError
from crawl_sandbox.windows import Door, Doors, Limit

GAPS_US = st.lists(st.integers(0, 400_000), max_size=80)
LIMITS = st.builds(
    lambda requests, window_us: Limit(requests, window_us, "test"), st.integers(1, 6), st.integers(1, 900_000)
)


def window(arrivals_us: list[int], end_us: int, window_us: int) -> int:
    return sum(end_us - window_us < arrival_us <= end_us for arrival_us in arrivals_us)


@given(GAPS_US, LIMITS)
def test_arrivals_in_a_window_are_counted_like_by_hand(gaps_us: list[int], limit: Limit) -> None:
    arrivals_us = list(itertools.accumulate(gaps_us))
    door = Door()
    for now_us in arrivals_us:
        door.arrive(now_us, limit)
    counts = [window(arrivals_us[: i + 1], now_us, limit.window_us) for i, now_us in enumerate(arrivals_us)]
    over = sum(count > limit.requests for count in counts)
    assert (door.max_in_window, door.windows_over_limit) == (max(counts, default=0), over)


@given(GAPS_US, LIMITS)
def test_a_request_is_admitted_exactly_when_its_window_has_a_place(gaps_us: list[int], limit: Limit) -> None:
    door, accepted_us = Door(), list[int]()
    for now_us in itertools.accumulate(gaps_us):
        has_place = window(accepted_us, now_us, limit.window_us) < limit.requests
        assert (door.admit(now_us, limit) == 0) is has_place
        if has_place:
            accepted_us.append(now_us)
    assert door.accepted == len(accepted_us)


@given(GAPS_US, LIMITS)
def test_retry_after_is_the_first_whole_second_with_a_place(gaps_us: list[int], limit: Limit) -> None:
    door, accepted_us = Door(), list[int]()
    for now_us in itertools.accumulate(gaps_us):
        wait_s = door.admit(now_us, limit)
        if wait_s == 0:
            accepted_us.append(now_us)
            continue
        full = [
            window(accepted_us, now_us + s * 1_000_000, limit.window_us) >= limit.requests for s in range(wait_s + 1)
        ]
        assert full == [True] * wait_s + [False]


def test_an_arrival_exactly_one_window_later_is_in_the_next_window() -> None:
    door, limit = Door(), Limit(1, 1_000_000, "1/1s")
    assert [door.admit(now_us, limit) for now_us in (0, 999_999, 1_000_000)] == [0, 1, 0]


def test_a_lower_limit_counts_the_places_already_taken() -> None:
    doors = Doors(Limit.parse("3/10s"), now_us=0)
    door = doors.of("me")
    assert [door.admit(0, doors.limit) for _ in range(3)] == [0, 0, 0]
    doors.change_limit(Limit.parse("1/10s"), now_us=1)
    assert [door.admit(now_us, doors.limit) for now_us in (4_000_000, 10_000_000)] == [6, 0]


def test_windows_that_begin_before_a_change_are_not_judged_by_the_new_limit() -> None:
    doors = Doors(Limit.parse("3/10s"), now_us=0)
    for now_us in (1, 2, 3):
        doors.of("me").arrive(now_us, doors.limit)
    doors.change_limit(Limit.parse("1/10s"), now_us=4)
    for now_us in (5, 6):
        doors.of("me").arrive(now_us, doors.limit)
    report = doors.report()
    assert [(p["max_in_window"], p["windows_over_limit"]) for p in report["periods"]] == [(3, 0), (2, 1)]
    assert (report["max_in_window"], report["windows_over_limit"]) == (3, 1)


def test_clients_have_windows_of_their_own() -> None:
    doors = Doors(Limit.parse("1/1s"), now_us=0)
    for client in ("a", "b"):
        doors.of(client).arrive(0, doors.limit)
    assert doors.report()["max_in_window"] == 1


@pytest.mark.parametrize(
    ("text", "requests", "window_us"),
    [("10/30s", 10, 30_000_000), ("50/500ms", 50, 500_000), ("1/1.5h", 1, 5.4e9), ("9/1m30s", 9, 90_000_000)],
)
def test_a_limit_is_read(text: str, requests: int, window_us: int) -> None:
    assert Limit.parse(text) == Limit(requests, int(window_us), text)


@pytest.mark.parametrize("text", ["", "10", "10/30", "0/1s", "1/0s", "-1/1s", "ten/1s", "1/1d"])
def test_what_is_no_limit_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(OptionError, match="write requests/window such as 10/30s"):
        Limit.parse(text)


def test_none_is_no_limit_and_admits_everything() -> None:
    limit, door = Limit.parse("none"), Door()
    assert [door.admit(0, limit) for _ in range(100)] == [0] * 100
