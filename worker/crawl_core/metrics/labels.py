"""The values that labels of metrics may have, each with what it means. Pure.

They are the one list of them: series begin with each value at 0, boards and alerts are checked against it, and
grafana/metrics.md says what each means. A label whose values are not all known before, though they are few, is
described in words instead: see `definitions`.
"""

from __future__ import annotations

from enum import StrEnum


class LabelValue(StrEnum):
    """A value of one label; its members are all there are."""

    meaning: str
    """As the end of a sentence that begins with the value."""

    def __new__(cls, value: str, meaning: str) -> LabelValue:
        """Make a member of its value, and tell it what it means."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member


Label = str | type[LabelValue]
"""What a label's values are: in words, or all of them."""


def values_of(label: Label) -> list[str]:
    """All values of a label; none where it is described in words."""
    return [] if isinstance(label, str) else [member.value for member in label]


class OutcomeLabel(LabelValue):
    """What became of a request. Each status of a server by itself would be a series for ever."""

    OK = "ok", "a page"
    RATE_LIMITED = "rate_limited", "429"
    UNAUTHORIZED = "unauthorized", "401"
    PAGE_SIZE_REFUSED = "page_size_refused", "400 for the page's size"
    REJECTED = "rejected", "another 4xx"
    HTTP_5XX = "http_5xx", "an error of the server"
    NOT_CONNECTED = "not_connected", "nothing was sent"
    ANSWER_TIMEOUT = "answer_timeout", "no whole answer in time"
    ANSWER_CLOSED = "answer_closed", "the connection ended before"
    ANSWER_MALFORMED = "answer_malformed", "no HTTP"
    ANSWER_ERROR = "answer_error", "another error of the network"
    INVALID_BODY = "invalid_body", "200 without a page"
    EMPTY_PAGE = "empty_page", "a page without artists though there are to be some"
    OTHER = "other", "anything else"


class FailureClass(LabelValue):
    """Why a request failed."""

    LIMIT = "limit", "429, costs no attempt"
    CREDENTIAL = "credential", "a refused token"
    PAGE_SIZE = "page_size", "a refused page size"
    NETWORK = "network", "no connection or no whole answer"
    SERVER = "server", "5xx"
    ANSWER = "answer", "no page in it"
    REJECTED = "rejected", "another 4xx"


class AnswerField(LabelValue):
    """What of an answer is read by itself: where it cannot be, it is left out, and the rest is stored."""

    ITEM = "item", "an entry of the page that is no artist"
    ID = "id", "of an artist, who is not stored"
    NAME = "name", "of an artist: one without any is not stored, of one that is too long the beginning is"
    POPULARITY = "popularity", "of an artist"
    FOLLOWERS = "followers", "of an artist"
    GENRES = "genres", "of an artist; those that can be read are stored"
    IMAGES = "images", "of an artist; those that can be read are stored"
    TOTAL = "total", "of the page"
    LIMIT = "limit", "of the page"
    OFFSET = "offset", "of the page"


class PageOrder(LabelValue):
    """Which page of a string it was."""

    FIRST = "first", "of a string"
    NEXT = "next", "a further one"


class StringResult(LabelValue):
    """What the search of a string found."""

    FOUND = "found", "with artists"
    EMPTY = "empty", "without"
    INCOMPLETE = "incomplete", "with fewer than its total says"
    TRUNCATED = "truncated", "with more than can be paged to"


class ArtistChange(LabelValue):
    """What a commit changed of an artist."""

    NEW = "new", "not in the ledger before"
    UPDATED = "updated", "the ledger's row was written, for another value or after 24 h"
    UNCHANGED = "unchanged", "as the ledger has it"


class CommitResult(LabelValue):
    """What became of a batch."""

    COMMITTED = "committed", "it is in the ledger"
    REFUSED = "refused", "for its data, and halved"
    FENCE_LOST = "fence_lost", "the range is somebody else's"
    UNAVAILABLE = "unavailable", "nobody knows, so it is sent again"


class DeadLetterClass(LabelValue):
    """Why a string was given up."""

    LIMIT = "limit", "429 again and again while others succeed"
    CREDENTIAL = "credential", "refused tokens"
    PAGE_SIZE = "page_size", "a refused page size"
    NETWORK = "network", "no connection or no whole answer"
    SERVER = "server", "5xx"
    ANSWER = "answer", "no page in it"
    REJECTED = "rejected", "another 4xx"
    LEDGER = "ledger", "its artists cannot be stored"


class LeaseEvent(LabelValue):
    """What became of a lease."""

    WON = "won", "a range was claimed"
    COMPLETED = "completed", "it is done"
    RELEASED = "released", "it was given back"
    LOST = "lost", "it was somebody else's before we were done"


class TokenResult(LabelValue):
    """What became of a request for an access token."""

    GRANTED = "granted", "a token came"
    FAILED = "failed", "tried again"
    DENIED = "denied", "a person must correct the credentials"


class WorkerState(LabelValue):
    """What a worker is doing."""

    STARTING = "starting", "not all it needs is there"
    CRAWLING = "crawling", "it has ranges"
    IDLE = "idle", "there is none for it"
    FROZEN = "frozen", "the API asked to pause"
    OUTAGE = "outage", "nobody's requests succeed, one at a time is tried"
    BLOCKED = "blocked", "the ledger or Redis is out of reach"
    DRAINING = "draining", "it was told to stop"


class PermitEvent(LabelValue):
    """What became of a permit."""

    GRANTED = "granted", "by Redis"
    CONFIRMED = "confirmed", "its request was answered"
    DISCARDED = "discarded", "never used, and given back"


class ConnectionState(LabelValue):
    """Whether a connection is in use."""

    LENT = "lent", "a statement runs on it"
    IDLE = "idle", "open, and nobody uses it"


class JobState(LabelValue):
    """What a CrawlJob's status says in one word."""

    PENDING = "Pending", "not all is there yet"
    CRAWLING = "Crawling", "requests are sent"
    SUSPENDED = "Suspended", "by its spec, or by its deadline"
    FROZEN = "Frozen", "the API asked to pause"
    STALLED = "Stalled", "a person must act"
    SUCCEEDED = "Succeeded", "every string is covered"


class WorkersCounted(LabelValue):
    """Which workers are counted."""

    DESIRED = "desired", "that there should be"
    READY = "ready", "that are up"


class RangeState(LabelValue):
    """Whether a range is crawled."""

    OPEN = "open", "to be crawled"
    DONE = "done", "crawled"


class FrontierState(LabelValue):
    """Where a range stands in Redis."""

    PENDING = "pending", "wait for a worker"
    LEASED = "leased", "a worker has it"
    OVERDUE = "overdue", "leased, and the worker is silent"


class ReconcileResult(LabelValue):
    """How a look at a CrawlJob ended."""

    SUCCESS = "success", "all was done"
    ERROR = "error", "tried again, later each time"
    TIMEOUT = "timeout", "not within 30 s, tried again"


class QueueState(LabelValue):
    """When a CrawlJob is to be looked at."""

    DUE = "due", "now"
    PLANNED = "planned", "later, by themselves"


class ApiVerb(LabelValue):
    """What is asked of the Kubernetes API."""

    GET = "GET", "read"
    POST = "POST", "create"
    PATCH = "PATCH", "change"
    DELETE = "DELETE", "delete"


class WatchedResource(LabelValue):
    """What a watch is on."""

    CRAWLJOBS = "crawljobs", "a CrawlJob"
    DEPLOYMENTS = "deployments", "a workers' Deployment"


class OperatorPart(LabelValue):
    """Which part of the operator turns."""

    ROUNDS = "rounds", "looks at CrawlJobs"
    LEASE = "lease", "who leads"
