"""What a permit allows: one write, in time, in its epoch."""

from __future__ import annotations

import pytest

from crawl_core.limiter.permit import CLOSED_MARGIN_S, Permit, PermitExpiredError


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s

    def time(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds


class Keeper:
    def __init__(self) -> None:
        self.epoch = 3
        self.told: list[tuple[str, float]] = []

    def give_back(self, permit: Permit) -> None:
        self.told.append(("unused", 0.0))

    def confirm(self, permit: Permit, answered_at_s: float) -> None:
        self.told.append(("answered", answered_at_s))


def make() -> tuple[Permit, Clock, Keeper]:
    clock, keeper = Clock(), Keeper()
    permit = Permit(
        keeper, clock, permit_id="n.1", epoch=3, not_before_s=100.0, send_by_s=100.25, request_timeout_s=10.0,
        free_us=0, window_us=1,
    )  # fmt: skip
    return permit, clock, keeper


def test_a_permit_is_used_in_time_and_answered() -> None:
    permit, clock, keeper = make()
    permit.use()
    clock.now_s = 101.0
    permit.answered()
    assert keeper.told == [("answered", 101.0)]


def test_a_second_write_is_refused() -> None:
    permit, _, _ = make()
    permit.use()
    with pytest.raises(PermitExpiredError, match="one write"):
        permit.use()


def test_a_stopped_process_finds_its_permit_expired() -> None:
    permit, clock, _ = make()
    clock.now_s = 100.2501
    with pytest.raises(PermitExpiredError, match="too late"):
        permit.use()


def test_a_permit_may_not_be_used_before_its_instant() -> None:
    permit, clock, _ = make()
    clock.now_s = 99.999
    with pytest.raises(PermitExpiredError, match="too early"):
        permit.use()


def test_a_permit_from_before_a_freeze_is_void() -> None:
    permit, _, keeper = make()
    keeper.epoch = 4
    with pytest.raises(PermitExpiredError, match="freeze"):
        permit.use()


def test_a_permit_never_used_is_given_back_once() -> None:
    permit, _, keeper = make()
    permit.unused()
    permit.unused()
    assert keeper.told == [("unused", 0.0)]


def test_a_written_permit_cannot_be_given_back() -> None:
    permit, _, keeper = make()
    permit.use()
    with pytest.raises(ValueError, match="may have arrived"):
        permit.unused()
    assert keeper.told == []


def test_a_permit_is_answered_only_once_and_only_when_used() -> None:
    permit, _, _ = make()
    with pytest.raises(ValueError, match="only a used one"):
        permit.answered()
    permit.use()
    permit.answered()
    with pytest.raises(ValueError, match="only once"):
        permit.answered()


def test_a_closed_connection_leaves_time_for_what_is_on_the_wire() -> None:
    permit, _, keeper = make()
    permit.use()
    permit.answered(closed=True)
    assert keeper.told == [("answered", 100.0 + CLOSED_MARGIN_S)]
