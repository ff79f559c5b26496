"""PgBouncer in front of a test's PostgreSQL, in transaction mode, as small as it gets."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict
from support.processes.servers import free_port, server_folder, unavailable

PROGRAM = os.environ.get("ARTISTCRAWL_PGBOUNCER") or shutil.which("pgbouncer") or ""
"""Named by the variable, else where it is installed."""


@contextmanager
def pgbouncer(url: str, *, pool_size: int = 2, **settings: object) -> Iterator[str]:
    """The same database through a PgBouncer with so many connections; its URL."""
    if not PROGRAM:
        unavailable("no pgbouncer: install it, or name it by ARTISTCRAWL_PGBOUNCER")
    words, port = conninfo_to_dict(url), free_port()
    lines = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "any",
        "pool_mode": "transaction",
        "default_pool_size": pool_size,
        **settings,
    }
    with server_folder() as folder:
        folder.chmod(0o755)
        config = folder / "pgbouncer.ini"
        text = "".join(f"{name} = {value}\n" for name, value in lines.items())
        # It refuses to run as root, and must reach the server's socket.
        server = f"host={words['host']} port={words['port']} user={words['user']} password={words['password']}"
        server_socket = Path(str(words["host"])) / f".s.PGSQL.{words['port']}"
        user = ["-u", server_socket.owner()] if os.geteuid() == 0 else []
        config.write_text(f"[databases]\n* = {server}\n[pgbouncer]\n{text}")
        with (folder / "log").open("w") as log:
            process = subprocess.Popen([PROGRAM, *user, str(config)], stdout=log, stderr=log)
        try:
            _wait_for(port, process, folder / "log")
            yield f"postgresql://{words['user']}@127.0.0.1:{port}/{words['dbname']}"
        finally:
            process.terminate()
            process.wait(20)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline_s, log.read_text()
            time.sleep(0.02)


def sessions(url: str) -> int:
    """How many sessions of a database its server has, ours not counted."""
    with psycopg.connect(url, autocommit=True) as connection:
        counted = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
    assert counted is not None
    return int(counted[0])
