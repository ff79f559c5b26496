"""`artistcrawl psql`: PostgreSQL's own shell on the data of a run, for a question or for a session.

The views artists, searches, requests and progress are made for it. The password goes by the environment: everybody on
the machine may read a command line.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from psycopg.conninfo import make_conninfo

from crawl_core.backends.addresses import check_postgres
from crawl_core.backends.postgres import plain
from crawl_core.errors import ConfigurationError
from crawl_worker.data.backends import add_flags, backends, given_urls


def main(argv: Sequence[str] | None = None) -> int:
    """Run psql; what is not known here is handed on to it."""
    parser = argparse.ArgumentParser(
        prog="artistcrawl psql",
        description="Query a run's data with SQL. Further flags go to psql, such as --csv.",
        epilog="""example: artistcrawl psql -c 'SELECT name, popularity FROM artists LIMIT 10'""",
    )
    parser.add_argument("-c", "--command", metavar="SQL", help="one statement, then exit")
    add_flags(parser)
    arguments, further = parser.parse_known_args(argv)
    with backends(arguments) as urls:
        where, password = apart(urls.postgres)
        environment = os.environ | ({"PGPASSWORD": password} if password else {})
        embedded = not given_urls(arguments).postgres
        command = [
            str(_program(embedded=embedded)),
            "--no-psqlrc",
            *further,
            *(["-c", arguments.command] if arguments.command else []),
        ]
        # Ctrl-C is psql's: it ends a query there, not the session, and not the server under it.
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            return subprocess.run([*command, where], env=environment, check=False).returncode
        finally:
            signal.signal(signal.SIGINT, handler)


def apart(url: str) -> tuple[str, str]:
    """The URL as libpq's words without the password, and the password. Raises ConfigurationError."""
    # The URL may say how this program prepares statements, which libpq does not know.
    words: dict[str, Any] = dict(check_postgres(plain(url)))
    password = str(words.pop("password", None) or "")
    return make_conninfo(**words), password


def _program(*, embedded: bool) -> Path:
    """The psql that comes with the embedded server for that one; else this machine's where it has one."""
    installed = None if embedded else shutil.which("psql")
    if installed:
        return Path(installed)
    try:
        from crawl_worker.embedded.wheel import programs

        return programs() / "psql"
    except (ConfigurationError, ModuleNotFoundError) as error:
        raise ConfigurationError("psql is not installed; run: pip install 'artistcrawl[local]'") from error
