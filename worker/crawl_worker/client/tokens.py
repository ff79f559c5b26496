"""The access token: one a process, asked for once however many tasks need it, a minute before it ends.

An endpoint that fails is asked again for as long as it takes. Credentials that it denies are a person's to mend, and
end the process: the same ones would be denied again.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Protocol

from crawl_core.clock import Clock
from crawl_core.errors import ConfigurationError
from crawl_core.logs import fields
from crawl_core.metrics import definitions as metrics
from crawl_worker.client.errors import TokenRequestError
from crawl_worker.client.retry import RetryRules
from crawl_worker.sources.outcomes import Denied, Granted, NoToken, TokenOutcome
from crawl_worker.sources.source import SearchSource
from crawl_worker.sources.wire import HttpAnswer, HttpRequest

log = logging.getLogger(__name__)

REFRESH_EARLY_S = 60.0
"""Seconds before its end at which a token is replaced: longer than any request takes."""

_RESULTS = {Granted: "granted", Denied: "denied", NoToken: "failed"}
"""Values of the metric's label."""


class TokenSender(Protocol):
    """What carries a request of a token: without a permit, since it does not count against the search limit."""

    async def send(self, request: HttpRequest) -> HttpAnswer:
        """Send it. Raises TokenRequestError where there is no answer."""
        ...


class TokenKeeper:
    """Hands out the current token. `rules` is read at each failure, for it may change while the job runs."""

    def __init__(
        self, *, source: SearchSource, transport: TokenSender, rules: Callable[[], RetryRules], clock: Clock
    ) -> None:
        self._source = source
        self._transport = transport
        self._rules = rules
        self._clock = clock
        self._rng = random.Random()
        self.refused_in_a_row = 0
        """Tokens that the API refused since it last accepted one."""
        self._token = ""
        self._good_until_s = 0.0
        self._lock = asyncio.Lock()

    @property
    def current(self) -> str | None:
        """The token, where it is good for now: the hot path, without waiting."""
        return self._token if self._clock.monotonic() < self._good_until_s else None

    async def get(self) -> str:
        """The token, asked for where it is not good any more. Raises ConfigurationError when denied.

        Single flight: of many tasks that need one, the first asks, and the others find it under the lock.
        """
        async with self._lock:
            return self.current or await self._ask()

    def accepted(self) -> None:
        """The API answered a request with a page: its token is good."""
        self.refused_in_a_row = 0

    def reject(self, token: str) -> None:
        """The API did not accept this token: the next `get` asks for another one.

        Counted once a token: of eight requests that were under way with it, each says so, and only the first is news.
        """
        if token == self.current:
            self._good_until_s = 0.0
            self.refused_in_a_row += 1

    async def _ask(self) -> str:
        failures = 0
        while True:
            asked_s = self._clock.monotonic()
            answer = await self._request()
            metrics.TOKENS.labels(_RESULTS[type(answer)]).inc()
            if isinstance(answer, Granted):
                # A token that lives shorter than the margin is used for half of its life instead.
                life_s = max(answer.expires_in_s - REFRESH_EARLY_S, answer.expires_in_s / 2)
                self._token, self._good_until_s = answer.token, asked_s + life_s
                log.info("token granted", extra=fields("credential.granted", expires_in_s=answer.expires_in_s))
                return answer.token
            if isinstance(answer, Denied):
                raise ConfigurationError(
                    f"the API denies the credentials: {answer.message}; "
                    "check client-id and client-secret in the credentials Secret (or folder)"
                )
            failures += 1
            delay_s = self._rules().delay_s(failures, self._rng)
            log.warning(
                "token request failed",
                extra=fields(
                    "credential.failed", reason=answer.reason, error=answer.message, delay_s=round(delay_s, 3)
                ),
            )
            await self._clock.sleep(delay_s)

    async def _request(self) -> TokenOutcome:
        request = self._source.token_request()
        try:
            answer = await self._transport.send(request)
        except TokenRequestError as error:
            return NoToken("token_network", f"{request.url}: {error}")
        return self._source.read_token(answer)
