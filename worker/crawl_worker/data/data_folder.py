"""The folder that a local run keeps everything in, and who may use it at a time.

    DIR/postgres  DIR/valkey    the servers' data
    DIR/logs                    one bounded log a process
    DIR/run.lock                held by the one `artistcrawl run` that crawls here; names its pid
    DIR/servers.lock            held, shared, by everyone who uses the servers; whoever is last stops them
    DIR/children.json           the processes of the run, for the next one to end where this one was killed

One run uses a folder at a time: two would be two limiters. Data is never removed.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from crawl_core.errors import ConfigurationError
from crawl_worker.embedded import EmbeddedPostgres, EmbeddedValkey
from crawl_worker.embedded.waiting import Waiting
from crawl_worker.machine.processes import ProcessId

_JOIN_TIMEOUT_S = 60.0
"""Seconds to wait for somebody else who is starting or stopping the servers."""

_LEFTOVER_GRACE_S = 20.0
"""Seconds that a process of a killed run gets to drain: its request in flight and its commit."""


class DataFolder:
    """One folder, checked and made. Raises ConfigurationError with what to write instead."""

    def __init__(self, path: Path, *, create: bool = True, waiting: Waiting | None = None) -> None:
        self.path = _checked(path, create=create)
        self._waiting = Waiting() if waiting is None else waiting
        self.logs = self.path / "logs"
        self.postgres = EmbeddedPostgres(self.path / "postgres", create=create)
        self.valkey = EmbeddedValkey(self.path / "valkey")
        self._children = self.path / "children.json"

    @contextmanager
    def run(self) -> Iterator[None]:
        """Be the one run on this folder. Ends what a killed run left behind."""
        with _opened(self.path / "run.lock") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise ConfigurationError(
                    f"{self.path} is in use by another run (pid {lock.read().strip() or 'unknown'}); "
                    "wait for it, stop it with Ctrl-C, or give another --data DIR"
                ) from None
            lock.seek(0)
            lock.truncate()
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            self.logs.mkdir(exist_ok=True)
            self._end_leftovers()
            yield
            self._children.unlink(missing_ok=True)

    @contextmanager
    def servers(self, *, postgres: bool = True, valkey: bool = True, supervise: bool = False) -> Iterator[None]:
        """Use the servers: start them when alone, join them else, stop them when nobody is left.

        Only whoever is alone, or holds `run` (and says so with `supervise`), starts a server: two Valkeys on one
        folder would be two limiters.
        """
        with _opened(self.path / "servers.lock") as lock:
            alone = _flock(lock, fcntl.LOCK_EX)
            if not alone:
                self._join(lock)
            try:
                for server in self._chosen(postgres=postgres, valkey=valkey):
                    if not (alone or supervise or server.available()):
                        raise ConfigurationError(f"a server of the run on {self.path} is down just now; try again")
                    server.start()
                if alone:
                    fcntl.flock(lock, fcntl.LOCK_SH)
                yield
            finally:
                # Whoever has it alone now is the last one here.
                if _flock(lock, fcntl.LOCK_EX):
                    self.valkey.stop()
                    self.postgres.stop()

    def _join(self, lock: IO[str]) -> None:
        """Share the servers with whoever holds them, once they are started."""
        what = f"somebody who starts or stops the servers of {self.path}"
        if not self._waiting.until(lambda: _flock(lock, fcntl.LOCK_SH), what, timeout_s=_JOIN_TIMEOUT_S):
            raise ConfigurationError(f"somebody has been starting the servers of {self.path} for too long; try again")

    def _chosen(self, *, postgres: bool, valkey: bool) -> list[EmbeddedPostgres | EmbeddedValkey]:
        chosen: list[EmbeddedPostgres | EmbeddedValkey] = []
        if postgres:
            chosen.append(self.postgres)
        if valkey:
            chosen.append(self.valkey)
        return chosen

    def remember(self, children: Iterable[ProcessId]) -> None:
        """Note the processes of this run."""
        temporary = self._children.with_suffix(".new")
        temporary.write_text(json.dumps([child.to_json() for child in children]))
        temporary.replace(self._children)

    def _end_leftovers(self) -> None:
        with suppress(OSError, ValueError, KeyError, TypeError):
            for stored in json.loads(self._children.read_text()):
                ProcessId.from_json(stored).end(grace_s=_LEFTOVER_GRACE_S)
        self._children.unlink(missing_ok=True)


def _checked(path: Path, *, create: bool) -> Path:
    folder = path.expanduser().resolve()
    if not folder.exists() and not create:
        raise ConfigurationError(
            f"{folder} does not exist; give the folder of a run with --data DIR, "
            "or where the data is with --postgres URL and --redis URL"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"{folder} cannot be made: {error.strerror}; give a folder that you may write to with --data DIR"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigurationError(f"{folder} is not writable; give a folder that you may write to with --data DIR")
    if not create and not (folder / "postgres").exists():
        raise ConfigurationError(f"{folder} holds no run's data; give the folder of a run with --data DIR")
    return folder


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    try:
        lock = path.open("a+")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be opened: {error.strerror}; give another --data DIR") from error
    with lock:
        yield lock


def _flock(lock: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
