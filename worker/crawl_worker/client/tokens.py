"""The access token: one a process, asked for once however many tasks need it, a minute before it ends.

An endpoint that fails is asked again for as long as it takes, and noted after a minute. Credentials that it denies are
a person's to mend, and end the process: at once where they never worked, and else only after minutes of being denied,
since one wrong answer in 1,400 must not end a crawl of 58 days.

Nothing here asks without a pause: neither a lifetime that is none, nor tokens that are refused one after the other.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Callable
from typing import Protocol

from crawl_core.clock import Clock
from crawl_core.errors import ConfigurationError
from crawl_core.job.reasons import TOKEN_UNAVAILABLE
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

SHORTEST_LIFE_S = 20.0
"""Seconds of a lifetime below which it is none: for half of it at least, a token is used unless it is refused."""
ASSUMED_LIFE_S = 3600.0
"""Seconds of the lifetime of a token that has none."""
LONGEST_LIFE_S = 86_400.0
"""Seconds after which a token is replaced, however long it lives."""

EARLY_S = 60.0
"""Seconds after it was asked for within which the refusal of a token is early."""
REPLACED_EVERY_S = 10.0
"""The longest pause, in seconds, between two tokens of which the first was refused early."""

NOTED_AFTER_S = 60.0
"""Seconds without a token after which people are told."""
DENIED_PATIENCE_S = 300.0
"""Seconds for which credentials that worked before are tried while they are denied."""
DENIED_DELAY_S = (5.0, 60.0)
"""The shortest and the longest wait, in seconds, before denied credentials are tried again."""

_RESULTS = {Granted: "granted", Denied: "denied", NoToken: "failed"}
"""Values of the metric's label."""


class TokenSender(Protocol):
    """What carries a request of a token: without a permit, since it does not count against the search limit."""

    async def send(self, request: HttpRequest) -> HttpAnswer:
        """Send it. Raises TokenRequestError where there is no answer."""
        ...


class ProblemNotes(Protocol):
    """Where it is noted that there is no token."""

    def problem(self, reason: str, message: str) -> None:
        """Something a person should know: a reason in CamelCase, and what happened in plain words."""
        ...


class TokenKeeper:
    """Hands out the current token. `rules` is read at each failure, for it may change while the job runs."""

    def __init__(
        self,
        *,
        source: SearchSource,
        transport: TokenSender,
        rules: Callable[[], RetryRules],
        clock: Clock,
        notes: ProblemNotes,
        worked_before: bool,
    ) -> None:
        """`worked_before`: whether the job has results, so that its credentials have been good once."""
        self._source = source
        self._transport = transport
        self._rules = rules
        self._clock = clock
        self._notes = notes
        self._rng = random.Random()
        self.refused_in_a_row = 0
        """Tokens that the API refused since it last accepted one."""
        self._token = ""
        self._asked_s = -math.inf
        self._good_until_s = 0.0
        self._refused_early = 0
        """Tokens in a row that were refused soon after they were granted."""
        self._failures = 0
        self._failing_since_s: float | None = None
        self._denied_since_s: float | None = None
        self._worked = worked_before
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
            early = self._clock.monotonic() - self._asked_s < EARLY_S
            self._refused_early = self._refused_early + 1 if early else 0
            self._good_until_s = 0.0
            self.refused_in_a_row += 1

    async def _ask(self) -> str:
        if self._refused_early > 1:
            # The first is replaced at once. Where one after the other is refused, another one is no haste.
            pause_s = min(self._rules().delay_s(self._refused_early - 1, self._rng), REPLACED_EVERY_S)
            await self._clock.sleep(self._asked_s + pause_s - self._clock.monotonic())
        while True:
            self._asked_s = self._clock.monotonic()
            answer = await self._request()
            metrics.TOKENS.labels(_RESULTS[type(answer)]).inc()
            if isinstance(answer, Granted):
                return self._take(answer)
            await self._wait(self._failed(answer), answer)

    async def _wait(self, delay_s: float, answer: Denied | NoToken) -> None:
        """Until the next try; people are told on time, although that may come a minute later."""
        since_s = self._clock.monotonic() if self._failing_since_s is None else self._failing_since_s
        left_s = since_s + NOTED_AFTER_S - self._clock.monotonic()
        if isinstance(answer, NoToken) and 0 < left_s < delay_s:
            await self._clock.sleep(left_s)
            self._note(answer)
            delay_s -= left_s
        await self._clock.sleep(delay_s)

    def _note(self, answer: NoToken) -> None:
        self._notes.problem(TOKEN_UNAVAILABLE, f"no access token is granted: {_words(answer)}")

    def _take(self, granted: Granted) -> str:
        self._token, self._good_until_s = granted.token, self._asked_s + used_for_s(granted.expires_in_s)
        self._failures, self._failing_since_s, self._denied_since_s = 0, None, None
        self._worked = True
        log.info("token granted", extra=fields("credential.granted", expires_in_s=granted.expires_in_s))
        return granted.token

    def _failed(self, answer: Denied | NoToken) -> float:
        """Account for a token that was not granted: seconds to wait. Raises ConfigurationError where that is vain."""
        self._failures += 1
        self._failing_since_s = self._asked_s if self._failing_since_s is None else self._failing_since_s
        delay_s = self._rules().delay_s(self._failures, self._rng)
        if isinstance(answer, Denied):
            self._denied(answer)
            delay_s = min(max(delay_s, DENIED_DELAY_S[0]), DENIED_DELAY_S[1])
        else:
            self._denied_since_s = None
            if self._asked_s - self._failing_since_s >= NOTED_AFTER_S:
                self._note(answer)
        reason = "denied" if isinstance(answer, Denied) else answer.reason
        log.warning(
            "token request failed",
            extra=fields("credential.failed", reason=reason, error=_words(answer), delay_s=round(delay_s, 3)),
        )
        return delay_s

    def _denied(self, answer: Denied) -> None:
        self._denied_since_s = self._asked_s if self._denied_since_s is None else self._denied_since_s
        message = (
            f"the API denies the credentials: {answer.message}; "
            "check client-id and client-secret (in a cluster the credentials Secret, else the variables or the folder)"
        )
        if not self._worked or self._asked_s - self._denied_since_s >= DENIED_PATIENCE_S:
            raise ConfigurationError(message)
        self._notes.problem(
            TOKEN_UNAVAILABLE,
            f"{message}; they worked before, so they are tried for {DENIED_PATIENCE_S / 60:.0f} minutes",
        )

    async def _request(self) -> TokenOutcome:
        request = self._source.token_request()
        try:
            answer = await self._transport.send(request)
        except TokenRequestError as error:
            return NoToken("token_network", f"{error} ({request.url})")
        return self._source.read_token(answer)


def _words(answer: Denied | NoToken) -> str:
    """What happened, for a line that may be cut: the cause first."""
    if isinstance(answer, NoToken) and answer.reason.startswith("token_http_"):
        return f"{answer.reason.removeprefix('token_http_')} {answer.message}".rstrip()
    return answer.message


def used_for_s(expires_in_s: float | None) -> float:
    """Seconds from when it was asked for that a token is used, unless it is refused before. Pure.

    A lifetime that is none (absent, 0, negative, or too short to be used in) is taken for an hour: whether the token is
    good the API says better than a number. One of 2 s, believed, would be a request of a token each second for ever.
    """
    if expires_in_s is None or not expires_in_s >= SHORTEST_LIFE_S:
        expires_in_s = ASSUMED_LIFE_S
    life_s = min(expires_in_s, LONGEST_LIFE_S)
    # A token that lives shorter than the margin is used for half of its life instead.
    return max(life_s - REFRESH_EARLY_S, life_s / 2)
