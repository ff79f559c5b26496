"""How a request fails to bring a whole answer. Vendor errors are mapped to these in `transport` and `token_transport`.

ArtistcrawlError
├── NotSentError       nothing was written: the permit is given back
├── NoAnswerError      something was written, and no whole answer came
└── TokenRequestError  no answer to a request of a token, which needs no permit
"""

from __future__ import annotations

from crawl_core.errors import ArtistcrawlError
from crawl_worker.sources.outcomes import Lack


class NotSentError(ArtistcrawlError):
    """No connection, or not in time. Nothing was written, and the permit is given back."""


class NoAnswerError(ArtistcrawlError):
    """The request was written, and there is no whole answer."""

    def __init__(self, lack: Lack, message: str) -> None:
        self.lack = lack
        super().__init__(message)


class TokenRequestError(ArtistcrawlError):
    """The token endpoint was not reached, or did not answer."""
