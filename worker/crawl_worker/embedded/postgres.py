"""PostgreSQL in a folder of a run: set up, started or joined, and stopped.

A folder that this program did not make is neither changed nor removed.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import stat
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg

from crawl_core.errors import ConfigurationError
from crawl_worker.embedded import wheel
from crawl_worker.embedded.access import Access
from crawl_worker.embedded.account import Account, let_through, running_as_root, server_account
from crawl_worker.embedded.postmaster import PostmasterNote, postmaster, processes_in, read_note
from crawl_worker.embedded.surroundings import (
    SOCKET_FOLDER_PREFIX,
    environment,
    forget_libpq_variables,
    make_plain_folder,
)
from crawl_worker.embedded.waiting import Waiting
from crawl_worker.machine.private_files import open_appending, read_plain, user_name
from crawl_worker.machine.processes import Daemon

DATABASE = "artistcrawl"
"""The database of an embedded PostgreSQL that holds the ledger."""

_MARKS = (".artistcrawl", ".handle_pids.json")
"""A file beside PostgreSQL's own tells that a run set it up: this version's, or an older one's."""

_PORT = 5432
"""Part of the socket's name; no port is opened."""

_SETTLE_TIMEOUT_S = 30.0
"""Seconds for the last processes of a killed server to be gone."""

_RECOVERY_TIMEOUT_S = 600.0
"""Seconds PostgreSQL may take to answer after a crash: it replays what it wrote since its last checkpoint."""

_STOP_TIMEOUT_S = 60.0
_STOP_GRACE_S = 10.0


class EmbeddedPostgres:
    """PostgreSQL 18 in one folder, reached by a Unix socket."""

    def __init__(self, folder: Path, *, create: bool = True, waiting: Waiting | None = None) -> None:
        self.folder = folder
        self._create = create
        self._waiting = Waiting() if waiting is None else waiting
        self._complete = folder.with_name(f"{folder.name}.complete")
        self._initialising = folder.with_name(f"{folder.name}.initialising")
        self._access = Access(folder)
        self._popen: Daemon | None = None
        self._sockets: Path | None = None

    def start(self) -> None:
        """Start it, or join the one that runs here already. Blocks for about a second."""
        if self.join():
            # Where it dies, it comes back there: workers keep the URL.
            self._sockets = _ours(read_note(self.folder))
            if self._complete.exists():
                return
        elif self.running:
            raise ConfigurationError(f"PostgreSQL runs in {self.folder} and does not answer; end it, then run again")
        else:
            self._forget_dead()
            self._claim_folder()
            account = self._account()
            if not (self.folder / "PG_VERSION").exists():
                wheel.initialise(self.folder, account, self._waiting)
            (self.folder / _MARKS[0]).touch()
            self._launch(account)
        try:
            self._access.close()
            self._create_database()
        except psycopg.Error as error:
            said = wheel.quoted(str(error).splitlines())
            raise ConfigurationError(f"PostgreSQL runs in {self.folder}, and refuses: {said}{_remedy(said)}") from error
        if not self._complete.exists():
            self._complete.touch()
        self._initialising.unlink(missing_ok=True)

    def end_older(self) -> None:
        """Stop one that an older version started: where that dies, it cannot come back at the address that it has."""
        if self.join() and _ours(read_note(self.folder)) is None:
            self.stop()

    def join(self) -> bool:
        """Whether one runs here already, and takes connections. Touches nothing."""
        forget_libpq_variables()
        if self.running:
            what = f"the PostgreSQL in {self.folder}, which starts or stops"
            self._waiting.until(lambda: self.ready or not self.running, what, timeout_s=_RECOVERY_TIMEOUT_S)
        return self.ready

    def _claim_folder(self) -> None:
        """Make sure that the folder holds a run's data, or nothing. Whatever else it holds is left as it is."""
        if _is_run_data(self.folder) and (self._complete.exists() or not self._initialising.exists()):
            return
        if not self._create and self._initialising.exists():
            raise cut_short(self.folder.parent)
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

    def _account(self) -> Account | None:
        """Who the server runs as, where that is not this user. The folder is theirs then."""
        if self.folder.is_symlink():
            raise ConfigurationError(f"{self.folder} is a link; move the folder that it leads to here")
        with suppress(FileExistsError):
            self.folder.mkdir(mode=0o700)
        owner = self.folder.stat().st_uid
        account = server_account() if running_as_root() else None
        if account is not None and owner == 0:
            os.chown(self.folder, account.uid, account.gid)
        elif owner != (os.geteuid() if account is None else account.uid):
            wanted = "" if account is None else user_name(account.uid)
            remedy = f"chown -R {wanted} {self.folder}" if wanted else f"run this as {user_name(owner)}"
            raise ConfigurationError(
                f"{self.folder} belongs to {user_name(owner)}: {remedy}, or give another --data DIR"
            )
        return None if account is None else let_through(account, data=self.folder, programs=wheel.programs())

    @property
    def set_up(self) -> bool:
        """Whether a start has ended once, so that a run's data may lie here."""
        return self._complete.exists() or (self.folder / _MARKS[0]).exists()

    @property
    def running(self) -> bool:
        """Whether its first process lives."""
        if self._popen is not None:
            # Asked, so that a server which ended is not left as a zombie.
            self._popen.poll()
        return postmaster(self.folder) is not None

    @property
    def ready(self) -> bool:
        """Whether it takes connections."""
        note = read_note(self.folder)
        return note is not None and note.ready and self.running

    def available(self) -> bool:
        """Whether somebody runs it on this folder, and it takes connections."""
        return self.join()

    def url(self, database: str = DATABASE) -> str:
        """The libpq URL of one database, with the password."""
        return self._access.url(database)

    @property
    def pid(self) -> int | None:
        """The pid of its first process, None where it does not run."""
        process = postmaster(self.folder)
        return None if process is None else process.pid

    def stop(self) -> None:
        """End every connection, write everything down, and stop."""
        process = postmaster(self.folder)
        if process is None and self._popen is not None and self._popen.poll() is None:
            # Called off so early that it has not noted itself yet.
            process = psutil.Process(self._popen.pid)
        if process is not None:
            note = read_note(self.folder)
            self._end(process)
            _remove_sockets(self._sockets if note is None else _ours(note))
        self._popen = self._sockets = None

    def _end(self, process: psutil.Process) -> None:
        what = f"PostgreSQL in {self.folder} to write everything down"
        for number, timeout_s in (
            (signal.SIGINT, _STOP_TIMEOUT_S),
            (signal.SIGQUIT, _STOP_GRACE_S),
            (signal.SIGKILL, _STOP_GRACE_S),
        ):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
            # Not `running`: the note goes before the process does.
            if self._waiting.until(lambda: not self._lives(process), what, timeout_s=timeout_s):
                return

    def _lives(self, process: psutil.Process) -> bool:
        if self._popen is not None:
            self._popen.poll()
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE

    def _launch(self, account: Account | None) -> None:
        self._access.open()
        sockets = self._socket_folder(account)
        log_path = self.folder / "log"
        owners = {os.geteuid()} if account is None else {os.geteuid(), account.uid}
        with open_appending(log_path, owners=owners) as log:
            log_bytes = log.seek(0, os.SEEK_END)
            self._popen = Daemon(
                [
                    str(wheel.programs() / "postgres"),
                    *("-D", str(self.folder), "-k", str(sockets), "-p", str(_PORT), "-h", ""),
                    *("-c", "unix_socket_permissions=0700", "-c", "lc_messages=C"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                # A session of its own: PostgreSQL stops on the SIGINT that Ctrl-C sends to the terminal's processes.
                start_new_session=True,
                env=environment(),
                **({} if account is None else account.popen),
            )
        self._await_ready(self._popen, log_path, log_bytes)

    def _await_ready(self, popen: Daemon, log: Path, log_bytes: int) -> None:
        what = f"the PostgreSQL in {self.folder}, which mends its files after a crash"
        self._waiting.until(lambda: self.ready or popen.poll() is not None, what, timeout_s=_RECOVERY_TIMEOUT_S)
        if self.ready:
            return
        if popen.poll() is None:
            self._end(psutil.Process(popen.pid))
        _remove_sockets(self._sockets)
        said = _reason(log, log_bytes) or f"it ended with {popen.poll()}"
        raise ConfigurationError(
            f"PostgreSQL does not start in {self.folder}: {said} ({log}){_remedy(said)}; or give --postgres URL"
        )

    def _socket_folder(self, account: Account | None) -> Path:
        """A folder that only the server's user may enter; the one from before where there is one, for its URL is known.

        Not the data folder: its path may be too long for a socket, or have a comma in it.
        """
        owner = os.geteuid() if account is None else account.uid
        if self._sockets is not None:
            with suppress(OSError):
                self._sockets.mkdir(mode=0o700)
        if self._sockets is None or not _is_own_folder(self._sockets, owners={owner, os.geteuid()}):
            self._sockets = make_plain_folder(self.folder.parent)
        for left in self._sockets.iterdir():
            left.unlink()
        if account is not None:
            os.chown(self._sockets, account.uid, account.gid)
        return self._sockets

    def _forget_dead(self) -> None:
        """Remove a note whose process is not the server's any more; PostgreSQL itself would refuse to start over it.

        Its last processes must be gone first: with the file goes PostgreSQL's own way of noticing them.
        """
        pid_file = self.folder / "postmaster.pid"
        if not os.path.lexists(pid_file):
            return
        if pid_file.is_dir():
            raise ConfigurationError(f"{pid_file} is a folder, where PostgreSQL notes its process; move it away")
        note = read_note(self.folder)
        what = f"the last processes of a killed PostgreSQL in {self.folder}"
        if not self._waiting.until(lambda: not any(processes_in(self.folder)), what, timeout_s=_SETTLE_TIMEOUT_S):
            raise ConfigurationError(
                f"processes of a killed PostgreSQL still use {self.folder}; end them, then run again"
            )
        self._sockets = _ours(note) or self._sockets
        pid_file.unlink(missing_ok=True)

    def _create_database(self) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            row = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if row is None:
                connection.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0 ENCODING 'UTF8'")


def cut_short(data: Path) -> ConfigurationError:
    """What is wrong with a run's folder that holds nothing yet."""
    return ConfigurationError(
        f"nothing is stored in {data} yet: its first start was cut short, or goes on; "
        f"artistcrawl run FILE --data {shlex.quote(str(data))} begins again"
    )


def _remove(folder: Path) -> None:
    """Remove it all, although the initdb of a killed run may still write for a moment."""
    deadline = time.monotonic() + _STOP_GRACE_S
    while folder.exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            time.sleep(0.1)


def _is_run_data(folder: Path) -> bool:
    """Whether it was set up by a run."""
    try:
        whole = all((folder / name).exists() for name in ("PG_VERSION", "global/pg_control"))
        return whole and any((folder / name).exists() for name in _MARKS)
    except PermissionError as error:
        raise ConfigurationError(
            f"{folder} belongs to another user: run this as whoever made it, or give another --data DIR"
        ) from error


def _ours(note: PostmasterNote | None) -> Path | None:
    """The folder of the socket, where this program made it for that; an older version's are left as they are."""
    folder = None if note is None else note.socket_folder
    return folder if folder is not None and folder.name.startswith(SOCKET_FOLDER_PREFIX) else None


def _remove_sockets(folder: Path | None) -> None:
    if folder is not None:
        with suppress(OSError):
            folder.rmdir()


def _is_own_folder(folder: Path, *, owners: set[int]) -> bool:
    try:
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid in owners and not status.st_mode & 0o077


def _reason(log: Path, log_bytes: int) -> str:
    """Why the server gave up, by the lines that it wrote to its log since that was `log_bytes` long."""
    try:
        lines = read_plain(log, offset=log_bytes).splitlines()
    except OSError:
        return ""
    return wheel.reason(lines)


def _remedy(said: str) -> str:
    """For a folder that was made where the machine had a locale which it lacks here; new ones need none."""
    if "locale" in said or '"lc_' in said:
        return "; the folder was made with a locale that this machine lacks: install it, such as by locale-gen"
    return ""
