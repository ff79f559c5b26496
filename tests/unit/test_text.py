"""Text from outside, made fit to be shown."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawl_core.text import clean, json_text, printable

LIMIT = 40


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("The access token expired", "The access token expired"),
        ("  a\n b\r\n\tc\x85d\u2028e\x0bf ", "a b c d e f"),
        ("\x1b[2J\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;TITLE\x07a\x1b]52;c;aGk=\x1b\\b", "ab"),
        ("\x1bP1$r0m\x1b\\a\x1b_payload\x1b\\b\x1b^x\x1b\\c\x1bXy\x1b\\d", "abcd"),
        ("\x9b31ma\x9d0;TITLE\x9cb\x90q\x9cc", "abc"),
        ("\x1bca\x1b(Bb\x1b7c", "abc"),
        ("a\x1b[1;2", "a1;2"),
        ("a\x1b]52;c;never ends", "a52;c;never ends"),
        ("a\x1b\x1b]0;x\x07b\x1b", "ab"),
        ("a\x08\x08\x7fb\x07", "ab"),
        ("a\x00b", "a\ufffdb"),
        ("a\ud800b\udfffc", "a\ufffdb\ufffdc"),
        ("abc\u202etxt.exe\u202c \u2066x\u2069\u200e\u061c", "abctxt.exe x"),
        ("Björk 🏴‍☠️ مرحبا", "Björk 🏴‍☠️ مرحبا"),
        ("", ""),
    ],
)
def test_text_from_outside_is_one_line_without_commands(text: str, shown: str) -> None:
    assert clean(text, LIMIT) == shown


def test_long_text_is_cut_with_an_ellipsis() -> None:
    assert clean("x" * 40, LIMIT) == "x" * 40
    assert clean("x" * 41, LIMIT) == "x" * 39 + "…"
    assert clean(" " * 7_000_000 + "x", LIMIT) == "…"


def test_seven_megabytes_cost_no_more_than_a_few_kilobytes() -> None:
    text = _Counted("\x1b]" * 3_500_000)
    clean(text, LIMIT)
    assert text.taken == 8 * LIMIT


@given(st.text(st.characters(exclude_categories=()), max_size=300), st.integers(1, 100))
def test_what_is_shown_holds_no_control_character_and_fits(text: str, limit: int) -> None:
    shown = clean(text, limit)
    assert len(shown) <= limit
    assert not [character for character in shown if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")]
    assert clean(shown, limit) == shown


class _Counted(str):
    """Text that knows how much of it was taken."""

    taken = 0

    def __getitem__(self, key: object) -> str:
        part = super().__getitem__(key)  # type: ignore[index]
        self.taken += len(part)
        return part


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("  JOB        STATE\n  a/b\tFrozen\n", "  JOB        STATE\n  a/b\tFrozen\n"),
        ("a\x1b]52;c;aGk=\x07\x1b[2Jb", "ab"),
        ("10 %\rSucceeded 100 %\x0b\x0c\x85\u2028x", "10 % Succeeded 100 %    x"),
        ("abc\u202etxt.exe", "abctxt.exe"),
        ("a\ud800", "a\ufffd"),
    ],
)
def test_lines_of_ours_are_printed_in_their_columns_without_commands(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_json_has_no_command_to_a_terminal_and_is_read_back_as_it_was(text: str) -> None:
    printed = json_text({"name": text}, indent=2)
    assert json.loads(printed) == {"name": text}
    assert printable(printed) == printed


def test_json_for_a_terminal_that_is_not_utf8_has_ascii_alone() -> None:
    assert json_text("Björk\x9b", ascii_only=True) == '"Bj\\u00f6rk\\u009b"'
