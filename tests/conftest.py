"""Fixtures that every kind of test may use: real servers, a fresh ledger, a fresh Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings
from support.processes.catalogue import catalogue_file
from support.processes.servers import Postgres, Valkey, server_folder, unavailable

from crawl_core.errors import ConfigurationError

# How long an example takes says something about the machine's other work, not about the code.
settings.register_profile("artistcrawl", deadline=None)
settings.load_profile("artistcrawl")


@pytest.fixture(scope="session")
def real_catalogue() -> Path:
    """The 251,304 real artists, which are never part of the repository. Without them a test is skipped, also in CI."""
    path = catalogue_file()
    if path is None:
        pytest.skip("ARTISTCRAWL_CATALOGUE names no file with the real catalogue")
    return path


Server = TypeVar("Server", Postgres, Valkey)


@contextmanager
def running(start: Callable[[Path], Server]) -> Iterator[Server]:
    """A server in a folder of its own, stopped at the end."""
    with server_folder() as folder:
        try:
            server = start(folder / "server")
        except ConfigurationError as error:
            unavailable(str(error))
        yield server
        server.stop()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    with running(Postgres) as server:
        yield server


@pytest.fixture
def fresh_postgres() -> Iterator[Postgres]:
    """A server of this test's own, to be stopped and started."""
    with running(Postgres) as server:
        yield server


@pytest.fixture
def database_url(postgres_server: Postgres) -> Iterator[str]:
    """An empty database."""
    with postgres_server.database() as url:
        yield url


@pytest.fixture(scope="session")
def ledger_template(postgres_server: Postgres) -> str:
    """The name of a migrated database that tests copy."""
    from crawl_core.backends.migrate import migrate

    postgres_server.execute("CREATE DATABASE ledger_template")
    asyncio.run(migrate(postgres_server.url("ledger_template")))
    return "ledger_template"


@pytest.fixture
def ledger_url(postgres_server: Postgres, ledger_template: str) -> Iterator[str]:
    """A migrated database without rows."""
    with postgres_server.database(ledger_template) as url:
        yield url


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Valkey]:
    with running(partial(Valkey, appendonly="no")) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: Valkey) -> str:
    """The session's Valkey, flushed."""
    redis_server.flush()
    return redis_server.url


@pytest.fixture
def fresh_redis() -> Iterator[Valkey]:
    """A server of this test's own, to be killed and restarted."""
    with running(Valkey) as server:
        yield server
