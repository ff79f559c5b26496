"""Command lines to paste: the words that make a command work on what this run worked on. Pure.

They name the same servers: a command without them would find or start others. No password stands in them: where there
is one, the variables that hold it are named.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from crawl_worker.data.backends import POSTGRES_VARIABLE, REDIS_VARIABLE, Urls, masked


def run_words(arguments: argparse.Namespace, urls: Urls) -> str:
    """What follows `artistcrawl run` to go on."""
    words = [str(arguments.file)]
    for flag in ("data", "catalogue", "processes"):
        value = getattr(arguments, flag)
        if value is not None:
            words += [f"--{flag}", str(value)]
    return " ".join([shlex.join(words), *_url_words(arguments, urls)])


def data_words(arguments: argparse.Namespace, urls: Urls, *, data: Path) -> str:
    """What follows a command that reads the data."""
    if urls.postgres:
        return " ".join(_url_words(arguments, Urls(postgres=urls.postgres, redis=""))[:1])
    return f"--data {shlex.quote(str(_short(data)))}"


def variables_note(arguments: argparse.Namespace, urls: Urls) -> str:
    """What must be in the environment of the commands; nothing where their words are enough."""
    hidden = [
        variable for _, given, url, variable in _addresses(arguments, urls) if url and not _shown(arguments, given)
    ]
    if not hidden:
        return ""
    if arguments.postgres or arguments.redis:
        return f"Set {' and '.join(hidden)} first, with the password: everybody can read a command line."
    return f"They read {' and '.join(hidden)}, as this run did."


def _url_words(arguments: argparse.Namespace, urls: Urls) -> list[str]:
    """A variable is read by the command itself: a shell that put it into the words would show its password to all."""
    shown = [(flag, given) for flag, given, url, _ in _addresses(arguments, urls) if url and _shown(arguments, given)]
    return [f"{flag} {shlex.quote(masked(given))}" for flag, given in shown]


def _shown(arguments: argparse.Namespace, given: str | None) -> bool:
    """Whether an address stands in the words. With --data no variable counts, so that a password is masked there."""
    return bool(given) and (masked(str(given)) == given or arguments.data is not None)


def _addresses(arguments: argparse.Namespace, urls: Urls) -> list[tuple[str, Any, str, str]]:
    """(flag, what was given with it, the address in use, variable) of each server."""
    return [
        ("--postgres", arguments.postgres, urls.postgres, POSTGRES_VARIABLE),
        ("--redis", arguments.redis, urls.redis, REDIS_VARIABLE),
    ]


def _short(data: Path) -> Path:
    """As the user would type it from here."""
    try:
        return data.relative_to(Path.cwd())
    except ValueError:
        return data
