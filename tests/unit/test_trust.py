"""A refusal is believed at once of a call that never worked while a process begins, else after minutes of refusals."""

from __future__ import annotations

import pytest

from crawl_core.backends.trust import BEGINNING_S, BELIEVED_AFTER_S, CONNECT, Trust
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


def test_a_first_use_long_after_the_beginning_is_believed_after_minutes_too(trust, clock):
    trust.worked("ping")
    clock.now_s += BEGINNING_S
    assert not trust.is_proof("frontier_complete")
    clock.now_s += BELIEVED_AFTER_S
    assert trust.is_proof("frontier_complete")


def test_a_first_use_that_meets_what_meets_every_call_is_believed_after_minutes_too(trust):
    assert Trust().is_proof("jobs.get", of_server=True)
    trust.worked(CONNECT)
    assert trust.is_proof("schema", of_server=True)
    trust.worked("jobs.get")
    assert not trust.is_proof("jobs.note_problem", of_server=True)


def test_whatever_worked_was_let_in(trust):
    assert Trust().is_proof(CONNECT)
    trust.worked("ping")
    assert not trust.is_proof(CONNECT)


def test_what_was_believed_stays_so_until_it_works(trust, clock):
    trust.worked("ping")
    assert trust.is_proof("commit")
    clock.now_s += 10 * BELIEVED_AFTER_S
    assert trust.is_proof("commit")
    trust.worked("commit")
    assert not trust.is_proof("commit")


@pytest.mark.parametrize("outcome", ["away", "worked"])
def test_any_outcome_of_a_connection_but_a_refusal_ends_the_row_of_refused_ones(trust, clock, outcome):
    trust.worked(CONNECT)
    assert not trust.is_proof(CONNECT)
    clock.now_s += BELIEVED_AFTER_S - 1
    trust.away(CONNECT) if outcome == "away" else trust.worked("commit")
    clock.now_s += 1
    assert not trust.is_proof(CONNECT)


def test_a_server_that_was_out_of_reach_is_believed_about_no_call(trust, clock):
    trust.worked("commit")
    assert not trust.is_proof("commit")
    trust.away(CONNECT)
    clock.now_s += BELIEVED_AFTER_S
    assert not trust.is_proof("commit")


def test_an_outage_of_one_call_ends_its_own_row_only(trust, clock):
    for call in ("commit", "claim"):
        trust.worked(call)
        assert not trust.is_proof(call)
    trust.away("commit")
    clock.now_s += BELIEVED_AFTER_S
    assert (trust.is_proof("commit"), trust.is_proof("claim")) == (False, True)


def test_two_refusals_a_long_time_apart_are_not_one_row(trust, clock):
    """A call that is seldom made, and meets a rotation each time."""
    trust.worked("unfreeze")
    for _ in range(3):
        assert not trust.is_proof("unfreeze")
        clock.now_s += BELIEVED_AFTER_S + 1
