"""The only caller of the upstream API: one permit a request, every answer classified, every failure accounted for.

A 429 pauses everybody and is no failure. A token that is refused is replaced. A page size that is refused falls back.
What may pass is tried again: by this string alone while other strings succeed, else as an outage, one request at a
time. It refuses to send anything without a permit, and to decide what becomes of a string that failed for good.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from crawl_core.clock import Clock
from crawl_core.ledger import RequestRow
from crawl_core.limiter import Limiter, LimiterState, Permit, PermitExpiredError, parse_retry_after
from crawl_core.logs import fields
from crawl_core.metrics import definitions as metrics
from crawl_worker.client.notes import Notes
from crawl_worker.client.outage import Outage
from crawl_worker.client.outcomes import class_of, counted_as, name_of
from crawl_worker.client.retry import Attempts, RetryRules
from crawl_worker.client.tokens import TokenKeeper
from crawl_worker.client.transport import ApiTransport, NoAnswerError, NotSentError
from crawl_worker.sources.source import (
    Failed,
    Outcome,
    Page,
    PageSizeRefused,
    RateLimited,
    Rejected,
    Source,
    Unauthorized,
)

log = logging.getLogger(__name__)

REFUSED_TOKENS = 3
"""Fresh tokens in a row that may be refused with 401 before it counts as a failure like any other."""


class Session(Protocol):
    """The range that a request is for: what the client asks of it, and tells it."""

    async def ready(self) -> None:
        """Return when a request may be sent; raise when this range must not go on."""
        ...

    def may_send(self) -> bool:
        """Whether that still holds, now that a permit is there."""
        ...

    def position(self, page_size: int) -> tuple[int, int]:
        """The offset and limit to ask for now: the page size may fall while we try."""
        ...

    def waiting(self, value: bool) -> None:
        """From now on the task (does not) only wait, and may be interrupted."""
        ...

    def sent(self, request: RequestRow, *, retried: bool, rate_limited: bool) -> None:
        """A request was answered or failed."""
        ...


@dataclass(frozen=True, slots=True)
class Dead:
    """The string failed for good: what the dead letter says."""

    reason: str
    attempts: int
    last_error: str


@dataclass(slots=True)
class ClientSettings:
    """What may change while the job runs. `page_size` falls back when the upstream refuses it."""

    page_size: int
    retry: RetryRules
    worker: str


class Client:
    """Fetches pages for all tasks of one process."""

    def __init__(
        self,
        *,
        source: Source,
        transport: ApiTransport,
        limiter: Limiter,
        tokens: TokenKeeper,
        settings: ClientSettings,
        clock: Clock,
        control_strings: Sequence[str],
        notes: Notes,
    ) -> None:
        self.source = source
        self.settings = settings
        self.outage = Outage()
        self.in_flight = 0
        """Requests sent and not answered yet."""
        self.arrivals = 0
        """Requests that were written: what the limit counts."""
        self._transport = transport
        self._limiter = limiter
        self._tokens = tokens
        self._clock = clock
        self._control_strings = control_strings
        self._notes = notes
        self._rng = random.Random()
        self._refused_tokens = 0
        self._next_probe_s = 0.0

    def limiter_state(self) -> LimiterState:
        """What the limiter of this process knows and has done."""
        return self._limiter.state()

    async def page(self, string: str, session: Session) -> tuple[Page, int] | Dead:
        """One page and the limit it was asked with, however long it takes; Dead when the string failed for good.

        Raises ConfigurationError when the credentials are denied, and whatever `session.ready` raises.
        """
        attempts = Attempts(self.outage.successes)
        try:
            while True:
                exchanged = await self._once(string, session, attempts)
                if exchanged is None:
                    continue
                outcome, size = exchanged
                if isinstance(outcome, Page):
                    return outcome, size
                if dead := await self._failed(outcome, string, size, session, attempts):
                    return dead
        finally:
            self.outage.leave(attempts)

    async def _once(self, string: str, session: Session, attempts: Attempts) -> tuple[Outcome, int] | None:
        """Send one request: (outcome, its limit); None when the permit could not be used after all."""
        session.waiting(True)
        if not self.outage.admits(attempts):
            await self.outage.admission(attempts)
        if self.outage.lasts:
            await self._clock.sleep(self._next_probe_s - self._clock.monotonic())
        if self._tokens.current is None:
            await self._tokens.get()
        await session.ready()
        waits_s = self._clock.monotonic()
        permit = await self._limiter.acquire()
        metrics.PERMIT_WAIT.observe(self._clock.monotonic() - waits_s)
        session.waiting(False)
        # The wait may have been a freeze of hours: the token may have ended, and the string may start again.
        token = self._tokens.current
        if token is None or not session.may_send() or not self.outage.admits(attempts):
            permit.unused()
            return None
        if self.outage.lasts and self._needs_control(attempts):
            await self._control(string, token, permit, session)
            return None
        offset, size = session.position(self.settings.page_size)
        outcome = await self._exchange(string, offset, size, token, permit, session)
        return None if outcome is None else (outcome, size)

    async def _exchange(
        self, string: str, offset: int, size: int, token: str, permit: Permit, session: Session
    ) -> Outcome | None:
        request = self.source.search(string, offset=offset, limit=size, token=token)
        status: int | None = None
        started_s = self._clock.monotonic()
        self.in_flight += 1
        try:
            answer = await self._transport.get(request.url, request.headers, permit)
        except PermitExpiredError:
            return None
        except NotSentError as error:
            outcome: Outcome = Failed("not_connected", str(error))
        except NoAnswerError as error:
            outcome = Failed(f"answer_{error.kind}", str(error))
        else:
            status = answer.status
            outcome = self.source.read(string, answer.status, answer.headers, answer.body)
        finally:
            self.in_flight -= 1
        row = RequestRow(
            at_us=int(self._clock.time() * 1e6),
            string=string,
            page_offset=offset,
            page_size=size,
            status=status,
            outcome=name_of(outcome),
            duration_s=self._clock.monotonic() - started_s,
            worker=self.settings.worker,
        )
        self.arrivals += permit.used
        metrics.REQUESTS.labels(counted_as(row.outcome)).inc()
        metrics.REQUEST_DURATION.observe(row.duration_s)
        if not isinstance(outcome, Page):
            metrics.RETRIES.labels(class_of(row.outcome)).inc()
        session.sent(row, retried=not isinstance(outcome, Page), rate_limited=isinstance(outcome, RateLimited))
        if isinstance(outcome, Page):
            self._refused_tokens = 0
            self.outage.succeeded()
        elif isinstance(outcome, Unauthorized):
            self._refused_tokens += self._tokens.reject(token)
        return outcome

    async def _failed(
        self, outcome: Outcome, string: str, size: int, session: Session, attempts: Attempts
    ) -> Dead | None:
        match outcome:
            case RateLimited():
                await self._freeze(outcome)
                return None
            case PageSizeRefused(message) if size > self.source.small_page_size:
                self._fall_back(message)
                return None
            case PageSizeRefused(message):
                outcome = Rejected(400, message)
            case Unauthorized(message):
                if self._refused_tokens <= REFUSED_TOKENS:
                    return None
                outcome = Failed("unauthorized", message)
                self._notes.problem("Unauthorized", f"the API refuses fresh tokens: {message}")
            case _:
                pass
        assert isinstance(outcome, Failed | Rejected)  # noqa: S101 -- the other kinds returned above
        return await self._count(outcome, string, session, attempts)

    async def _count(
        self, outcome: Failed | Rejected, string: str, session: Session, attempts: Attempts
    ) -> Dead | None:
        counts = attempts.failed(successes=self.outage.successes)
        rejected = isinstance(outcome, Rejected)
        reason = f"http_{outcome.status}" if isinstance(outcome, Rejected) else outcome.reason
        if rejected and not counts:
            # Nobody succeeds meanwhile: a person should look. What is one string's own fault ends in its dead letter.
            self._notes.problem("RequestRejected", f"the API rejects {string!r} with {reason}: {outcome.message}")
        # A rejection is for good, but of the string only where others succeed after it: it is asked for twice, so that
        # an API that begins to reject everybody costs none of the strings in flight.
        rejected_again = rejected and attempts.failures > 1
        if counts and (rejected_again or attempts.exhausted(self.settings.retry)):
            return Dead(reason, attempts.failures, outcome.message)
        if counts:
            delay_s = self.settings.retry.delay_s(attempts.failures, self._rng)
        else:
            self.outage.failed(attempts)
            delay_s = self.settings.retry.delay_s(max(1, self.outage.probes), self._rng)
            self._next_probe_s = max(self._next_probe_s, self._clock.monotonic() + delay_s)
        log.warning(
            "request failed",
            extra=fields(
                "request.failed",
                string=string,
                reason=reason,
                error=outcome.message,
                failures=attempts.failures,
                outage=not counts,
                delay_s=round(delay_s, 3),
            ),
        )
        if counts:
            session.waiting(True)
            await self._clock.sleep(delay_s)
        return None

    async def _freeze(self, outcome: RateLimited) -> None:
        metrics.FREEZES.inc()
        until_us = await self._limiter.freeze(retry_after_s=parse_retry_after(outcome.retry_after))
        if outcome.quota:
            self._notes.problem("QuotaExceeded", f"the account's quota is exceeded: {outcome.message}")
        log.warning(
            "rate limited by the API",
            extra=fields(
                "bucket.frozen", retry_after=outcome.retry_after, frozen_until_us=until_us, quota=outcome.quota
            ),
        )

    def _fall_back(self, message: str) -> None:
        size = self.source.small_page_size
        if self.settings.page_size > size:
            self.settings.page_size = size
            self._notes.page_size(size)
            log.warning("page size refused", extra=fields("page_size.refused", page_size=size, error=message))

    def _needs_control(self, attempts: Attempts) -> bool:
        """Whether this probe must ask for another string: bad strings with nobody else look like an outage for ever."""
        uncounted = attempts.failures - attempts.counted
        return uncounted >= self.settings.retry.max_attempts and self.outage.probes % 2 == 0

    async def _control(self, string: str, token: str, permit: Permit, session: Session) -> None:
        """Ask for a string that nobody waits for; for another one each time, since it may be bad itself."""
        others = [one for one in self._control_strings if one != string]
        control = others[self.outage.probes // 2 % len(others)]
        outcome = await self._exchange(control, 0, 1, token, permit, session)
        if isinstance(outcome, RateLimited):
            await self._freeze(outcome)
        elif outcome is not None and not isinstance(outcome, Page):
            self.outage.failures += 1
            self.outage.probes += 1
            delay_s = self.settings.retry.delay_s(self.outage.probes, self._rng)
            self._next_probe_s = self._clock.monotonic() + delay_s
