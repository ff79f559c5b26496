"""The only caller of the upstream API: one permit a request, every answer judged, every failure accounted for.

    clearance   what a request waits for: the outage's turn, a token, its range, a permit
    sender      one request, one arrival
    judge       what follows from an answer that is no page
    outage      who may probe an API at which nobody succeeds, and when

A string that failed for good is reported as Dead; what becomes of it is the range's to say.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from crawl_core.clock import Clock
from crawl_core.job import reasons
from crawl_core.limiter.freeze import parse_retry_after
from crawl_core.limiter.permit import Permit
from crawl_core.limiter.state import LimiterState
from crawl_core.logs import fields
from crawl_core.metrics import definitions as metrics
from crawl_worker.client.field_watch import FieldWatch
from crawl_worker.client.first_turns import FirstTurns
from crawl_worker.client.judge import (
    REFUSED_TOKENS,
    AskSmaller,
    Failure,
    NewToken,
    Pause,
    ends_string,
    failure_of,
    outage_reason,
    verdict_on,
)
from crawl_worker.client.outage import Outage, OutageNote
from crawl_worker.client.outcomes import class_of, name_of
from crawl_worker.client.page_sizes import PageSizes
from crawl_worker.client.retry import Attempts, Fault, RetryRules
from crawl_worker.client.sender import Clearance, RequestSender, Transport
from crawl_worker.client.session import Dead, Session
from crawl_worker.client.tokens import TokenKeeper
from crawl_worker.sources.outcomes import (
    SLACK,
    EmptyPage,
    Outcome,
    Page,
    PageSizeRefused,
    RateLimited,
    Unauthorized,
)
from crawl_worker.sources.source import SearchSource

log = logging.getLogger(__name__)


class Permits(Protocol):
    """The limiter, as the client uses it."""

    async def acquire(self) -> Permit:
        """A permit, at its instant."""
        ...

    async def freeze(self, *, retry_after_s: float | None, sent_epoch: int | None = None) -> int:
        """Pause the bucket for everybody; until when, in microseconds of Redis's epoch time.

        `sent_epoch` is that of the refused request's permit.
        """
        ...

    async def succeeded(self, epoch: int) -> None:
        """A request with a permit of this epoch was answered with a page."""
        ...

    def state(self) -> LimiterState:
        """What it knows and has done."""
        ...


class Notebook(Protocol):
    """Where the client writes what it finds out about the job as a whole."""

    def page_size(self, size: int | None) -> None:
        """The API allows pages of this size only; None: as large as the job asks for."""
        ...

    def problem(self, reason: str, message: str) -> None:
        """Something a person should know: a reason in CamelCase, and what happened in plain words."""
        ...


@dataclass(slots=True)
class ClientSettings:
    """What may change while the job runs."""

    page_size: int
    """Smaller than the one that the job asks for, once the API has refused that."""
    wanted_page_size: int
    request_timeout_s: float
    """For the whole of a request; a permit may allow it less."""
    retry: RetryRules
    worker: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was sent for a string, and what it brought."""

    outcome: Outcome
    offset: int
    limit: int
    clearance: Clearance
    is_first: bool
    """Whether it was the first after a freeze."""


class Client:
    """Fetches pages for all tasks of one process."""

    def __init__(
        self,
        *,
        source: SearchSource,
        transport: Transport,
        limiter: Permits,
        tokens: TokenKeeper,
        outage: Outage,
        settings: ClientSettings,
        clock: Clock,
        notes: Notebook,
    ) -> None:
        self.source = source
        self.settings = settings
        self.outage = outage
        self.field_watch = FieldWatch()
        self.sender = RequestSender(source=source, transport=transport, clock=clock, worker=settings.worker)
        self._limiter = limiter
        self._tokens = tokens
        self._clock = clock
        self._notes = notes
        self._rng = random.Random()
        self._page_sizes = PageSizes(source.small_page_size)
        self._limits = 0
        self._first_turns = FirstTurns(outage_lasts=lambda: outage.lasts)

    def limiter_state(self) -> LimiterState:
        """What the limiter of this process knows and has done."""
        return self._limiter.state()

    def try_larger_page(self) -> None:
        """Ask once for a page of the size that the job asks for: the API may allow by now what it refused."""
        self._page_sizes.try_larger()

    def tell_outage(self) -> None:
        """Note an outage that has lasted for long. To be called once in a while, since nothing may happen in one."""
        if (note := self.outage.note) is not None:
            self._notes.problem(note.reason, note.message)

    async def page(self, string: str, session: Session) -> tuple[Page, int] | Dead:
        """One page and the limit it was asked with, however long it takes; Dead when the string failed for good.

        Raises ConfigurationError when the credentials are denied, and whatever the session raises.
        """
        attempts = Attempts(self.outage.successes, self._limits, self.outage.found)
        try:
            while True:
                asked = await self._ask(string, session, attempts)
                if asked is None:
                    continue
                if isinstance(asked.outcome, Page):
                    return asked.outcome, asked.limit
                end = await self._react(asked, string, session, attempts)
                if isinstance(end, Page):
                    return end, asked.limit
                if end is not None:
                    return end
        finally:
            self._first_turns.leave(attempts)
            self.outage.leave(attempts)

    async def _ask(self, string: str, session: Session, attempts: Attempts) -> Asked | None:
        """Send one request for the string. None: nothing was sent, or a control string was."""
        clearance = await self._clearance(session, attempts)
        if clearance is None:
            return None
        offset, limit = session.position(self._page_sizes.of(string, self.settings.page_size))
        is_first = self._first_turns.sent(clearance.permit.epoch)
        control = self.outage.control_for(string, attempts) or self.outage.control_beside(string, attempts)
        if control is not None:
            await self._ask_control(control, clearance, session, attempts, limit=limit)
            return None
        is_try = not offset and not self.outage.lasts and self._takes_try(string)
        if is_try:
            _, limit = session.position(self.settings.wanted_page_size)
        outcome = await self._exchange(
            string, clearance, session, offset=offset, limit=limit, judge=partial(_judged, session.lacks, offset)
        )
        self._first_turns.leave(attempts)
        if is_try:
            self._tried(outcome, limit)
        return None if outcome is None else Asked(outcome, offset, limit, clearance, is_first)

    def _takes_try(self, string: str) -> bool:
        is_larger = self.settings.wanted_page_size > self.settings.page_size
        return self._page_sizes.takes_try(string, is_larger=is_larger)

    def _tried(self, outcome: Outcome | None, limit: int) -> None:
        """What came of the try. None: it could not be sent, and still is to be.

        What is neither a page nor a refusal says nothing of the size; it is tried again when it is due.
        """
        if outcome is None:
            self._page_sizes.try_larger()
        elif isinstance(outcome, Page):
            self.settings.page_size = self.settings.wanted_page_size
            self._notes.page_size(None)
            log.info("larger pages are allowed again", extra=fields("page_size.allowed", page_size=limit))
        elif isinstance(outcome, PageSizeRefused):
            log.info("larger pages are still refused", extra=fields("page_size.tried", page_size=limit))

    async def _clearance(self, session: Session, attempts: Attempts) -> Clearance | None:
        """Wait for all that a request needs. None when something of it was gone by the time the permit came.

        The permit comes last, since it is good for a quarter of a second only, and each that is thrown away holds its
        slot for a moment.
        """
        with session.interruptible():
            await self.outage.turn(attempts)
            await self._first_turns.turn(attempts)
            if self._tokens.current is None:
                await self._tokens.get()
            await session.ready()
            asked_s = self._clock.monotonic()
            permit = await self._limiter.acquire()
            metrics.PERMIT_WAIT.observe(self._clock.monotonic() - asked_s)
        # The wait may have been a freeze of hours: the token may have ended, and the string may start again.
        token = self._tokens.current
        if token is None or not session.may_send() or not self._is_admitted(attempts):
            permit.unused()
            return None
        return Clearance(permit, token)

    def _is_admitted(self, attempts: Attempts) -> bool:
        return self.outage.admits(attempts) and self._first_turns.admits(attempts)

    async def _exchange(
        self,
        string: str,
        clearance: Clearance,
        session: Session,
        *,
        offset: int,
        limit: int,
        judge: Callable[[Page], Outcome],
    ) -> Outcome | None:
        """Send one request, and tell everybody whom its outcome concerns. None: the permit ended before it left."""
        sent = await self.sender.send(string, offset=offset, limit=limit, clearance=clearance, judge=judge)
        if sent is None:
            return None
        outcome, row = sent
        session.sent(row, retried=not isinstance(outcome, Page), rate_limited=isinstance(outcome, RateLimited))
        if isinstance(outcome, Page):
            self._tokens.accepted()
            self._page_sizes.accepted(limit)
            self.outage.succeeded(found=bool(outcome.artists))
            await self._limiter.succeeded(clearance.permit.epoch)
            if unreadable := self.field_watch.take(outcome):
                self._notes.problem(reasons.FIELDS_UNREADABLE, unreadable)
        return outcome

    async def _react(self, asked: Asked, string: str, session: Session, attempts: Attempts) -> Dead | Page | None:
        """Do what follows from an outcome that is no page; an empty one is the string's end in the end."""
        outcome = asked.outcome
        attempts.empty_pages = attempts.empty_pages + 1 if isinstance(outcome, EmptyPage) else 0
        token_at_fault = isinstance(outcome, Unauthorized) and self._refuse_token(asked.clearance.token, attempts)
        verdict = verdict_on(
            outcome,
            page_size=asked.limit,
            small_page_size=self.source.small_page_size,
            refused_tokens=self._tokens.refused_in_a_row,
            token_at_fault=token_at_fault,
        )
        match verdict:
            case Pause(answer):
                return await self._pause(answer, asked, attempts)
            case AskSmaller(message):
                self._fall_back(string, message)
            case NewToken():
                pass
            case Failure():
                if token_at_fault:
                    self._notes.problem("Unauthorized", f"the API refuses fresh tokens: {verdict.message}")
                return await self._count(verdict, asked, string, session, attempts)
        return None

    def _refuse_token(self, token: str, attempts: Attempts) -> bool:
        """The API answered 401: replace the token, but where it is another's that this string does not get. Whether so.

        A string that was refused with another token before, by an API that has accepted one since, is refused for a
        reason of its own: a new token each time would be asked for without end
        (test_a_string_that_no_token_is_good_for_costs_no_token_each_time). One that is alone has a few; after these a
        control string that is refused as well replaces the token.
        """
        attempts.tokens_refused += 1
        others_accepted = attempts.tokens_refused > 1 and not self._tokens.refused_in_a_row
        if others_accepted or attempts.tokens_refused > REFUSED_TOKENS + 1:
            return False
        self._tokens.reject(token)
        return True

    async def _count(
        self, failure: Failure, asked: Asked, string: str, session: Session, attempts: Attempts
    ) -> Dead | Page | None:
        """Account for a failure, and wait as long as it says: here where it is the string's, else as an outage."""
        outage = self.outage
        # Where control strings bring empty pages again and again, and none of them fails, there is nothing to be found.
        by_any = failure.permanent or attempts.empty_controls >= self.settings.retry.max_attempts
        fault = attempts.failed(successes=outage.successes, found=outage.found, by_any=by_any)
        counts = fault is Fault.OF_THE_STRING
        if failure.permanent and not counts:
            # Nobody succeeds meanwhile: a person should look. What is one string's own fault ends in its dead letter.
            what = f"the API rejects {string!r} with {failure.words}"
            self._notes.problem("RequestRejected", what)
        ends = ends_string(failure, attempts, self.settings.retry, counts=counts)
        if isinstance(asked.outcome, EmptyPage) and self._is_end(asked, attempts, fault, ends=ends):
            if not asked.offset:
                outage.doubtful_ends += 1
            return asked.outcome.page
        if ends:
            return Dead(failure.reason, failure.failure_class, attempts.failures, failure.message)
        own_delay_s = self.settings.retry.delay_s(attempts.failures, self._rng)
        note = _note(failure)
        # A total that is little too high is no outage; in one it waits with the others.
        of_all = fault is Fault.OF_ALL and (outage.lasts or not _is_nearly_all(asked.outcome))
        delay_s = outage.failed(attempts, note) if of_all else own_delay_s
        log.warning(
            "request failed",
            extra=fields(
                "request.failed",
                string=string,
                reason=failure.reason,
                error=failure.words,
                failures=attempts.failures,
                outage=of_all,
                delay_s=round(delay_s, 3),
            ),
        )
        if not of_all:
            with session.interruptible():
                await self._clock.sleep(delay_s)
        return None

    def _is_end(self, asked: Asked, attempts: Attempts, fault: Fault, *, ends: bool) -> bool:
        """Whether an empty page is the end of its string's list, though the total says otherwise.

        Where little is missing the total may be too high: two in a row will do, but not in an outage. Else
        it is a failure like another, after whose last attempt what came before it is kept.
        """
        if _is_nearly_all(asked.outcome):
            return attempts.empty_pages > 1 and (fault is Fault.OF_THE_STRING or not self.outage.lasts)
        return ends and asked.offset > 0

    async def _ask_control(
        self, control: str, clearance: Clearance, session: Session, attempts: Attempts, *, limit: int
    ) -> None:
        """Ask for a string that nobody waits for: its success would end the outage.

        It differs from what failed in the string alone: an API that fails at large pages would pass for well at a small
        one (test_a_control_is_asked_for_with_the_limit_of_what_failed).
        """
        outcome = await self._exchange(
            control, clearance, session, offset=0, limit=limit, judge=partial(_judged, _first_lacks, 0)
        )
        if isinstance(outcome, Page):
            attempts.empty_controls = 0 if outcome.artists else attempts.empty_controls + 1
        elif isinstance(outcome, RateLimited):
            await self._freeze(outcome, clearance)
            self.outage.limited(attempts, control=True)
        elif outcome is not None:
            attempts.empty_controls = 0
            if isinstance(outcome, Unauthorized):
                self._tokens.reject(clearance.token)
            elif isinstance(outcome, PageSizeRefused) and limit > self.source.small_page_size:
                self._fall_back(control, outcome.message)
            self.outage.control_failed(_note(failure_of(outcome)))

    async def _pause(self, answer: RateLimited, asked: Asked, attempts: Attempts) -> Dead | None:
        """A 429 to a string: everybody pauses. Dead where others succeed between, and it alone gets one each time."""
        await self._freeze(answer, asked.clearance)
        attempts.limit(is_first=asked.is_first, successes=self.outage.successes, limits=self._limits)
        self.outage.limited(attempts)
        if not attempts.always_limited(self.settings.retry):
            if not asked.is_first:
                self._first_turns.ask(attempts)
            return None
        message = f"429 each of {attempts.limited} times, while others succeed: {answer.message}"
        return Dead(name_of(answer), class_of(answer), attempts.limited, message)

    async def _freeze(self, answer: RateLimited, clearance: Clearance) -> None:
        metrics.FREEZES.inc()
        self._limits += 1
        until_us = await self._limiter.freeze(
            retry_after_s=parse_retry_after(answer.retry_after), sent_epoch=clearance.permit.epoch
        )
        if answer.quota:
            self._notes.problem("QuotaExceeded", f"the account's quota is exceeded: {answer.message}")
        log.warning(
            "rate limited by the API",
            extra=fields("bucket.frozen", retry_after=answer.retry_after, frozen_until_us=until_us, quota=answer.quota),
        )

    def _fall_back(self, string: str, message: str) -> None:
        size = self.source.small_page_size
        if not self._page_sizes.refused(string):
            log.warning("page size refused to a string", extra=fields("page_size.refused_once", string=string))
            return
        if self.settings.page_size > size:
            self.settings.page_size = size
            self._notes.page_size(size)
            log.warning("page size refused", extra=fields("page_size.refused", page_size=size, error=message))


def _note(failure: Failure) -> OutageNote:
    """What people are told of an outage in which requests fail so."""
    return OutageNote(outage_reason(failure.failure_class), failure.words)


def _judged(lacks: Callable[[Page], int], offset: int, page: Page) -> Page | EmptyPage:
    """A page at that offset as whoever pages takes it: one without artists may be no answer."""
    missing = lacks(page)
    if not missing:
        return page
    of_total = (
        ("with a next page" if page.has_next else "of no total")
        if page.total is None
        else f"of a total of {page.total}"
    )
    what = f"a page of {page.count} items that name nobody" if page.count else "a page without items"
    return EmptyPage(page, missing, f"{what} at offset {offset} {of_total}")


def _is_nearly_all(outcome: Outcome) -> bool:
    """Whether it is an empty page before a total that is little further: one that may be too high."""
    return isinstance(outcome, EmptyPage) and outcome.lacks <= SLACK


def _first_lacks(page: Page) -> int:
    """The same of the first page of a control string, of which nothing else is known."""
    return page.lacks(1 if page.total is None else page.total)
