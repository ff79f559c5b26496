"""What an error of PostgreSQL means: an outage that is waited out, data that is refused, or a matter for a person.

Told by SQLSTATE. While it connects psycopg has none, so there the whole sentence decides: part of one misleads (`too
many connections for role "x"` is not about a role that is missing). A sentence that is not in the table, and a SQLSTATE
that is in none, is an outage: only proof may end a crawl. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
from psycopg import errors

from crawl_core.errors import BatchRefusedError, ConfigurationError, LedgerUnavailableError
from crawl_core.text import clean

SHOWN_CHARACTERS = 400
"""Characters of what a server says that are shown."""

_USER = "PostgreSQL refuses the user or the password: correct them in the URL"
_NO_USER = "PostgreSQL has no such user: create it, or correct the URL"
_NO_DATABASE = "PostgreSQL has no such database: create it, or correct the URL"
_NO_PASSWORD = "PostgreSQL wants a password: write postgresql://USER:PASSWORD@HOST/DATABASE"  # noqa: S105
_ELSEWHERE = "PostgreSQL lets this user in from elsewhere, or in another way only: see its pg_hba.conf"
_PRIVILEGE = "the database user lacks a privilege: make it the owner of the database and of the ledger's tables"
_NO_TLS = "PostgreSQL has no TLS here: enable it there, or write sslmode=disable"
_CERTIFICATE = "PostgreSQL's certificate is not the one that the URL's sslmode and sslrootcert ask for: correct either"
_FULL = "it has no connection left: raise its max_connections or the role's limit, or run fewer workers"

_SENTENCES = tuple(
    (re.compile(rf"(?:{sentence})(?: (?:DETAIL|HINT): .*)?"), remedy)
    for sentence, remedy in (
        # A whole sentence while connecting, with its white space as single spaces; what a person must do.
        (r'FATAL: password authentication failed for user ".*"', _USER),
        (r"FATAL: password authentication failed", _USER),  # PgBouncer's
        (r'FATAL: (?:Peer|Ident|certificate) authentication failed for user ".*"', _ELSEWHERE),
        (r"fe_sendauth: no password supplied", _NO_PASSWORD),
        (r'FATAL: no pg_hba\.conf entry for host ".*", user ".*", database ".*"(?:, .*)?', _ELSEWHERE),
        (r'FATAL: pg_hba\.conf rejects connection for host ".*", user ".*", database ".*"(?:, .*)?', _ELSEWHERE),
        (r'FATAL: role ".*" does not exist', _NO_USER),
        (r"FATAL: no such user: .*", _NO_USER),  # PgBouncer's
        (r'FATAL: role ".*" is not permitted to log in', _PRIVILEGE),
        (r'FATAL: permission denied for database ".*"', _PRIVILEGE),
        (r'FATAL: database ".*" does not exist', _NO_DATABASE),
        (r"FATAL: no such database: .*", _NO_DATABASE),  # PgBouncer's
        (r"server does not support SSL, but SSL was required", _NO_TLS),
        (r"FATAL: SSL required", "PgBouncer wants TLS: write sslmode=require"),
        (r"SSL error: certificate verify failed", _CERTIFICATE),
        (r'server certificate for ".*" (?:\(.*\) )?does not match host name ".*"', _CERTIFICATE),
        (r'root certificate file ".*" does not exist Either .*', _CERTIFICATE),
        (
            r"FATAL: unsupported startup parameter: .*",
            "PgBouncer does not take an option of the URL: drop it, or name it in its ignore_startup_parameters",
        ),
        (r"invalid .* value: .*", "the PostgreSQL URL has a value that libpq does not take: correct it"),
    )
)
_RIGHT = "42501"
"""SQLSTATE of what this user may not do, and others may, or may do elsewhere."""
_BY_STATE = (
    # SQLSTATE prefix of what only a person can change; what to do.
    ("28", _USER),
    ("3D", _NO_DATABASE),
    (_RIGHT, _PRIVILEGE),
    ("42P01", "the ledger's tables are missing: run artistcrawl migrate, or correct the URL"),
    ("42703", "the ledger's tables are of another version: run artistcrawl migrate"),
    ("42883", "the ledger's functions are of another version: run artistcrawl migrate"),
    ("2BP01", "a view of your own stands on what a migration makes anew: drop it, migrate, and make it again"),
    ("3F", "the database has no schema to work in: create it, or set the user's search_path"),
)
_OF_A_RUN = re.compile(r"\b(?:search|run_artist)_\d+\b")
"""A table of a large run's own: made with the run, dropped with it."""
_MAY_PASS = (
    # SQLSTATE prefix of what may pass; why, and what to do where it does not.
    ("25006", "it takes no writes: it is a standby, or default_transaction_read_only is on; name the primary"),
    ("53100", "its disk is full: make room"),
    ("53200", "its memory is full: make room, or set max_locks_per_transaction to 512 where that is named"),
    ("53300", _FULL),
    ("57014", "it ended the statement: raise the statement_timeout of this user and database"),
    ("25P03", "it ended a transaction: raise the idle_in_transaction_session_timeout of this user and database"),
    ("55P03", "it ended a wait for a lock: raise the lock_timeout of this user and database"),
    ("26000", "a pooler stands before it: end the URL with ?prepare=off"),
    ("42P05", "a pooler stands before it: end the URL with ?prepare=off"),
)
_FULL_SENTENCE = re.compile(
    r'FATAL: (?:too many connections for (?:role|database) ".*"|sorry, too many clients already'
    r"|remaining connection slots are reserved .*|no more connections allowed \(max_client_conn\))"
)
_DATA = ("21", "22", "23", "54")
"""SQLSTATE classes that blame what was sent: cardinality, data, integrity, and a size beyond PostgreSQL's own."""
_DEFECT = "42"
"""The class of statements that make no sense: a defect of this program, but for those above."""

_ATTEMPT = re.compile(r'connection to server (?:at|on socket) "[^"]*"(?: \([^)]*\))?(?:, port \d+)? failed: ')
_ALL_ATTEMPTS = "Multiple connection attempts failed. All failures were:"
_NOISE = re.compile(
    r" ?Is the server running (on that host|locally) and accepting (TCP/IP )?connections( on that socket)?\?"
    r"| ?This probably means the server terminated abnormally before or while processing the request\."
)
"""Guesses that libpq adds to its messages. The remedies here are more to the point."""


def translate(error: psycopg.Error) -> Exception:
    """The error of ours that an error of psycopg means; the error itself when it is a defect of this program."""
    state = error.sqlstate or ""
    text = shown(str(error)) or type(error).__name__
    if not state:
        return _without_state(error, text)
    if state == "42P01" and _OF_A_RUN.search(str(error).partition("\n")[0]):
        return ConfigurationError(f"its run was deleted, and its tables with it ({text})")
    for prefix, remedy in _BY_STATE:
        if state.startswith(prefix):
            return ConfigurationError(f"{remedy} ({text})")
    if state == "23514" and error.diag.constraint_name is None:
        return LedgerUnavailableError(f"a partition was made or dropped in this very moment: {text}")
    if state.startswith(_DATA):
        return BatchRefusedError(f"PostgreSQL refuses the data: {text} (SQLSTATE {state})")
    remedy = next((remedy for prefix, remedy in _MAY_PASS if state.startswith(prefix)), "")
    if state.startswith(_DEFECT) and not remedy:
        return error
    return _unavailable(text, remedy)


def is_of_server(error: psycopg.Error) -> bool:
    """Whether a refusal that is a person's matter meets each call alike, as one of a database that is restored does."""
    return error.sqlstate != _RIGHT


def shown(text: str) -> str:
    """What a server or libpq says, as it is shown: one clean line without libpq's guesses."""
    return clean(_NOISE.sub("", " ".join(text[: 8 * SHOWN_CHARACTERS].split())), SHOWN_CHARACTERS)


def _without_state(error: psycopg.Error, text: str) -> Exception:
    """An error that no statement met: of connecting, of a connection that is gone, or of what was to be sent."""
    if isinstance(error, errors.DataError):
        return BatchRefusedError(f"PostgreSQL cannot be sent the data: {text}")
    remedies = [_remedy(attempt) for attempt in _attempts(str(error))]
    if remedies and all(remedies):
        return ConfigurationError(f"{remedies[-1]} ({text})")
    if any(_FULL_SENTENCE.fullmatch(sentence) for attempt in _attempts(str(error)) for sentence in attempt):
        return _unavailable(text, _FULL)
    if isinstance(error, errors.ProgrammingError | errors.NotSupportedError):
        return error
    return _unavailable(text, "")


def _unavailable(text: str, remedy: str) -> LedgerUnavailableError:
    if remedy:
        return LedgerUnavailableError(f"PostgreSQL cannot be used: {remedy} ({text})")
    return LedgerUnavailableError(f"PostgreSQL cannot be reached: {text}")


def _attempts(text: str) -> Iterator[list[str]]:
    """The sentences of each server that was tried: with sslmode=prefer, libpq may try one with TLS and without."""
    _, several, rest = text.partition(_ALL_ATTEMPTS)
    for entry in re.split(r"^- host: ", rest, flags=re.MULTILINE)[1:] if several else [text]:
        sentences = _ATTEMPT.split(entry)
        spoken = sentences[1:] or [re.sub(r"^(?:.*: )?connection (?:is bad|failed): ", "", entry)]
        yield [" ".join(sentence.split()) for sentence in spoken]


def _remedy(sentences: list[str]) -> str:
    """What a person must do about one server; empty where the last thing that it said may pass."""
    remedies = [
        next((remedy for sentence, remedy in _SENTENCES if sentence.fullmatch(spoken)), "") for spoken in sentences
    ]
    return next(filter(None, remedies)) if remedies[-1] else ""
