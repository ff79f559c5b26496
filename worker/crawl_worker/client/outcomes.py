"""How outcomes of requests are called: in the request log by a whole name, in metrics by one of few. Pure."""

from __future__ import annotations

from enum import StrEnum

from crawl_worker.sources.outcomes import (
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


class OutcomeLabel(StrEnum):
    """Values of the label `outcome`. Each status of a server by itself would be a series for ever."""

    OK = "ok"
    RATE_LIMITED = "rate_limited"
    UNAUTHORIZED = "unauthorized"
    PAGE_SIZE_REFUSED = "page_size_refused"
    REJECTED = "rejected"
    HTTP_5XX = "http_5xx"
    NOT_CONNECTED = "not_connected"
    ANSWER_TIMEOUT = "answer_timeout"
    ANSWER_CLOSED = "answer_closed"
    ANSWER_MALFORMED = "answer_malformed"
    ANSWER_ERROR = "answer_error"
    INVALID_BODY = "invalid_body"
    OTHER = "other"


class FailureClass(StrEnum):
    """Values of the label `class`: of a failed request, and of a dead letter."""

    LIMIT = "limit"
    CREDENTIAL = "credential"
    PAGE_SIZE = "page_size"
    NETWORK = "network"
    SERVER = "server"
    ANSWER = "answer"
    REJECTED = "rejected"


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
        case InvalidBody():
            return FailureClass.ANSWER
        case ServerFailed(status):
            # 408 and 425 may pass, but count among the other 4xx.
            return FailureClass.REJECTED if 400 <= status < 500 else FailureClass.SERVER
        case Page():
            raise ValueError("a page is no failure")
