"""Where a command finds PostgreSQL and Redis: URLs from flags or the environment, else a run's data folder.

The command line beats the environment.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from crawl_core.backends.migrate import SchemaMissingError
from crawl_core.errors import ConfigurationError, LedgerUnavailableError
from crawl_core.text import printable

POSTGRES_VARIABLE = "ARTISTCRAWL_POSTGRES_URL"
REDIS_VARIABLE = "ARTISTCRAWL_REDIS_URL"
DEFAULT_DATA = Path("artistcrawl-data")

_TOLD_AFTER_S = 5.0
"""Seconds of waiting until it is told for what."""


@dataclass(frozen=True, slots=True)
class Urls:
    """Addresses that were given; an empty one stands for the embedded server. They hold passwords: see `masked`."""

    postgres: str
    redis: str


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that every command shares."""
    group = parser.add_argument_group("where the data is")
    group.add_argument(
        "--data", type=_folder, metavar="DIR", help=f"the folder of a local run (default: ./{DEFAULT_DATA})"
    )
    group.add_argument(
        "--postgres",
        metavar="URL",
        help=f"PostgreSQL instead, postgresql://USER@HOST/DB; one with a password in ${POSTGRES_VARIABLE}",
    )
    group.add_argument(
        "--redis",
        metavar="URL",
        help=f"Redis or Valkey instead, redis://HOST:6379/0; one with a password in ${REDIS_VARIABLE}",
    )


def _folder(name: str) -> Path:
    """A variable that is not set must not mean the folder that one happens to be in."""
    if not name.strip():
        raise argparse.ArgumentTypeError("it is empty: write a folder's name, or . for this folder")
    return Path(name)


def given_urls(arguments: argparse.Namespace) -> Urls:
    """The addresses that were given. With --data, those of the environment do not count."""
    environment = os.environ if arguments.data is None else {}
    return Urls(
        postgres=arguments.postgres or environment.get(POSTGRES_VARIABLE, ""),
        redis=arguments.redis or environment.get(REDIS_VARIABLE, ""),
    )


@contextmanager
def backends(arguments: argparse.Namespace, *, needs_redis: bool = False) -> Iterator[Urls]:
    """The addresses a command works with; embedded servers run as long as it does, or as the run they belong to."""
    given = given_urls(arguments)
    embedded_redis = needs_redis and not given.redis
    if given.postgres and not embedded_redis:
        with reached(given):
            yield given
        return
    if given.postgres and arguments.data is None:
        raise ConfigurationError(
            f"this needs Redis, too: give --redis URL (or ${REDIS_VARIABLE}), or --data DIR of the run"
        )
    # Only now: an image without the extra `local` has no embedded servers, and needs none with URLs.
    from crawl_worker.data.data_folder import DataFolder
    from crawl_worker.embedded.waiting import Waiting

    folder = DataFolder(arguments.data or DEFAULT_DATA, create=False, waiting=Waiting(_say_waiting))
    with folder.servers(postgres=not given.postgres, valkey=embedded_redis), reached(given, folder=folder.path):
        yield Urls(
            postgres=given.postgres or folder.postgres.url(),
            redis=given.redis or (folder.valkey.url if embedded_redis else ""),
        )


@contextmanager
def answering(url: str) -> Iterator[None]:
    """Say what is waited for where PostgreSQL does not answer inside for 5 s."""
    telling = threading.Timer(_TOLD_AFTER_S, _say_waiting, [f"PostgreSQL at {masked(url)} to answer"])
    telling.daemon = True
    telling.start()
    try:
        yield
    finally:
        telling.cancel()


def _say_waiting(what: str) -> None:
    sys.stderr.write(printable(f"artistcrawl: waiting for {what} (Ctrl-C ends it)") + "\n")
    sys.stderr.flush()


@contextmanager
def reached(given: Urls, *, folder: Path | None = None) -> Iterator[None]:
    """Let what goes wrong with the ledger inside name what the user can correct: the address, or the folder."""
    try:
        yield
    except LedgerUnavailableError as error:
        if not given.postgres:
            raise
        raise LedgerUnavailableError(
            f"{error}; start that server, or correct --postgres URL (or ${POSTGRES_VARIABLE})"
        ) from error
    except SchemaMissingError as error:
        if given.postgres:
            raise
        raise ConfigurationError(f"there is no crawl in {folder} yet; start one: artistcrawl run FILE") from error


def masked(url: str) -> str:
    """The URL without its password, for messages."""
    # A password may hold an @ that nobody escaped: what counts is the last one before the path.
    url = re.sub(r"(://[^:/@]*):[^/?]*@", r"\1:***@", url)
    return re.sub(r"(password=)('[^']*'|[^&\s]*)", r"\1***", url)
