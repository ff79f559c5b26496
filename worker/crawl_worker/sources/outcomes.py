"""What a request can bring, as values. Pure, and below everything that deals with it.

A source says what an answer means; that there was no whole answer is the transport's to say (`NoAnswer`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from crawl_core.metrics.labels import AnswerField


class FoundArtist(msgspec.Struct, frozen=True):
    """What one answer says of one artist. None: the answer did not have the field, and it overwrites nothing."""

    id: str
    name: str
    popularity: int | None = None
    followers: int | None = None
    genres: list[str] | None = None
    images: Sequence[object] | None = None
    """Whatever encodes as JSON objects."""


@dataclass(frozen=True, slots=True)
class UnreadableField:
    """A field that came as something that it cannot be, and was left out."""

    field: AnswerField
    example: str
    """What came, as one short line."""


class Page(msgspec.Struct, frozen=True):
    """One page of results."""

    count: int
    """Items on the page, those without anything to store included: the rules of paging need it."""
    total: int | None
    """Results of the string, as this page says. APIs let it differ from page to page. None: it does not say."""
    has_next: bool
    artists: list[FoundArtist]
    limit: int | None = None
    """Items asked for, as the page itself says. None: it does not say."""
    offset: int | None = None
    """Results before its first, as the page itself says. None: it does not say."""
    unreadable: Sequence[UnreadableField] = ()

    def lacks(self, missing: int) -> int:
        """Of so many results that are to come at its offset or after it, those for which it is no answer.

        Items that name nobody are as none: there are to be as many artists at least.
        """
        return 0 if self.artists else max(self.count, missing)


@dataclass(frozen=True, slots=True)
class RateLimited:
    """The API says to pause everything."""

    retry_after: str | None
    """The header as it was sent; APIs send seconds, 0, text, or none."""
    quota: bool
    """Whether it is a longer limit than the usual one: a person should know."""
    message: str


@dataclass(frozen=True, slots=True)
class Unauthorized:
    """The token is not accepted: get another one."""

    message: str


@dataclass(frozen=True, slots=True)
class PageSizeRefused:
    """The page size is larger than this credential may use."""

    message: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The request is wrong and will be wrong again."""

    status: int
    message: str


@dataclass(frozen=True, slots=True)
class ServerFailed:
    """An answer that is neither a page nor the request's fault: it may pass."""

    status: int
    message: str


@dataclass(frozen=True, slots=True)
class InvalidBody:
    """An answer that says it is a page and is none: cut, empty, HTML, or of another shape. It may pass."""

    message: str


SLACK = 2
"""Results that a total may be too high by: APIs count one that they do not hand out."""


@dataclass(frozen=True, slots=True)
class EmptyPage:
    """A page without artists though there are to be some: what a source reads as a page, and whoever pages does not."""

    page: Page
    lacks: int
    """Results that are to come at its offset or after it."""
    message: str


Meaning = Page | RateLimited | Unauthorized | PageSizeRefused | Rejected | ServerFailed | InvalidBody
"""What an answer means to whoever asked."""


class Lack(StrEnum):
    """Why there is no whole answer."""

    NOT_CONNECTED = "not_connected"
    TIMEOUT = "answer_timeout"
    CLOSED = "answer_closed"
    MALFORMED = "answer_malformed"
    OTHER = "answer_error"


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """No whole answer came: it may pass."""

    lack: Lack
    message: str


Outcome = Meaning | NoAnswer | EmptyPage
"""What a request brought."""


@dataclass(frozen=True, slots=True)
class Granted:
    """A token and the seconds it is good for, as the API says. None: it says nothing that can be read."""

    token: str
    expires_in_s: float | None


@dataclass(frozen=True, slots=True)
class Denied:
    """The credentials are wrong: only a person can mend that."""

    message: str


@dataclass(frozen=True, slots=True)
class NoToken:
    """No token for now: it may pass. `reason` is for the log."""

    reason: str
    message: str


TokenOutcome = Granted | Denied | NoToken
