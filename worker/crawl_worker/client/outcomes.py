"""How outcomes of requests are called: in the request log by their whole name, in metrics by one of few. Pure.

It refuses to decide what becomes of a request.
"""

from __future__ import annotations

from crawl_core.metrics import definitions as metrics
from crawl_core.metrics.declared import values_of
from crawl_worker.sources.source import Failed, Outcome, Page, PageSizeRefused, RateLimited, Rejected, Unauthorized

_COUNTED = frozenset(values_of(metrics.OUTCOMES))
_CLASSES = {
    "rate_limited": "limit",
    "unauthorized": "credential",
    "page_size_refused": "page_size",
    "rejected": "rejected",
    "not_connected": "network",
    "answer_timeout": "network",
    "answer_closed": "network",
    "answer_error": "network",
    "answer_malformed": "answer",
    "invalid_body": "answer",
}


def name_of(outcome: Outcome) -> str:
    """The stable name of an outcome in the request log."""
    match outcome:
        case Page():
            return "ok"
        case RateLimited():
            return "rate_limited"
        case Unauthorized():
            return "unauthorized"
        case PageSizeRefused():
            return "page_size_refused"
        case Rejected():
            return "rejected"
        case Failed(reason):
            return reason


def counted_as(name: str) -> str:
    """The value of the label `outcome` for a name of the request log: each status of a server would be a series."""
    if name.startswith("http_5"):
        return "http_5xx"
    return name if name in _COUNTED else "other"


def class_of(name: str) -> str:
    """The class of a failure, for a name of the request log or the reason of a dead letter."""
    if name.startswith("http_4"):
        return "rejected"
    return _CLASSES.get(name, "server")
