"""What a real Valkey can be made to refuse, and healed of: each a context manager around one server.

    with REFUSALS["READONLY"](valkey): ...every write is refused...

The server then answers as it did. `LOADING` and a cluster need a server of their own, see the tests.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

import redis
from support.processes.servers import Valkey

TIMEOUT_S = 20.0


@contextmanager
def _replica(server: Valkey) -> Iterator[None]:
    """A failover made a replica of it."""
    with server.client() as admin:
        admin.execute_command("REPLICAOF", "127.0.0.1", "1")
        try:
            yield
        finally:
            admin.execute_command("REPLICAOF", "NO", "ONE")


@contextmanager
def _without_its_primary(server: Valkey) -> Iterator[None]:
    with _set(server, "replica-serve-stale-data", "no"), _replica(server):
        yield


@contextmanager
def _set(server: Valkey, name: str, value: str) -> Iterator[None]:
    with server.client() as admin:
        before = admin.config_get(name)[name]
        admin.config_set(name, value)
        try:
            yield
        finally:
            admin.config_set(name, before)


@contextmanager
def _snapshot_fails(server: Valkey) -> Iterator[None]:
    """A folder stands where the snapshot's file is due."""
    snapshot = server.folder / "dump.rdb"
    snapshot.unlink(missing_ok=True)
    (snapshot / "in the way").mkdir(parents=True)
    try:
        with _set(server, "stop-writes-on-bgsave-error", "yes"), _set(server, "save", "3600 1"):
            with server.client() as admin:
                _save(admin, "err")
            yield
    finally:
        shutil.rmtree(snapshot, ignore_errors=True)
        with server.client() as admin:
            _save(admin, "ok")


def _save(admin: redis.Redis, expected: str) -> None:
    deadline_s = time.monotonic() + TIMEOUT_S
    while admin.info("persistence")["rdb_last_bgsave_status"] != expected:
        assert time.monotonic() < deadline_s, f"no snapshot ended with {expected}"
        with suppress(redis.ResponseError):
            admin.bgsave()
        time.sleep(0.05)


@contextmanager
def _busy(server: Valkey) -> Iterator[None]:
    """Somebody's script runs on and on."""

    def run() -> None:
        with server.client() as stranger, suppress(redis.ResponseError, redis.ConnectionError):
            stranger.eval("while true do end", 0)

    with _set(server, "busy-reply-threshold", "20"), server.client() as admin:
        script = threading.Thread(target=run, daemon=True)
        script.start()
        _until_busy(server)
        try:
            yield
        finally:
            admin.script_kill()
            script.join(TIMEOUT_S)


def _until_busy(server: Valkey) -> None:
    deadline_s = time.monotonic() + TIMEOUT_S
    with server.client() as probe:
        while True:
            try:
                probe.ping()
            except redis.ResponseError:
                return
            assert time.monotonic() < deadline_s, "no script holds it up"


@contextmanager
def _password(server: Valkey) -> Iterator[None]:
    """Somebody set a password, and closed the connections that had none."""
    with server.client() as admin:
        admin.config_set("requirepass", "another")
        admin.execute_command("AUTH", "another")
        admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        try:
            yield
        finally:
            admin.config_set("requirepass", "")


@contextmanager
def _right(server: Valkey) -> Iterator[None]:
    """The user may run no script any more."""
    with server.client() as admin:
        admin.execute_command("ACL", "SETUSER", "default", "-evalsha")
        try:
            yield
        finally:
            admin.execute_command("ACL", "SETUSER", "default", "+@all")


REFUSALS: dict[str, Callable[[Valkey], AbstractContextManager[None]]] = {
    "READONLY": _replica,
    "MASTERDOWN": _without_its_primary,
    "NOREPLICAS": lambda server: _set(server, "min-replicas-to-write", "1"),
    "OOM": lambda server: _set(server, "maxmemory", "1"),
    "MISCONF": _snapshot_fails,
    "BUSY": _busy,
    "NOAUTH": _password,
    "NOPERM": _right,
}
