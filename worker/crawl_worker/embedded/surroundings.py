"""What the embedded servers are given instead of the user's surroundings: an environment, and a folder for a socket.

A locale that is not generated, a PGHOSTADDR that is meant for another server, a comma in a folder's name: each kept a
server from starting, or its own user from reaching it.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from crawl_core.errors import ConfigurationError

_KEPT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH")
"""Variables that say where programs and libraries are."""

SOCKET_FOLDER_PREFIX = "artistcrawl-"

_LONGEST_BASE = 60
"""Characters of a path that leave room for our folder and the socket's name in the 103 of a socket's path."""

# Whatever is made there has a random name, and is for this user only.
_PLACES = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"))  # noqa: S108

_PLAIN = re.compile(r"[A-Za-z0-9._/+-]+")
"""Paths that mean themselves in a shell, in a list with commas, and in a URL."""


def environment() -> dict[str, str]:
    """The environment of an embedded server."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | {"LC_ALL": "C"}


def forget_libpq_variables() -> None:
    """Take libpq's variables out of this process and of those that it starts: they are meant for another server.

    A URL cannot overrule them all: a PGSERVICE that does not exist is an error whatever else is said.
    """
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


def is_plain(path: Path) -> bool:
    """Whether no program can take a part of the path for anything else."""
    return _PLAIN.fullmatch(str(path)) is not None


def plain_folders(*last: Path) -> Iterator[Path]:
    """Folders with short plain names that this user may make folders in, the best one first.

    Not XDG_RUNTIME_DIR before /tmp: it goes with the user's last session, and a crawl may stay.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR") if os.geteuid() != 0 else None
    candidates = [*_PLACES[:1], _temporary(), *_PLACES[1:], *([Path(runtime)] if runtime else [])]
    for folder in [*candidates, *last]:
        plain = folder.is_absolute() and is_plain(folder) and len(str(folder)) <= _LONGEST_BASE
        if plain and folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
            yield folder


def make_plain_folder(*last: Path) -> Path:
    """A new folder for this user only, with a short plain path. Raises ConfigurationError."""
    for base in plain_folders(*last):
        try:
            return Path(tempfile.mkdtemp(prefix=SOCKET_FOLDER_PREFIX, dir=base))
        except OSError:
            # A full or a read-only file system. The next one may do.
            continue
    raise ConfigurationError(
        "there is no folder for PostgreSQL's socket: /tmp cannot be written to; make it writable, or set TMPDIR to a "
        "folder with a short name that is"
    )


def _temporary() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except OSError:
        return _PLACES[0]
