"""The sandbox of a run: waited for while it lives, started again where it died, given up where it refuses."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from crawl_core.errors import ConfigurationError
from crawl_core.spec import parse_crawljob
from crawl_worker.crew import sandbox as module
from crawl_worker.crew.sandbox import MOST_REFUSALS, MOST_STARTS, SandboxProcess

JOB = "{apiVersion: artistcrawl.dev/v1alpha1, kind: CrawlJob, metadata: {name: tiny}, spec: {}}"


class FakeChild:
    """A process that ends when a test says so."""

    started: list[FakeChild] = []  # noqa: RUF012

    def __init__(self, name: str, command: Sequence[str], *, log: Path, environment: Any) -> None:
        self.log = log
        self.exit_status: int | None = None
        self.ready_file = Path(command[command.index("--ready-file") + 1])
        FakeChild.started.append(self)

    @property
    def alive(self) -> bool:
        return self.exit_status is None

    def listen(self) -> None:
        self.ready_file.write_text(json.dumps({"url": "http://127.0.0.1:8000"}))

    def end(self, status: int, words: str = "") -> None:
        with self.log.open("a") as log:
            log.write(f"{words}\n")
        self.exit_status = status


@pytest.fixture
def events() -> list[str]:
    return []


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, events: list[str]) -> SandboxProcess:
    monkeypatch.setattr(module, "Child", FakeChild)
    FakeChild.started.clear()
    job = parse_crawljob(JOB, origin="test")
    return SandboxProcess(job, catalogue=None, folder=tmp_path, logs=tmp_path, event=events.append)


def end_each(process: SandboxProcess, status: int, words: str) -> None:
    """Let a quarter of an hour pass in which each sandbox ends like this."""
    for second in range(2, 1_000):
        process.tick(float(second))
        if FakeChild.started[-1].alive:
            FakeChild.started[-1].end(status, words)


def test_while_it_lives_it_is_waited_for_however_long(process: SandboxProcess) -> None:
    assert [process.tick(now_s) for now_s in (0.0, 60.0, 86_400.0)] == [False] * 3
    FakeChild.started[0].listen()
    assert process.tick(86_401.0)
    assert len(FakeChild.started) == 1


def test_one_that_died_of_a_signal_is_started_again_later_and_later(process: SandboxProcess, events: list[str]) -> None:
    process.tick(0.0)
    FakeChild.started[0].end(-signal.SIGKILL)
    process.tick(1.0)
    assert "was ended by SIGKILL" in events[0]
    FakeChild.started[1].end(-signal.SIGKILL)
    process.tick(2.0)
    assert len(FakeChild.started) == 2
    process.tick(2.6)
    FakeChild.started[2].listen()
    assert process.tick(3.0)


def test_one_that_never_listened_is_given_up_after_some_deaths(process: SandboxProcess) -> None:
    with pytest.raises(ConfigurationError, match=f"exited 1, saying: MemoryError, {MOST_STARTS} times"):
        end_each(process, 1, "MemoryError")
    assert len(FakeChild.started) == MOST_STARTS


def test_one_that_refuses_at_first_is_given_up_at_once_with_its_words(process: SandboxProcess) -> None:
    process.tick(0.0)
    FakeChild.started[0].end(2, "artistcrawl sandbox: no column id")
    with pytest.raises(ConfigurationError, match=r"does not start: .*no column id"):
        process.tick(1.0)


def test_one_that_has_listened_may_refuse_a_few_times_since_its_port_may_be_taken(process: SandboxProcess) -> None:
    process.tick(0.0)
    FakeChild.started[0].listen()
    process.tick(1.0)
    FakeChild.started[0].end(-signal.SIGSEGV)
    with pytest.raises(ConfigurationError, match="cannot listen"):
        end_each(process, 2, "cannot listen")
    assert len(FakeChild.started) == 1 + MOST_REFUSALS
