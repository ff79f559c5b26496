"""The logs of a run's processes: what went wrong last, and bounded."""

from __future__ import annotations

from pathlib import Path

from crawl_worker.crew import logs
from crawl_worker.crew.logs import LogTail


def write(path: Path, *lines: str) -> None:
    with path.open("a") as log:
        log.writelines(f"{line}\n" for line in lines)


def test_the_last_error_is_the_last_line_of_that_level(tmp_path: Path) -> None:
    tail = LogTail(tmp_path / "log")
    write(
        tail.path,
        '{"level": "error", "message": "request failed", "error": "500"}',
        '{"level": "info", "message": "range done"}',
    )
    tail.read()
    assert tail.last_error == "request failed: 500"
    assert tail.last_message == "range done"


def test_what_an_earlier_run_logged_is_no_news(tmp_path: Path) -> None:
    write(tmp_path / "log", '{"level": "error", "message": "old"}')
    tail = LogTail(tmp_path / "log")
    tail.read()
    assert tail.last_error == ""


def test_a_line_that_is_not_json_counts_as_a_message(tmp_path: Path) -> None:
    tail = LogTail(tmp_path / "log")
    write(tail.path, "artistcrawl: the password is wrong", "", "42")
    tail.read()
    assert tail.last_message == "42"


def test_a_line_in_two_pieces_is_read_whole(tmp_path: Path) -> None:
    tail = LogTail(tmp_path / "log")
    tail.path.write_text('{"level": "error", "mess')
    tail.read()
    with tail.path.open("a") as log:
        log.write('age": "whole"}\n')
    tail.read()
    assert tail.last_error == "whole"


def test_a_long_log_is_put_aside_and_its_writer_goes_on(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(logs, "MAX_LOG_BYTES", 100)
    tail = LogTail(tmp_path / "log")
    with tail.path.open("a") as writer:
        writer.write("x" * 100 + "\n")
        writer.flush()
        tail.read()
        tail.bound()
        writer.write("after\n")
        writer.flush()
        tail.read()
    assert tail.last_message == "after"
    assert tail.path.read_text() == "after\n"
    assert (tmp_path / "log.1").stat().st_size == 101


def test_a_warning_of_something_else_does_not_hide_a_failed_request_for_a_minute(tmp_path: Path) -> None:
    tail = LogTail(tmp_path / "log")
    failed = (
        '{"time": 100, "level": "warning", "action": "request.failed", "message": "request failed", "error": "503"}'
    )
    write(tail.path, failed, '{"time": 130, "level": "warning", "message": "redis is slow"}')
    tail.read()
    assert tail.last_error == "request failed: 503"
    write(tail.path, '{"time": 161, "level": "warning", "message": "redis is slow"}')
    tail.read()
    assert tail.last_error == "redis is slow"
