"""A refusal is believed at once of a call that never worked, and after minutes of one that did."""

from __future__ import annotations

import pytest

from crawl_core.backends.trust import BELIEVED_AFTER_S, Trust
from crawl_core.clock import SystemClock


class TurnedClock(SystemClock):
    now_s = 1_000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock():
    return TurnedClock()


@pytest.fixture
def trust(clock):
    return Trust(clock)


def test_a_call_that_never_worked_is_believed_at_once(trust):
    trust.worked("ping")
    assert trust.is_proof("frontier_seed")


def test_a_call_that_worked_is_believed_after_minutes_of_refusals(trust, clock):
    trust.worked("commit")
    assert not trust.is_proof("commit")
    clock.now_s += BELIEVED_AFTER_S - 1
    assert not trust.is_proof("commit")
    clock.now_s += 1
    assert trust.is_proof("commit")


def test_a_call_that_works_again_in_between_starts_anew(trust, clock):
    trust.worked("commit")
    assert not trust.is_proof("commit")
    clock.now_s += BELIEVED_AFTER_S
    trust.worked("commit")
    assert not trust.is_proof("commit")
