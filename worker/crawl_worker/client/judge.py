"""What follows from an answer that is no page, and when a string is given up. Pure.

    429                       everybody pauses; no failed attempt
    a refused token           another token; a failure where others use it, or where fresh tokens are refused in a row
    a refused page size       smaller pages; for good where they are the smallest
    400 and 414               a failure of what the string made of the request: for good at the second time
    anything else             a failure that may pass: for good after `max_attempts`

A failure is for good only where it counts, and it counts only where others succeed meanwhile: see `retry`.
"""

from __future__ import annotations

from dataclasses import dataclass

from crawl_core.job import reasons
from crawl_core.metrics.labels import FailureClass, OutcomeLabel
from crawl_worker.client.outcomes import class_of, name_of
from crawl_worker.client.retry import Attempts, RetryRules
from crawl_worker.sources.outcomes import Outcome, Page, PageSizeRefused, RateLimited, Rejected, Unauthorized

ABOUT_THE_STRING = frozenset({400, 414})
"""Statuses that say that the request itself is wrong. Others, such as 403 and 404, are known to pass: 15 % of all
requests were answered 404 for days."""

REFUSED_TOKENS = 3
"""Fresh tokens in a row that may be refused with 401 before it counts as a failure like any other."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Freeze the bucket: the API says that there were too many requests."""

    answer: RateLimited


@dataclass(frozen=True, slots=True)
class AskSmaller:
    """Ask for smaller pages from now on."""

    message: str


@dataclass(frozen=True, slots=True)
class NewToken:
    """Ask again with another token."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed attempt: what a dead letter would say of it."""

    reason: str
    failure_class: FailureClass
    message: str
    permanent: bool = False
    """Whether the same request will fail again."""

    @property
    def words(self) -> str:
        """What happened, for a line that may be cut: the cause first."""
        if self.reason.startswith("http_"):
            return f"{self.reason.removeprefix('http_')} {self.message}".rstrip()
        if self.failure_class is FailureClass.CREDENTIAL:
            return f"401 {self.message}".rstrip()
        return f"no page: {self.message}" if self.reason == OutcomeLabel.INVALID_BODY else self.message


Verdict = Pause | AskSmaller | NewToken | Failure


def verdict_on(
    outcome: Outcome, *, page_size: int, small_page_size: int, refused_tokens: int, token_at_fault: bool = True
) -> Verdict:
    """What follows from an outcome that is no page, of a request for that many items.

    `refused_tokens`: how many were refused since one was accepted. `token_at_fault`: False where this one is accepted
    for others.
    """
    match outcome:
        case RateLimited():
            return Pause(outcome)
        case PageSizeRefused(message) if page_size > small_page_size:
            return AskSmaller(message)
        case Unauthorized() if token_at_fault and refused_tokens <= REFUSED_TOKENS:
            return NewToken()
        case _:
            return failure_of(outcome)


def failure_of(outcome: Outcome) -> Failure:
    """An outcome that is no page as a failed attempt."""
    match outcome:
        case PageSizeRefused(message):
            return _rejection(400, message)
        case Rejected(status, message):
            return _rejection(status, message)
        case Page():
            raise ValueError("a page is no failure")
        case _:
            return Failure(name_of(outcome), class_of(outcome), outcome.message)


def outage_reason(failure_class: FailureClass) -> str:
    """The reason of the job's condition while all requests fail in such a way."""
    match failure_class:
        case FailureClass.NETWORK:
            return reasons.SOURCE_UNREACHABLE
        case FailureClass.CREDENTIAL:
            return reasons.UNAUTHORIZED
        case FailureClass.REJECTED | FailureClass.PAGE_SIZE:
            return reasons.REQUEST_REJECTED
        case _:
            return reasons.SOURCE_FAILING


def _rejection(status: int, message: str) -> Failure:
    return Failure(f"http_{status}", FailureClass.REJECTED, message, permanent=status in ABOUT_THE_STRING)


def ends_string(failure: Failure, attempts: Attempts, rules: RetryRules, *, counts: bool) -> bool:
    """Whether a failure, already noted in `attempts`, is its string's last.

    A rejection is for good, but of the string only where others succeed after it: it is asked for twice, so that an API
    that begins to reject everybody costs none of the strings in flight
    (test_an_api_that_begins_to_reject_everybody_costs_no_string).
    """
    if not counts:
        return False
    return (failure.permanent and attempts.failures > 1) or attempts.exhausted(rules)
