"""The agenda: who is looked at next."""

from __future__ import annotations

import pytest

from crawl_operator.rounds.priority_queue import PriorityQueue
from crawl_operator.values.model import Key

A, B, C = (Key("default", name) for name in "abc")


@pytest.fixture
def queue() -> PriorityQueue:
    return PriorityQueue()


def taken(queue: PriorityQueue, now_s: float) -> list[Key]:
    found = []
    while (key := queue.pop(now_s)) is not None:
        found.append(key)
    return found


def test_a_key_is_due_at_its_time(queue: PriorityQueue) -> None:
    queue.put(A, at_s=10, triggered=True)
    assert (queue.pop(9.9), queue.next_s(), queue.pop(10)) == (None, 10, A)


def test_a_key_asked_for_twice_is_taken_once(queue: PriorityQueue) -> None:
    queue.put(A, at_s=1, triggered=True)
    queue.put(A, at_s=2, triggered=True)
    assert taken(queue, 3) == [A]


def test_the_earlier_of_two_times_counts(queue: PriorityQueue) -> None:
    queue.put(A, at_s=100, triggered=False)
    queue.put(A, at_s=1, triggered=True)
    queue.put(A, at_s=50, triggered=False)
    assert (taken(queue, 1), queue.next_s()) == ([A], None)


def test_a_key_that_is_running_is_not_taken_again(queue: PriorityQueue) -> None:
    queue.put(A, at_s=1, triggered=True)
    queue.pop(1)
    queue.put(A, at_s=1, triggered=True)
    assert taken(queue, 5) == []
    queue.finish(A)
    assert taken(queue, 5) == [A]


def test_causes_go_before_times(queue: PriorityQueue) -> None:
    queue.put(A, at_s=1, triggered=False)
    queue.put(B, at_s=2, triggered=False)
    queue.put(C, at_s=3, triggered=True)
    assert taken(queue, 5) == [C, A, B]


def test_a_cause_lifts_a_key_that_was_due_by_time(queue: PriorityQueue) -> None:
    queue.put(A, at_s=1, triggered=False)
    queue.put(B, at_s=2, triggered=False)
    queue.put(B, at_s=2, triggered=True)
    assert taken(queue, 5) == [B, A]


def test_a_forgotten_key_is_not_taken(queue: PriorityQueue) -> None:
    queue.put(A, at_s=1, triggered=True)
    queue.discard(A)
    assert (queue.pop(5), queue.next_s(), len(queue)) == (None, None, 0)


def test_a_key_forgotten_while_it_runs_stays_forgotten(queue: PriorityQueue) -> None:
    queue.put(A, at_s=1, triggered=True)
    queue.pop(1)
    queue.put(A, at_s=2, triggered=True)
    queue.discard(A)
    queue.finish(A)
    assert queue.pop(5) is None


def test_a_thousand_keys_come_in_the_order_of_their_times(queue: PriorityQueue) -> None:
    keys = [Key("default", str(number)) for number in range(1_000)]
    for number, key in enumerate(keys):
        queue.put(key, at_s=1_000.0 - number, triggered=False)
    assert taken(queue, 2_000) == keys[::-1]


def test_what_runs_is_kept_with_when_it_was_due(queue: PriorityQueue) -> None:
    queue.put(A, at_s=3, triggered=False)
    queue.pop(5)
    assert queue.running == {A: 3}


def test_what_is_due_is_told_from_what_will_be(queue: PriorityQueue) -> None:
    for key, at_s in ((A, 1), (B, 5), (C, 6)):
        queue.put(key, at_s=at_s, triggered=False)
    assert (queue.lengths(5), queue.lengths(0)) == ((2, 1), (0, 3))


def test_a_key_that_is_asked_for_while_it_runs_is_due(queue: PriorityQueue) -> None:
    queue.put(A, at_s=1, triggered=True)
    queue.pop(1)
    queue.put(A, at_s=2, triggered=True)
    assert queue.lengths(2) == (1, 0)
