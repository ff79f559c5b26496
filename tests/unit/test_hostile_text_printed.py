"""Text from outside reaches no terminal as a command, and no output as a line of ours, wherever it is printed."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from crawl_core import logs
from crawl_core.errors import ArtistcrawlError
from crawl_core.job.snapshot import Snapshot, line
from crawl_core.job.terminal import render
from crawl_core.text import printable
from crawl_core.values.dead_letters import DeadLetter
from crawl_operator.plugin import logs as plugin_logs
from crawl_operator.plugin import output as plugin_output
from crawl_worker.commands import dead_letters, output
from crawl_worker.commands.ends import ending_of
from crawl_worker.crew.logs import LogTail
from crawl_worker.local.view import PlainView, RedrawnView

FAKED = "12:00:00 Succeeded 100.00%"
HOSTILE = f"\x1b]52;c;aGk=\x07\x1b[2J\x9b31m\u202e\x00\n{FAKED}\r{FAKED}\x85{FAKED}\u2028{FAKED}" + "x" * 100_000


def assert_harmless(shown: str, *, lines: int = 1) -> None:
    """So many lines, of bounded length, none of them the faked one, and nothing that a terminal obeys."""
    assert len(shown.splitlines()) == lines
    assert not any(text.startswith(FAKED) for text in shown.splitlines())
    assert printable(shown) == shown
    assert len(shown) < 10_000


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where logs go; everything is as before afterwards."""
    root = logging.getLogger()
    handlers, level, quiet = root.handlers[:], root.level, logging.getLogger("httpx").level
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("httpx").setLevel(quiet)


def test_the_line_of_a_run() -> None:
    assert_harmless(line(Snapshot(job=HOSTILE, notes=(HOSTILE,), last_error=HOSTILE)))


def test_the_picture_of_a_run() -> None:
    console = Console(file=io.StringIO(), width=120, color_system=None)
    picture = Snapshot(job=HOSTILE, notes=(HOSTILE,), last_error=HOSTILE)
    console.print(render(picture))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert printable(text) == text
    assert not any(shown.startswith(FAKED) for shown in text.splitlines())


def test_an_event_in_lines_and_above_the_picture() -> None:
    plain, redrawn = io.StringIO(), io.StringIO()
    PlainView(plain).event(HOSTILE)
    RedrawnView(Console(file=redrawn, width=120)).event(f"[bold]{HOSTILE}")
    assert_harmless(plain.getvalue())
    assert_harmless(redrawn.getvalue())
    assert redrawn.getvalue().startswith("[bold]")


@pytest.mark.parametrize("error", [ArtistcrawlError(HOSTILE), RuntimeError(HOSTILE), ValueError(HOSTILE)])
def test_the_message_that_ends_a_command(error: Exception) -> None:
    assert_harmless(ending_of("status", error).message)


def test_dead_letters(capsys: pytest.CaptureFixture[str]) -> None:
    letter = DeadLetter(string=HOSTILE, reason="rejected", attempts=5, last_error=HOSTILE, at_us=0, replaying=False)
    dead_letters._show([letter], as_json=False)
    assert_harmless(capsys.readouterr().out)


def test_json_of_a_command_is_read_back_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    output.say_json({"name": HOSTILE})
    shown = capsys.readouterr().out
    assert printable(shown) == shown
    assert json.loads(shown) == {"name": HOSTILE}


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_log(stream: io.StringIO, log_format: Any) -> None:
    logs.configure(log_format=log_format, stream=stream)
    logging.getLogger("test").error(
        "failed: %s", HOSTILE, extra=logs.fields("test", error=HOSTILE, cause=OSError(HOSTILE))
    )
    assert_harmless(stream.getvalue())


def test_the_traceback_in_a_log_is_cut(stream: io.StringIO) -> None:
    logs.configure(log_format="console", stream=stream)
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        logging.getLogger("test").exception("failed")
    shown = stream.getvalue()
    assert printable(shown) == shown
    assert len(shown) < 30_000


def test_the_last_words_of_a_process(tmp_path) -> None:
    tail = LogTail(tmp_path / "log")
    tail.path.write_text(json.dumps({"level": "error", "message": HOSTILE, "error": HOSTILE}) + "\n")
    tail.read()
    assert_harmless(tail.last_error)
    assert_harmless(tail.last_message)


@pytest.mark.parametrize("program", [output, plugin_output])
def test_results_and_remarks_whatever_they_are_made_of(program: Any, capsys: pytest.CaptureFixture[str]) -> None:
    program.say(HOSTILE[:200])
    program.remark(HOSTILE[:200])
    shown = capsys.readouterr()
    assert printable(shown.out) == shown.out
    assert printable(shown.err) == shown.err


def test_the_plugins_logs_are_a_line_each_behind_the_name_of_the_pod() -> None:
    class Server:
        namespace = "music"

        def stream(self, path: str, query: Any, *, timeout_s: Any) -> Iterator[bytes]:
            yield f"2026-01-01T00:00:00Z {HOSTILE[:200]}".replace("\n", " ").encode() + b"\n"

    server: Any = Server()
    ((moment, text),) = plugin_logs._lines(server, {"metadata": {"name": "artists-1"}}, {})
    assert moment == "2026-01-01T00:00:00Z"
    assert_harmless(text)
