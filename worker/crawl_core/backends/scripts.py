"""Runs the Lua scripts in `lua/`, by digest, and loads them again where the server forgot them.

Nothing is tried again but a missing script, which did not run: only the caller knows whether a call can be repeated.
This is the one seam where errors of the Redis client become ours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import resources
from typing import Any

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from crawl_core.backends.addresses import REDIS, check_redis
from crawl_core.errors import ConfigurationError, RedisUnavailableError
from crawl_core.metrics.definitions import REDIS_ERRORS

Argument = str | int | float | bytes

CONNECT_TIMEOUT_S = 5.0
CALL_TIMEOUT_S = 5.0
"""Seconds until an unanswered call counts as unreachable. Far above any healthy round trip."""

_DENIED = (exceptions.AuthenticationError, exceptions.AuthorizationError, exceptions.NoPermissionError)
"""A person must act. To the client the first two are connection errors, so they are looked for first."""
_MAY_PASS = ("LOADING", "OOM", "READONLY", "MASTERDOWN", "MISCONF", "CLUSTERDOWN", "BUSY")
_UNAVAILABLE = (exceptions.ConnectionError, exceptions.TimeoutError, exceptions.BusyLoadingError, OSError)


def connect_redis(url: str, *, max_connections: int = 16) -> Redis:
    """A client of one Redis or Valkey primary that never repeats a call by itself.

    A repeated acquire would take a second permit, so only callers may decide to call again.
    """
    check_redis(url)
    try:
        client: Redis = Redis.from_url(
            url,
            max_connections=max_connections,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            socket_timeout=CALL_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
            protocol=2,
        )
        # Nothing is sent, but only here does the client read the options that it was given.
        client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
    except (ValueError, TypeError):
        # Neither the URL nor what its parser quotes of it may be shown: there is a password in them.
        raise ConfigurationError(f"the Redis URL cannot be read: write {REDIS}") from None
    return client


@contextmanager
def _mapped_errors(call: str) -> Iterator[None]:
    """Turn every error of the client that a caller could act upon into one of ours."""
    try:
        yield
    except _DENIED as error:
        raise ConfigurationError(
            f"Redis refuses the user or the password: correct them in its URL ({error})"
        ) from error
    except _UNAVAILABLE as error:
        raise _unavailable(f"redis does not answer {call}: {error}") from error
    except exceptions.ResponseError as error:
        # A server that starts, is out of memory or is a replica answers so. It may pass.
        if str(error).startswith(_MAY_PASS):
            raise _unavailable(f"redis refuses {call}: {error}") from error
        if "DB index" in str(error):
            raise ConfigurationError(f"Redis has no database of this number: write {REDIS}") from error
        raise


def _unavailable(message: str) -> RedisUnavailableError:
    REDIS_ERRORS.inc()
    return RedisUnavailableError(message)


async def ping(redis: Redis) -> None:
    """Return when the server answers. Raises RedisUnavailableError, or ConfigurationError where it lets us not in."""
    with _mapped_errors("ping"):
        await redis.ping()


@cache
def source(name: str) -> str:
    """The text of `lua/<name>.lua`."""
    return (resources.files("crawl_core") / "lua" / f"{name}.lua").read_text(encoding="utf-8")


class Script:
    """One Lua file. Calling it sends EVALSHA; after NOSCRIPT it is loaded and sent once more (nothing ran)."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.digest = hashlib.sha1(source(name).encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, redis: Redis, keys: Sequence[str], args: Sequence[Argument]) -> Any:
        """Run it. Raises RedisUnavailableError when the server does not answer as it should."""
        with _mapped_errors(self.name):
            return await self._run(redis, keys, args)

    async def _run(self, redis: Redis, keys: Sequence[str], args: Sequence[Argument]) -> Any:
        try:
            return await redis.evalsha(self.digest, len(keys), *keys, *args)
        except exceptions.NoScriptError:
            await redis.script_load(source(self.name))
            return await redis.evalsha(self.digest, len(keys), *keys, *args)
