"""The agenda: who is looked at next."""

from __future__ import annotations

import pytest

from crawl_operator.rounds.priority_queue import Agenda
from crawl_operator.values.model import Key

A, B, C = (Key("default", name) for name in "abc")


@pytest.fixture
def agenda() -> Agenda:
    return Agenda()


def taken(agenda: Agenda, now_s: float) -> list[Key]:
    found = []
    while (key := agenda.take(now_s)) is not None:
        found.append(key)
    return found


def test_a_key_is_due_at_its_time(agenda: Agenda) -> None:
    agenda.ask(A, at_s=10, caused=True)
    assert (agenda.take(9.9), agenda.next_s(), agenda.take(10)) == (None, 10, A)


def test_a_key_asked_for_twice_is_taken_once(agenda: Agenda) -> None:
    agenda.ask(A, at_s=1, caused=True)
    agenda.ask(A, at_s=2, caused=True)
    assert taken(agenda, 3) == [A]


def test_the_earlier_of_two_times_counts(agenda: Agenda) -> None:
    agenda.ask(A, at_s=100, caused=False)
    agenda.ask(A, at_s=1, caused=True)
    agenda.ask(A, at_s=50, caused=False)
    assert (taken(agenda, 1), agenda.next_s()) == ([A], None)


def test_a_key_that_is_running_is_not_taken_again(agenda: Agenda) -> None:
    agenda.ask(A, at_s=1, caused=True)
    agenda.take(1)
    agenda.ask(A, at_s=1, caused=True)
    assert taken(agenda, 5) == []
    agenda.done(A)
    assert taken(agenda, 5) == [A]


def test_causes_go_before_times(agenda: Agenda) -> None:
    agenda.ask(A, at_s=1, caused=False)
    agenda.ask(B, at_s=2, caused=False)
    agenda.ask(C, at_s=3, caused=True)
    assert taken(agenda, 5) == [C, A, B]


def test_a_cause_lifts_a_key_that_was_due_by_time(agenda: Agenda) -> None:
    agenda.ask(A, at_s=1, caused=False)
    agenda.ask(B, at_s=2, caused=False)
    agenda.ask(B, at_s=2, caused=True)
    assert taken(agenda, 5) == [B, A]


def test_a_forgotten_key_is_not_taken(agenda: Agenda) -> None:
    agenda.ask(A, at_s=1, caused=True)
    agenda.forget(A)
    assert (agenda.take(5), agenda.next_s(), len(agenda)) == (None, None, 0)


def test_a_key_forgotten_while_it_runs_stays_forgotten(agenda: Agenda) -> None:
    agenda.ask(A, at_s=1, caused=True)
    agenda.take(1)
    agenda.ask(A, at_s=2, caused=True)
    agenda.forget(A)
    agenda.done(A)
    assert agenda.take(5) is None


def test_a_thousand_keys_come_in_the_order_of_their_times(agenda: Agenda) -> None:
    keys = [Key("default", str(number)) for number in range(1_000)]
    for number, key in enumerate(keys):
        agenda.ask(key, at_s=1_000.0 - number, caused=False)
    assert taken(agenda, 2_000) == keys[::-1]


def test_what_runs_is_kept_with_when_it_was_due(agenda: Agenda) -> None:
    agenda.ask(A, at_s=3, caused=False)
    agenda.take(5)
    assert agenda.running == {A: 3}


def test_what_is_due_is_told_from_what_will_be(agenda: Agenda) -> None:
    for key, at_s in ((A, 1), (B, 5), (C, 6)):
        agenda.ask(key, at_s=at_s, caused=False)
    assert (agenda.lengths(5), agenda.lengths(0)) == ((2, 1), (0, 3))


def test_a_key_that_is_asked_for_while_it_runs_is_due(agenda: Agenda) -> None:
    agenda.ask(A, at_s=1, caused=True)
    agenda.take(1)
    agenda.ask(A, at_s=2, caused=True)
    assert agenda.lengths(2) == (1, 0)
