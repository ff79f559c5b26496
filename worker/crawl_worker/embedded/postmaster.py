"""PostgreSQL's own note of who runs on a folder, `postmaster.pid`, and whether that process is still the one.

After a power cut, or in a container that starts again, the number in it is often somebody else's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from crawl_worker.machine.private_files import read_plain

_NAME = "postgres"

_SAME_START_S = 60.0
"""Seconds by which the note and the system may differ about a start: the clock on the wall can be set."""

_READY = "ready"


@dataclass(frozen=True, slots=True)
class PostmasterNote:
    """What `postmaster.pid` says; it grows line by line while the server starts."""

    pid: int
    started_at_s: float
    port: int
    socket_folder: Path | None
    ready: bool


def read_note(folder: Path) -> PostmasterNote | None:
    """The note, None where there is none that can be read."""
    try:
        lines = [line.strip() for line in read_plain(folder / "postmaster.pid").split("\n")]
    except OSError:
        return None
    # The lines: pid, folder, start, port, folder of the socket, address, shared memory, status.
    lines += [""] * (8 - len(lines))
    try:
        socket_folder = Path(lines[4]) if lines[4].startswith("/") else None
        return PostmasterNote(
            int(lines[0]), float(lines[2] or 0), int(lines[3] or 0), socket_folder, ready=lines[7] == _READY
        )
    except ValueError:
        return None


def postmaster(folder: Path) -> psutil.Process | None:
    """The server's first process; None where none runs, or the number in the note is another process's now."""
    note = read_note(folder)
    if note is None:
        return None
    try:
        process = psutil.Process(note.pid)
        if process.name() != _NAME or process.status() == psutil.STATUS_ZOMBIE:
            return None
        return process if _works_in(process, folder, started_at_s=note.started_at_s) else None
    except (OSError, ValueError, psutil.Error):
        # ValueError: a number that no process has. PostgreSQL notes a negative one where it runs without a postmaster.
        return None


def _works_in(process: psutil.Process, folder: Path, *, started_at_s: float) -> bool:
    try:
        return folder.samefile(process.cwd())
    except psutil.AccessDenied:
        # Another user's. Its command line names the folder, and its start is in the note.
        named = any(Path(word) == folder.absolute() for word in process.cmdline() if word.startswith("/"))
        return named and abs(process.create_time() - started_at_s) < _SAME_START_S


def processes_in(folder: Path) -> Iterator[psutil.Process]:
    """The PostgreSQL processes whose working directory is the folder."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            lives = process.name() == _NAME and process.status() != psutil.STATUS_ZOMBIE
            if lives and folder.samefile(process.cwd()):
                yield process
