"""Command lines to paste: the words that make a command work on what this run worked on. Pure.

They name the same servers: a command without them would find or start others. Passwords are masked; whoever pastes puts
them in.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

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


def _url_words(arguments: argparse.Namespace, urls: Urls) -> list[str]:
    words = []
    for flag, given, url, variable in (
        ("--postgres", arguments.postgres, urls.postgres, POSTGRES_VARIABLE),
        ("--redis", arguments.redis, urls.redis, REDIS_VARIABLE),
    ):
        if given:
            words.append(f"{flag} {shlex.quote(masked(given))}")
        elif url:
            words.append(f'{flag} "${variable}"')
    return words


def _short(data: Path) -> Path:
    """As the user would type it from here."""
    try:
        return data.relative_to(Path.cwd())
    except ValueError:
        return data
