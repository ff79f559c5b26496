"""The client of one Redis, its errors made ours, and the Lua scripts in `lua/`, run by digest.

Nothing is tried again here but a script that the server forgot, which did not run: only the caller knows whether a call
can be repeated. `PrimaryClient` is the one seam where errors of the Redis client become ours, whatever is called.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib import resources
from typing import Any

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from crawl_core.backends.addresses import REDIS, check_redis
from crawl_core.backends.redis_errors import is_foreseen, lets_nobody_in, translate
from crawl_core.backends.trust import CONNECT, Trust
from crawl_core.backends.unforeseen import log_unforeseen
from crawl_core.errors import ArtistcrawlError, ConfigurationError, RedisUnavailableError
from crawl_core.metrics.definitions import REDIS_ERRORS

Argument = str | int | float | bytes

CONNECT_TIMEOUT_S = 5.0
CALL_TIMEOUT_S = 5.0
"""Seconds until an unanswered call counts as unreachable. Far above any healthy round trip."""

_script_names: dict[str, str] = {}
"""The names of scripts by their digests."""


class PrimaryClient(Redis):
    """One Redis or Valkey primary. Whatever goes wrong is RedisUnavailableError, or ConfigurationError where it is
    proven that a person must act."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.trust = Trust()

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send one command, once. NoScriptError stays what it is, for `Script`."""
        name = str(args[0])
        call = _script_names.get(str(args[1]), name) if name == "EVALSHA" else name.lower()
        try:
            answer = await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        except (exceptions.NoScriptError, exceptions.DataError):
            raise  # a DataError is about what we wanted to send: a defect of ours, and nothing was sent
        except Exception as error:
            if not is_foreseen(error):
                await self._forget_connections(error)
            raise self._meaning(error, call) from error
        self.trust.worked(call)
        return answer

    async def aclose(self, *args: Any, **options: Any) -> None:
        """Close the connections. One that is dead already may refuse to be closed."""
        try:
            await super().aclose(*args, **options)
        except Exception as error:
            log_unforeseen("redis", error)

    async def _forget_connections(self, error: Exception) -> None:
        """The client closes a connection where it knows the error; another may be left without its AUTH and SELECT."""
        log_unforeseen("redis", error)
        with suppress(Exception):
            await self.connection_pool.disconnect(inuse_connections=False)

    def _meaning(self, error: Exception, call: str) -> ArtistcrawlError:
        if lets_nobody_in(error):
            call = CONNECT
        elif isinstance(error, exceptions.ResponseError):
            self.trust.worked(CONNECT)
        meaning = translate(error, call)
        if isinstance(meaning, RedisUnavailableError):
            self.trust.away(call if isinstance(error, exceptions.ResponseError) else CONNECT)
        elif not self.trust.is_proof(call):
            meaning = RedisUnavailableError(f"redis refuses {call}, as it did not before: {meaning}")
        if isinstance(meaning, RedisUnavailableError):
            REDIS_ERRORS.inc()
        return meaning


def connect_redis(url: str, *, max_connections: int = 16) -> PrimaryClient:
    """A client of one Redis or Valkey primary that never repeats a call by itself.

    A repeated acquire would take a second permit, so only callers may decide to call again.
    """
    check_redis(url)
    try:
        client: PrimaryClient = PrimaryClient.from_url(  # type: ignore[assignment]
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


async def ping(redis: Redis) -> None:
    """Return when the server answers. Raises RedisUnavailableError, or ConfigurationError where it lets us not in."""
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
        _script_names[self.digest] = name

    async def __call__(self, redis: Redis, keys: Sequence[str], args: Sequence[Argument]) -> Any:
        """Run it. Raises what a `PrimaryClient` does."""
        try:
            return await redis.evalsha(self.digest, len(keys), *keys, *args)
        except exceptions.NoScriptError:
            await redis.script_load(source(self.name))
            return await redis.evalsha(self.digest, len(keys), *keys, *args)
