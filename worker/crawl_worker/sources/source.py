"""What the crawl loop needs of a search API. A further API is a module beside `spotify.py`, not a change to the loop.

`registry` finds a source by the CrawlJob's `source.type`; tests/unit/test_source_contract.py says what each must do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from crawl_worker.sources.credentials import Credentials
from crawl_worker.sources.outcomes import Meaning, TokenOutcome
from crawl_worker.sources.wire import HttpAnswer, HttpRequest


class SearchSource(Protocol):
    """One search API, for one credential. It builds requests and reads answers; it neither sends nor waits."""

    cap: int
    """Results that can be paged to: offset + limit never exceed it."""

    small_page_size: int
    """The page size that every credential may use."""

    def search(self, string: str, *, offset: int, limit: int, token: str) -> HttpRequest:
        """The request of one page: `limit` results from the `offset`th on."""
        ...

    def read(self, answer: HttpAnswer, *, offset: int, limit: int) -> Meaning:
        """What an answer to a `search` of that offset and limit means. Never raises, whatever the answer is."""
        ...

    def token_request(self) -> HttpRequest:
        """The request of an access token. It is sent without a permit: it must not count against the search limit."""
        ...

    def read_token(self, answer: HttpAnswer) -> TokenOutcome:
        """What an answer to `token_request` means. Never raises, whatever the answer is."""
        ...


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """What a CrawlJob and the command line say of a source. None: the source's own."""

    base_url: str | None
    token_url: str | None
    credentials: Credentials
    query_template: str
    """`{}` is the string; any other character is meant."""
    market: str | None


@dataclass(frozen=True, slots=True)
class SourceType:
    """How sources of one `source.type` are made."""

    make: Callable[[SourceSettings], SearchSource]
    """Raises ConfigurationError where the settings cannot work."""

    default_credentials: Credentials | None
    """What is used where nobody gave any. None: this source needs some, and a start without them is refused."""
