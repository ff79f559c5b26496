"""The folder that a local run keeps everything in, and who may use it at a time.

    DIR/postgres  DIR/valkey    the servers' data
    DIR/postgres.password       PostgreSQL's; Valkey's is in DIR/valkey/server.json
    DIR/logs                    one bounded log a process
    DIR/run.lock                held by the one `artistcrawl run` that crawls here; names its pid
    DIR/servers.lock            held, shared, by everyone who uses the servers; whoever is last stops them
    DIR/children.json           the processes of the run, for the next one to end where this one was killed

One run uses a folder at a time: two would be two limiters. Data is never removed. A command that looks at somebody
else's folder joins the servers that run there, and touches no file.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from crawl_core.errors import ConfigurationError
from crawl_worker.data.ownership import existing_folder, own_folder
from crawl_worker.embedded import EmbeddedPostgres, EmbeddedValkey
from crawl_worker.embedded.waiting import Waiting
from crawl_worker.machine.private_files import (
    is_own_file,
    make_private_folder,
    read_plain,
    read_private,
    user_name,
    write_private,
)
from crawl_worker.machine.processes import ProcessId

_JOIN_TIMEOUT_S = 60.0
"""Seconds to wait for somebody else who is starting or stopping the servers."""

_LEFTOVER_GRACE_S = 20.0
"""Seconds that a process of a killed run gets to drain: its request in flight and its commit."""

_CLOCK_STEP_S = 60.0
"""Seconds by which the clock may be set in the life of a run."""


class DataFolder:
    """One folder, checked, and made where `create` says so. Raises ConfigurationError with what to write instead."""

    def __init__(self, path: Path, *, create: bool = True, waiting: Waiting | None = None) -> None:
        self._waiting = Waiting() if waiting is None else waiting
        if create:
            self.path, self._owner = own_folder(path), os.geteuid()
        else:
            self.path, self._owner = existing_folder(path)
        self.logs = self.path / "logs"
        self.postgres = EmbeddedPostgres(self.path / "postgres", create=create, waiting=self._waiting)
        self.valkey = EmbeddedValkey(self.path / "valkey", waiting=self._waiting)
        self._children = self.path / "children.json"

    @contextmanager
    def run(self) -> Iterator[None]:
        """Be the one run on this folder. Ends what a killed run left behind."""
        with _opened(self.path / "run.lock") as lock:
            if not _flock(lock, fcntl.LOCK_EX):
                pid = os.pread(lock, 32, 0).decode(errors="replace").strip()
                raise ConfigurationError(
                    f"{self.path} is in use by another run (pid {pid or 'unknown'}); "
                    "wait for it, stop it with Ctrl-C, or give another --data DIR"
                )
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
            make_private_folder(self.logs)
            self._check_logs()
            self._end_leftovers()
            yield
            self._children.unlink(missing_ok=True)

    @contextmanager
    def servers(self, *, postgres: bool = True, valkey: bool = True, supervise: bool = False) -> Iterator[None]:
        """Use the servers: start them when alone, join them else, stop them when nobody is left.

        Only whoever is alone, or holds `run` (and says so with `supervise`), starts a server: two Valkeys on one
        folder would be two limiters. In somebody else's folder, or in one that cannot be written to, they are joined.
        """
        chosen = self._chosen(postgres=postgres, valkey=valkey)
        if self._owner != os.geteuid() or not os.access(self.path, os.W_OK):
            self._check_available(chosen)
            yield
            return
        with _opened(self.path / "servers.lock") as lock:
            alone = _flock(lock, fcntl.LOCK_EX)
            if not alone:
                self._join(lock)
            try:
                if supervise and postgres:
                    self.postgres.end_older()
                for server in chosen:
                    if alone or supervise:
                        server.start()
                    elif not server.available():
                        raise ConfigurationError(f"a server of the run on {self.path} is down just now; try again")
                if alone:
                    fcntl.flock(lock, fcntl.LOCK_SH)
                yield
            finally:
                # Whoever has it alone now is the last one here.
                if _flock(lock, fcntl.LOCK_EX):
                    self.valkey.stop()
                    self.postgres.stop()

    def _check_available(self, chosen: Iterable[EmbeddedPostgres | EmbeddedValkey]) -> None:
        """The servers run, for only their owner can start them, and only where they can write."""
        try:
            available = all(server.available() for server in chosen)
        except PermissionError:
            available = False
        if available:
            return
        if self._owner == os.geteuid():
            raise ConfigurationError(
                f"nobody crawls in {self.path} just now, and it cannot be written to: PostgreSQL cannot start there; "
                "make it writable, or copy it and give the copy with --data DIR"
            )
        owner = user_name(self._owner)
        raise ConfigurationError(
            f"{self.path} belongs to {owner}, and nobody crawls in it just now, or you may not join in: "
            f"run this as {owner}"
        )

    def _join(self, lock: int) -> None:
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
        write_private(self._children, json.dumps([child.to_json() for child in children]))

    def _check_logs(self) -> None:
        """Logs are appended to, put aside and emptied: each must be a file of ours, and no link to one."""
        for log in self.logs.iterdir():
            if not is_own_file(log):
                raise ConfigurationError(f"{log} is no file of yours alone; remove it, or give another --data DIR")

    def _end_leftovers(self) -> None:
        with suppress(OSError, ValueError, KeyError, TypeError):
            for stored in json.loads(read_private(self._children)):
                ProcessId.from_json(stored).end(grace_s=_LEFTOVER_GRACE_S)
        self._children.unlink(missing_ok=True)


def is_crawled(folder: Path) -> bool:
    """Whether a run crawls in a folder. Takes no lock: one that starts at this moment would take us for a run.

    The pid in its lock is a run's where that process was there when it was written.
    """
    lock = folder.expanduser() / "run.lock"
    try:
        run = psutil.Process(int(read_plain(lock)))
        return run.status() != psutil.STATUS_ZOMBIE and run.create_time() < lock.stat().st_mtime + _CLOCK_STEP_S
    except psutil.AccessDenied:
        return True
    except (OSError, ValueError, psutil.Error):
        return False


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A lock file's descriptor. A link in its place is not followed."""
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    except OSError as error:
        why = "it is a link" if error.errno == errno.ELOOP else error.strerror
        raise ConfigurationError(f"{path} cannot be opened: {why}; give another --data DIR") from error
    try:
        yield lock
    finally:
        os.close(lock)


def _flock(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
