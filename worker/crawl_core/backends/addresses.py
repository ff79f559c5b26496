"""Checks a backend's URL before it is used.

The drivers try what cannot be meant (a port of 0, half a password as the host) and then quote a piece of the password
in their message. No message here quotes any part of a URL: where a character was not escaped, nobody can tell where the
password ends.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from crawl_core.errors import ConfigurationError

POSTGRES = "postgresql://USER:PASSWORD@HOST:5432/DATABASE"
REDIS = "redis://:PASSWORD@HOST:6379/0"

_UNREADABLE = (
    # A part of libpq's message, and what to write.
    ("spaces", "write %20 for each space in it"),
    ("percent-encoded", "write %25 for each % in the user name and the password"),
    ('"prepare"', "write prepare=on or prepare=off"),
    ("query parameter", "correct what comes after the ?, and write %26 for each & in the password"),
    ("IPv6", "write an IPv6 address as [ADDRESS]"),
)
_ESCAPE_AT = "write %40 for each @ in the user name and the password of the {} URL"
_ESCAPE_REST = "write %2F for each /, %3F for each ?, %23 for each # in the user name and the password of the {} URL"
_PORT = "the {} URL has no port between 1 and 65535: write {}; in the password write %2F for each /, %3A for each :"


def check_postgres(url: str) -> dict[str, str]:
    """The URL (or libpq's key=value form) as libpq reads it. Raises ConfigurationError with what to write."""
    _, separator, rest = url.partition("://")
    if separator:
        authority, _, path = rest.partition("/")
        if authority.count("@") > 1:
            raise ConfigurationError(_ESCAPE_AT.format("PostgreSQL"))
        if "@" in path.partition("?")[0]:
            raise ConfigurationError(_ESCAPE_REST.format("PostgreSQL"))
    try:
        words = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    except psycopg.ProgrammingError as error:
        remedy = next((f"; {remedy}" for part, remedy in _UNREADABLE if part in str(error)), "")
        # Neither libpq's text nor the cause may be shown: it quotes what it cannot read.
        raise ConfigurationError(f"the PostgreSQL URL cannot be read: write {POSTGRES}{remedy}") from None
    if "@" in words.get("host", ""):
        raise ConfigurationError(_ESCAPE_AT.format("PostgreSQL"))
    if not all(map(_is_port, filter(None, words.get("port", "").split(",")))):
        raise ConfigurationError(_PORT.format("PostgreSQL", POSTGRES))
    return words


def check_remote_postgres(url: str) -> None:
    """As check_postgres, for a server elsewhere: host and database, which libpq would take from this machine, must be
    written."""
    words = check_postgres(url)
    if not (words.get("host") or words.get("hostaddr") or words.get("service")):
        raise ConfigurationError(f"the PostgreSQL URL names no host: write {POSTGRES}")
    if not (words.get("dbname") or words.get("service")):
        raise ConfigurationError(f"the PostgreSQL URL names no database: write {POSTGRES}")


def check_redis(url: str) -> None:
    """Return where a Redis URL can be meant. Raises ConfigurationError with what to write."""
    if url.startswith("unix://"):
        return
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigurationError(_PORT.format("Redis", REDIS)) from None
    if parts.scheme not in {"redis", "rediss"}:
        raise ConfigurationError(f"the Redis URL cannot be read: write {REDIS}")
    if parts.netloc.count("@") > 1:
        raise ConfigurationError(_ESCAPE_AT.format("Redis"))
    if "@" in parts.path + parts.query + parts.fragment:
        raise ConfigurationError(_ESCAPE_REST.format("Redis"))
    if port == 0:
        raise ConfigurationError(_PORT.format("Redis", REDIS))
    if not re.fullmatch(r"/?[0-9]*", parts.path):
        raise ConfigurationError(f"the Redis URL's path is not the number of a database: write {REDIS}")


def check_remote_redis(url: str) -> None:
    """As check_redis, for a server elsewhere: it must name a host."""
    check_redis(url)
    if not url.startswith("unix://") and not urlsplit(url).hostname:
        raise ConfigurationError(f"the Redis URL names no host: write {REDIS}")


def _is_port(text: str) -> bool:
    return re.fullmatch("[0-9]{1,5}", text) is not None and 1 <= int(text) <= 65535
