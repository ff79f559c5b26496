"""What the crawl loop needs of an API, and the kinds of answers it can get. A second API is a new module beside
`spotify.py` that implements `Source`, not a change to the loop.

It refuses to know addresses, fields or error shapes of any API.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import httpx
from yarl import URL

from crawl_core.ledger import ArtistRow


@dataclass(frozen=True, slots=True)
class Search:
    """A GET, encoded already: what the transport sends as it is."""

    url: URL
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of results. `count` includes items that carry nothing to store, for the rules of paging need it."""

    count: int
    total: int
    has_next: bool
    artists: list[ArtistRow]


@dataclass(frozen=True, slots=True)
class RateLimited:
    """The upstream says to pause everything. `retry_after` is its header as sent; `quota` marks a longer limit."""

    retry_after: str | None
    quota: bool
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
class Failed:
    """Something that may pass: an error of the server or network, or a body that is not an answer."""

    reason: str
    message: str


Outcome = Page | RateLimited | Unauthorized | PageSizeRefused | Rejected | Failed


@dataclass(frozen=True, slots=True)
class Granted:
    """A token and the seconds it is good for, as the upstream says."""

    token: str
    expires_in_s: float


@dataclass(frozen=True, slots=True)
class Denied:
    """The credentials are wrong: only a person can mend that."""

    message: str


class Source(Protocol):
    """One search API."""

    cap: int
    """Results that can be paged to: offset + limit never exceed it."""

    small_page_size: int
    """The page size every credential may use."""

    def search(self, string: str, *, offset: int, limit: int, token: str) -> Search:
        """The request of one page."""
        ...

    def read(self, string: str, status: int, headers: Mapping[str, str], body: bytes) -> Outcome:
        """What an answer means; names of headers are looked up in lower case. Never raises."""
        ...

    def authorize(self) -> httpx.Request:
        """The request of a token."""
        ...

    def read_token(self, status: int, body: bytes) -> Granted | Denied | Failed:
        """What the answer to `authorize` means. Never raises."""
        ...
