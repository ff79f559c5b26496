"""How outcomes of requests are called: in the request log by a whole name, in metrics by one of few. Pure."""

from __future__ import annotations

from crawl_core.metrics.labels import FailureClass, OutcomeLabel
from crawl_worker.sources.outcomes import (
    EmptyPage,
    InvalidBody,
    Lack,
    NoAnswer,
    Outcome,
    Page,
    PageSizeRefused,
    RateLimited,
    Rejected,
    ServerFailed,
    Unauthorized,
)

_LABEL_OF_LACK = {
    Lack.NOT_CONNECTED: OutcomeLabel.NOT_CONNECTED,
    Lack.TIMEOUT: OutcomeLabel.ANSWER_TIMEOUT,
    Lack.CLOSED: OutcomeLabel.ANSWER_CLOSED,
    Lack.MALFORMED: OutcomeLabel.ANSWER_MALFORMED,
    Lack.OTHER: OutcomeLabel.ANSWER_ERROR,
}


def label_of(outcome: Outcome) -> OutcomeLabel:
    """The value of the label `outcome`."""
    match outcome:
        case Page():
            return OutcomeLabel.OK
        case RateLimited():
            return OutcomeLabel.RATE_LIMITED
        case Unauthorized():
            return OutcomeLabel.UNAUTHORIZED
        case PageSizeRefused():
            return OutcomeLabel.PAGE_SIZE_REFUSED
        case Rejected():
            return OutcomeLabel.REJECTED
        case InvalidBody():
            return OutcomeLabel.INVALID_BODY
        case EmptyPage():
            return OutcomeLabel.EMPTY_PAGE
        case NoAnswer(lack):
            return _LABEL_OF_LACK[lack]
        case ServerFailed(status):
            return OutcomeLabel.HTTP_5XX if 500 <= status < 600 else OutcomeLabel.OTHER


def name_of(outcome: Outcome) -> str:
    """The stable name of an outcome in the request log: its label, or for the server's errors its status."""
    return f"http_{outcome.status}" if isinstance(outcome, ServerFailed) else label_of(outcome).value


def class_of(outcome: Outcome) -> FailureClass:
    """The class of an outcome that is no page."""
    match outcome:
        case RateLimited():
            return FailureClass.LIMIT
        case Unauthorized():
            return FailureClass.CREDENTIAL
        case PageSizeRefused():
            return FailureClass.PAGE_SIZE
        case Rejected():
            return FailureClass.REJECTED
        case NoAnswer(lack):
            return FailureClass.ANSWER if lack is Lack.MALFORMED else FailureClass.NETWORK
        case InvalidBody() | EmptyPage():
            return FailureClass.ANSWER
        case ServerFailed(status):
            # 408 and 425 may pass, but count among the other 4xx.
            return FailureClass.REJECTED if 400 <= status < 500 else FailureClass.SERVER
        case Page():
            raise ValueError("a page is no failure")
