"""A start that waits says for what, and ends in time."""

from __future__ import annotations

from crawl_worker.embedded.waiting import Waiting


def test_what_holds_already_is_not_waited_for() -> None:
    assert Waiting().until(lambda: True, "nothing", timeout_s=0)


def test_a_wait_has_an_end() -> None:
    assert not Waiting().until(lambda: False, "nothing", timeout_s=0.1)


def test_a_long_wait_is_told_once_with_what_it_is_for() -> None:
    told: list[str] = []
    Waiting(told.append, after_s=0.1).until(lambda: False, "the other shoe", timeout_s=0.5)
    assert told == ["the other shoe"]


def test_a_short_wait_is_not_told() -> None:
    told: list[str] = []
    Waiting(told.append).until(lambda: False, "the other shoe", timeout_s=0.1)
    assert told == []
