"""A start that takes long says what it waits for."""

from __future__ import annotations

import threading

import pytest

from crawl_worker.local.waits import Waits


class Told:
    def __init__(self) -> None:
        self.events: list[str] = []
        self.heard = threading.Event()

    def __call__(self, text: str) -> None:
        self.events.append(text)
        self.heard.set()


def test_what_takes_long_is_named() -> None:
    told = Told()
    with Waits(told, first_after_s=0.01).on("PostgreSQL to start"):
        assert told.heard.wait(10)
    assert told.events[0].startswith("waiting for PostgreSQL to start (")


def test_what_is_soon_there_is_not() -> None:
    told = Told()
    with Waits(told, first_after_s=0.05).on("PostgreSQL to start"):
        pass
    assert not told.heard.wait(0.3)


def test_what_was_waited_for_when_it_was_cut_short_is_still_known() -> None:
    waits = Waits(lambda text: None)
    with pytest.raises(ValueError, match="cut"), waits.on("Redis to answer"):
        raise ValueError("cut")
    assert waits.now == "Redis to answer"
    with waits.on("PostgreSQL to answer"):
        pass
    assert waits.now == "Redis to answer"
