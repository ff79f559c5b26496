"""A start that waits says for what, ends in time, and can be given up."""

from __future__ import annotations

import threading

import pytest

from crawl_worker.embedded import waiting
from crawl_worker.embedded.waiting import StartStoppedError, Waiting


def test_what_holds_already_is_not_waited_for() -> None:
    assert Waiting().until(lambda: True, "nothing", timeout_s=0)


def test_a_wait_has_an_end() -> None:
    assert not Waiting().until(lambda: False, "nothing", timeout_s=0.1)


def test_a_long_wait_is_told_with_what_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "TOLD_AFTER_S", 0.1)
    told: list[str] = []
    Waiting(told.append).until(lambda: bool(told), "the other shoe", timeout_s=30)
    assert told == ["still waiting for the other shoe (0 s)"]


def test_a_wait_that_somebody_stops_ends_with_an_error() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(StartStoppedError, match="interrupted while waiting for the other shoe"):
        Waiting(stop=stop).until(lambda: False, "the other shoe", timeout_s=30)
