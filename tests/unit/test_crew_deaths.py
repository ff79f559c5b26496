"""How a process of a run ended, in words."""

from __future__ import annotations

import signal

import pytest

from crawl_worker.crew.deaths import how_it_ended, is_refusal


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (1, "exited 1, saying: no room"),
        (0, "exited 0, saying: no room"),
        (-signal.SIGTERM, "was ended by SIGTERM"),
        (-signal.SIGKILL, "was ended by SIGKILL (by somebody, or for want of memory)"),
        (-signal.SIGSEGV, "was ended by SIGSEGV"),
        (-40, "was ended by signal 40"),
    ],
)
def test_the_end_is_named_with_the_last_words_where_it_had_a_say(status: int, said: str) -> None:
    assert how_it_ended(status, last_words="no room") == said


def test_last_words_are_one_line_of_bounded_length_without_commands_to_a_terminal() -> None:
    end = how_it_ended(1, last_words="\x1b]0;owned\x07" + "a\n" * 10_000)
    assert "\x1b" not in end
    assert "\n" not in end
    assert len(end) < 600


def test_only_what_a_person_must_change_is_a_refusal() -> None:
    assert [status for status in (None, 0, 1, 2, 78, -9, 130) if is_refusal(status)] == [2, 78]
