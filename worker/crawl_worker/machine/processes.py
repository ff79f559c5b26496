"""Processes on this machine: told apart, started and ended.

A process id alone is no name: the kernel gives it out again. A process is signalled only where its command line and its
start are those that were noted.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from crawl_worker.machine.parent import PARENT_VARIABLE
from crawl_worker.machine.private_files import open_appending

_SAME_START_S = 60.0
"""Seconds by which two readings of one start may differ: it is computed from a wall clock, which can be set."""


@dataclass(frozen=True, slots=True)
class ProcessId:
    """By what a later run recognises a process that this one started."""

    pid: int
    started_at_s: float
    command: tuple[str, ...]

    @classmethod
    def of(cls, pid: int, command: Sequence[str]) -> ProcessId:
        """The identity of a process that was started just now."""
        return cls(pid=pid, started_at_s=time.time(), command=tuple(command))

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> ProcessId:
        """Read what `to_json` wrote."""
        return cls(int(stored["pid"]), float(stored["started_at_s"]), tuple(stored["command"]))

    def to_json(self) -> dict[str, Any]:
        """A form that JSON can hold."""
        return asdict(self)

    def find(self) -> psutil.Process | None:
        """The process, or None where it has ended or its pid belongs to another one now."""
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE or tuple(process.cmdline()) != self.command:
                return None
            return process if abs(process.create_time() - self.started_at_s) < _SAME_START_S else None
        except psutil.Error:
            return None

    def end(self, *, grace_s: float) -> bool:
        """SIGTERM, and SIGKILL after `grace_s`; True where the process was there."""
        process = self.find()
        if process is None or not _is_ours(process):
            return False
        with suppress(psutil.Error):
            process.terminate()
            try:
                process.wait(grace_s)
            except psutil.TimeoutExpired:
                process.kill()
                process.wait(5)
        return True


def _is_ours(process: psutil.Process) -> bool:
    """Whether it runs as this user. Root may end what others run, and shall not."""
    try:
        return process.uids().real == os.geteuid()
    except psutil.Error:
        return False


class Daemon(subprocess.Popen[bytes]):
    """A server that may outlive whoever started it: to forget it is no mistake, which `subprocess` takes it for."""

    def __del__(self) -> None:
        # Read once more, so that one which ended is no zombie.
        with suppress(Exception):
            self.poll()


class Child:
    """A process of this run. It has a session of its own, so that Ctrl-C reaches the supervisor only."""

    def __init__(self, name: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.log = log
        with open_appending(log) as output:
            self._popen = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                # Its output is a file that only people with a question open: they want the traceback.
                env={**os.environ, **environment, PARENT_VARIABLE: str(os.getpid()), "ARTISTCRAWL_DEBUG": "1"},
            )
        self.id = ProcessId.of(self._popen.pid, command)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._popen.pid

    @property
    def exit_status(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._popen.poll()

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._popen.poll() is None

    def terminate(self) -> None:
        """Ask it to drain."""
        if self.alive:
            self._popen.terminate()

    def kill(self) -> None:
        """End it now. Stopped processes end too."""
        if self.alive:
            self._popen.kill()
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(5)


def own_command(*arguments: str) -> list[str]:
    """The command line that runs `artistcrawl ARGUMENTS` with this interpreter, whatever PATH says."""
    return [sys.executable, "-m", "crawl_worker.cli", *arguments]
