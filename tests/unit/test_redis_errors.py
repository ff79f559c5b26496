"""What errors of the Redis client mean: told by class and code, and an outage where nothing is known."""

from __future__ import annotations

import asyncio
import ssl

import pytest
from redis import exceptions
from redis._parsers.base import BaseParser

from crawl_core.backends.redis_errors import is_foreseen, translate
from crawl_core.errors import ConfigurationError, RedisUnavailableError

PASSING = [
    "LOADING Redis is loading the dataset in memory",
    "READONLY You can't write against a read only replica.",
    "NOREPLICAS Not enough good replicas to write.",
    "OOM command not allowed when used memory > 'maxmemory'.",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "ERR max number of clients reached",
    # Redis before 7 says so of a script's command.
    "ERR Error running script (call to f_1): @user_script:26: -READONLY You can't write against a read only replica.",
    "ERR Error running script (call to f_1): @user_script:26: -NOREPLICAS Not enough good replicas to write.",
    "ERR Error running script (call to f_1): @user_script:26: -OOM command not allowed when used memory > 'maxmemory'.",
    # What nobody has heard of.
    "UNHEARD of in any release",
    "ERR something else",
    "EXECABORT Transaction discarded",
    "UNKILLABLE Sorry the script already executed write commands",
    "WRONGTYPE Operation against a key holding the wrong kind of value",
]
FOR_A_PERSON = [
    ("NOAUTH Authentication required.", "wants a password"),
    ("ERR Protocol error: unauthenticated multibulk length", "wants a password"),
    ("ERR Protocol error: unauthenticated bulk length", "wants a password"),
    ("WRONGPASS invalid username-password pair or user is disabled.", "the user or the password"),
    ("ERR invalid password", "the user or the password"),
    ("NOPERM this user has no permissions to run the 'evalsha' command", "ACL SETUSER"),
    ("DENIED Redis is running in protected mode because protected mode is enabled", "protected mode"),
    ("CLUSTERDOWN Hash slot not served", "name one primary"),
    ("MOVED 3999 127.0.0.1:6381", "name one primary"),
    ("ASK 3999 127.0.0.1:6381", "name one primary"),
    ("TRYAGAIN Multiple keys request during rehashing of slot", "name one primary"),
    ("CROSSSLOT Keys in request don't hash to the same slot", "name one primary"),
    ("ERR DB index is out of range", "no database of this number"),
    ("ERR unknown command 'EVALSHA', with args beginning with: ", "lacks a command"),
]


def answered(line: str) -> Exception:
    """The error that the client makes of a server's answer."""
    error = BaseParser.parse_error(line)
    assert isinstance(error, Exception)
    return error


@pytest.mark.parametrize("line", PASSING)
def test_a_refusal_that_may_pass_is_an_outage_and_shows_what_was_said(line):
    meaning = translate(answered(line), "bucket_acquire")
    assert type(meaning) is RedisUnavailableError
    assert "bucket_acquire" in str(meaning)
    assert line.partition(" ")[2] in str(meaning)


@pytest.mark.parametrize(("line", "remedy"), FOR_A_PERSON)
def test_what_only_a_person_can_change_says_what_to_do(line, remedy):
    meaning = translate(answered(line), "bucket_acquire")
    assert type(meaning) is ConfigurationError
    assert remedy in str(meaning)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed"),
        AttributeError("'NoneType' object has no attribute 'write'"),
        EOFError(),
        asyncio.IncompleteReadError(b"", 4),
        asyncio.InvalidStateError("invalid state"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    ],
)
def test_what_a_dying_connection_raises_is_an_outage_that_names_its_class_and_is_logged(error):
    meaning = translate(error, "ping")
    assert type(meaning) is RedisUnavailableError
    assert type(error).__name__ in str(meaning)
    assert not is_foreseen(error)


@pytest.mark.parametrize(
    "error",
    [
        exceptions.ConnectionError("Connection closed by server."),
        exceptions.TimeoutError("Timeout reading from socket"),
        exceptions.InvalidResponse("Protocol error, got 'H' as reply type byte"),
        ssl.SSLError("certificate verify failed"),
        OSError(113, "No route to host"),
        answered(PASSING[1]),
        answered(FOR_A_PERSON[3][0]),
    ],
)
def test_what_connections_and_servers_are_known_to_do_is_not_logged_as_a_defect(error):
    assert is_foreseen(error)


def test_what_a_server_says_is_one_clean_line():
    meaning = translate(exceptions.ResponseError("\x1b[2Jfaked\nSucceeded 100%" + "x" * 10_000), "ping")
    assert "\x1b" not in str(meaning)
    assert "\n" not in str(meaning)
    assert len(str(meaning)) < 500
