"""What a run shows in terminals as they come."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import select
import struct
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TextIO

import pytest

from crawl_core.job.snapshot import Snapshot
from crawl_core.streams import forgive_encodings
from crawl_worker.commands.output import say, say_json
from crawl_worker.local.view import PlainView, RedrawnView, View, open_view

SEEN = Snapshot(job="default/artists", state="Crawling", strings=100, covered=50, notes=("SourceUnreachable: refused",))


class Terminal:
    """Two ends of one; `stream` is what a program writes to."""

    def __init__(self, master: int, stream: TextIO) -> None:
        self._master = master
        self.stream = stream

    def resize(self, columns: int, rows: int = 24) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self) -> str:
        """All that was written: the terminal hands it over in parts."""
        self.stream.flush()
        parts = []
        while select.select([self._master], [], [], 0.2)[0]:
            parts.append(os.read(self._master, 65_536))
        return b"".join(parts).decode()


@contextmanager
def terminal(columns: int, rows: int = 24) -> Iterator[Terminal]:
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as stream:
        opened = Terminal(master, stream)
        opened.resize(columns, rows)
        yield opened
    os.close(master)


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def shown_in(opened: Terminal, monkeypatch: pytest.MonkeyPatch, seen: Snapshot = SEEN) -> tuple[View, str]:
    """What is seen of an event and a moment."""
    monkeypatch.setattr(sys, "stdout", opened.stream)
    # rich asks the program's own standard streams how large the terminal is.
    monkeypatch.setattr("rich.console._STD_STREAMS", (opened.stream.fileno(),))
    view = open_view(json=False, colour=True)
    with view:
        view.event("starting")
        view.update(seen)
    return view, opened.read()


@pytest.mark.parametrize("columns", [1, 10, 20, 59])
def test_a_narrow_terminal_shows_lines(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(columns) as opened:
        view, shown = shown_in(opened, monkeypatch)
    assert isinstance(view, PlainView)
    assert "\x1b" not in shown
    assert "SourceUnreachable: refused" in shown


@pytest.mark.parametrize("name", ["dumb", "unknown", ""])
def test_a_terminal_that_cannot_redraw_shows_lines(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", name)
    with terminal(100) as opened:
        view, shown = shown_in(opened, monkeypatch)
    assert isinstance(view, PlainView)
    assert "\x1b" not in shown
    assert "50.00%" in shown


def test_without_a_name_of_the_terminal_there_are_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TERM")
    with terminal(100) as opened:
        assert isinstance(shown_in(opened, monkeypatch)[0], PlainView)


@pytest.mark.parametrize("columns", [0, 60, 200])
def test_any_other_terminal_is_redrawn_also_where_its_width_is_not_known(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with terminal(columns) as opened:
        view, shown = shown_in(opened, monkeypatch)
    assert isinstance(view, RedrawnView)
    assert "50.00%" in shown
    assert "SourceUnreachable: refused" in shown


def test_no_color_draws_without_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    with terminal(100) as opened:
        _, shown = shown_in(opened, monkeypatch)
    assert "\x1b[3" not in shown


@pytest.mark.parametrize("size", [(10, 24), (20, 3), (1, 1)])
def test_a_terminal_that_is_made_narrow_meanwhile_shows_a_line(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with terminal(100) as opened:
        monkeypatch.setattr(sys, "stdout", opened.stream)
        monkeypatch.setattr("rich.console._STD_STREAMS", (opened.stream.fileno(),))
        with open_view(json=False, colour=True) as view:
            view.update(SEEN)
            opened.read()
            opened.resize(*size)
            view.update(SEEN)
            assert opened.read()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_what_an_encoding_lacks_is_escaped_and_ends_nothing(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    forgive_encodings()
    say("Сплин")
    say_json({"name": "Björk"})
    assert written.getvalue().decode("ascii").splitlines() == [
        "\\u0421\\u043f\\u043b\\u0438\\u043d",
        '{"name": "Bj\\u00f6rk"}',
    ]


@pytest.mark.parametrize("columns", [30, 100])
def test_picture_and_line_name_the_run(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(columns) as opened:
        view, shown = shown_in(opened, monkeypatch, replace(SEEN, run=7))
    assert isinstance(view, PlainView) == (columns < 60)
    assert "run 7" in shown
