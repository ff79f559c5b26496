"""Checks a backend's URL before it is used.

The drivers try what cannot be meant (a port of 0, half a password as the host) and then quote a piece of the password
in their message. No message here quotes any part of a URL: where a character was not escaped, nobody can tell where the
password ends.

A URL out of a Secret is written by somebody whom the process that connects does not trust with its files: what may
stand after the ? is listed. A URL that a user gives to a process of their own may say whatever libpq takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from crawl_core.errors import ConfigurationError

POSTGRES = "postgresql://USER:PASSWORD@HOST:5432/DATABASE"
REDIS = "redis://:PASSWORD@HOST:6379/0"

_OF_A_SECRET = frozenset(
    {
        "host", "hostaddr", "port", "dbname", "user", "password", "sslmode", "sslrootcert", "sslnegotiation", "sslsni",
        "ssl_min_protocol_version", "ssl_max_protocol_version", "channel_binding", "require_auth", "gssencmode",
        "application_name", "fallback_application_name", "client_encoding", "connect_timeout", "options",
        "target_session_attrs", "load_balance_hosts", "tcp_user_timeout",
        "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count",
    }
)  # fmt: skip
"""What a Secret's PostgreSQL URL may say: nothing that names a file, a service or somebody to ask for a token."""
_SEARCH_PATH = re.compile(r'-c *search_path=[\w,$"]+')
"""The one option of a session that a Secret may set."""
_REDIS_OPTIONS = frozenset(
    {
        "db", "username", "password", "client_name", "health_check_interval", "socket_keepalive", "ssl_cert_reqs",
        "ssl_check_hostname", "ssl_min_version", "ssl_ca_data",
    }
)  # fmt: skip
"""What may stand after the ? of a Redis URL. Timeouts, retries and the number of connections are artistcrawl's own: a
call that the client repeats by itself takes a second permit."""
_REDIS_FILES = frozenset({"ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_password"})
"""What a user may say beside that, and a Secret may not."""

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
_HOST = "the {} URL names a host that cannot be: write {}"


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
    if "@" in words.get("host", "").removeprefix("@"):
        raise ConfigurationError(_ESCAPE_AT.format("PostgreSQL"))
    if not all(map(_is_host, words.get("host", "").split(","))):
        raise ConfigurationError(_HOST.format("PostgreSQL", POSTGRES))
    if not all(map(_is_port, filter(None, words.get("port", "").split(",")))):
        raise ConfigurationError(_PORT.format("PostgreSQL", POSTGRES))
    return words


def check_remote_postgres(url: str) -> None:
    """As check_postgres, for a URL out of a Secret: host and database, which libpq would take from this machine, must
    be written, and nothing may name a file here. A host may be a folder: there libpq opens a PostgreSQL's socket only.
    """
    words = check_postgres(url)
    for name in words.keys() - _OF_A_SECRET:
        raise ConfigurationError(f"the PostgreSQL URL of a Secret may not say {name}: leave it out")
    if words.get("sslrootcert", "system") != "system":
        raise ConfigurationError(
            "the PostgreSQL URL of a Secret may not name a file: write sslrootcert=system, or give the process "
            "PGSSLROOTCERT"
        )
    if "options" in words and not _SEARCH_PATH.fullmatch(words["options"].strip()):
        raise ConfigurationError("the PostgreSQL URL of a Secret may only say options=-csearch_path%3DNAME")
    if not (words.get("host") or words.get("hostaddr")):
        raise ConfigurationError(f"the PostgreSQL URL names no host: write {POSTGRES}")
    if not words.get("dbname"):
        raise ConfigurationError(f"the PostgreSQL URL names no database: write {POSTGRES}")


def check_redis(url: str) -> None:
    """Return where a Redis URL can be meant. Raises ConfigurationError with what to write."""
    if url.startswith("unix://"):
        _check_options(_options(url), _REDIS_OPTIONS)
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
    if not _is_host(parts.hostname or ""):
        raise ConfigurationError(_HOST.format("Redis", REDIS))
    _check_options(_options(url), _REDIS_OPTIONS | _REDIS_FILES)


def check_remote_redis(url: str) -> None:
    """As check_redis, for a URL out of a Secret: it must name a host, and may name no file and no socket here."""
    check_redis(url)
    if url.startswith("unix://"):
        raise ConfigurationError(f"the Redis URL of a Secret may not name a socket: write {REDIS}")
    _check_options(_options(url), _REDIS_OPTIONS)
    if not urlsplit(url).hostname:
        raise ConfigurationError(f"the Redis URL names no host: write {REDIS}")


def _options(url: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
    except ValueError:
        raise ConfigurationError(f"the Redis URL cannot be read: write {REDIS}") from None


def _check_options(options: dict[str, str], allowed: Iterable[str]) -> None:
    # Not even a name is shown: an & that was not escaped makes one of a piece of the password.
    if not options.keys() <= set(allowed) or re.search(r"[^!-~]", options.get("client_name", "")):
        raise ConfigurationError(
            f"the Redis URL has an option after the ? that is not taken: write {REDIS}, and after it only "
            f"{', '.join(sorted(allowed))}"
        )


def _is_host(text: str) -> bool:
    """Whether a name can be looked up: the resolver raises errors of its own for one that cannot be."""
    try:
        return text.startswith(("/", "@")) or bool(text.encode("idna")) or not text
    except UnicodeError:
        return False


def _is_port(text: str) -> bool:
    return re.fullmatch("[0-9]{1,5}", text) is not None and 1 <= int(text) <= 65535
