"""Everything that knows the Spotify Web API: addresses, cap, fields, token, and the shapes of its errors.

The sandbox imitates what this module expects, without sharing its code.
"""

from __future__ import annotations

import base64
from urllib.parse import quote

from crawl_core.errors import ConfigurationError
from crawl_core.spec.sections import SPOTIFY_HOST, is_spotifys
from crawl_core.text import clean
from crawl_worker.sources.error_body import MESSAGE_CHARACTERS, read_error, shown
from crawl_worker.sources.json_body import InvalidBodyError
from crawl_worker.sources.outcomes import (
    InvalidBody,
    Meaning,
    PageSizeRefused,
    RateLimited,
    Rejected,
    ServerFailed,
    TokenOutcome,
    Unauthorized,
)
from crawl_worker.sources.parse import parse_page
from crawl_worker.sources.source import SourceSettings, SourceType
from crawl_worker.sources.token_answers import read_token_answer
from crawl_worker.sources.wire import HttpAnswer, HttpRequest

API_URL = f"https://{SPOTIFY_HOST}"
TOKEN_URL = "https://accounts.spotify.com/api/token"  # noqa: S105 -- an address

_RETRY_AFTER_CHARACTERS = 60
"""Of the header: more than any number or date takes."""


class SpotifySource:
    """The search for artists."""

    cap = 1_000
    small_page_size = 10

    def __init__(self, settings: SourceSettings) -> None:
        base_url = (settings.base_url or API_URL).rstrip("/")
        market = f"&market={quote(settings.market)}" if settings.market else ""
        self._prefix = f"{base_url}/v1/search?type=artist{market}"
        self._before, _, self._after = settings.query_template.partition("{}")
        self._token_url = settings.token_url or TOKEN_URL
        self._credentials = settings.credentials
        self._token = ""
        self._headers: dict[str, str] = {}

    def search(self, string: str, *, offset: int, limit: int, token: str) -> HttpRequest:
        """GET /v1/search of one page."""
        if token != self._token:
            self._token = token
            self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        query = quote(f"{self._before}{string}{self._after}", safe="")
        return HttpRequest("GET", f"{self._prefix}&q={query}&limit={limit}&offset={offset}", self._headers)

    def read(self, answer: HttpAnswer, *, offset: int, limit: int) -> Meaning:
        """What an answer of /v1/search means."""
        status = answer.status
        if status == 200:
            try:
                return parse_page(answer.body, offset=offset, limit=limit)
            except InvalidBodyError as error:
                return InvalidBody(f"200 with {shown(answer.body)}: {clean(str(error), MESSAGE_CHARACTERS)}")
        said = read_error(answer.body)
        message = said.message
        if status == 429:
            retry_after = answer.headers.get("retry-after")
            return RateLimited(
                None if retry_after is None else clean(retry_after, _RETRY_AFTER_CHARACTERS),
                # It marks the account's quota, whose pause is a day and not seconds.
                quota=said.reason == "QUOTA_EXCEEDED",
                message=message,
            )
        if status == 401:
            return Unauthorized(message)
        if status == 400 and "invalid limit" in message.lower():
            return PageSizeRefused(message)
        # 408 and 425 ask for the same request once more: they are no fault of it.
        if status in (408, 425) or not 400 <= status < 500:
            return ServerFailed(status, message)
        return Rejected(status, message)

    def token_request(self) -> HttpRequest:
        """POST of the client credentials flow."""
        pair = f"{self._credentials.client_id}:{self._credentials.client_secret}".encode()
        headers = {
            "Authorization": f"Basic {base64.b64encode(pair).decode()}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return HttpRequest("POST", self._token_url, headers, b"grant_type=client_credentials")

    def read_token(self, answer: HttpAnswer) -> TokenOutcome:
        """What an answer of /api/token means. Its errors have another shape: `error` is a string."""
        return read_token_answer(answer)


def make_spotify(settings: SourceSettings) -> SpotifySource:
    """The source, from its settings. Raises ConfigurationError where the credentials would go to another service."""
    if settings.base_url and not settings.token_url and not is_spotifys(settings.base_url):
        raise ConfigurationError(
            f"{settings.base_url} is not Spotify's, and Spotify's token endpoint would get the credentials: write "
            f"source.tokenURL, or give --token-url URL, where that service hands out tokens ({TOKEN_URL} if it only "
            "passes requests on)"
        )
    return SpotifySource(settings)


SPOTIFY = SourceType(make=make_spotify, default_credentials=None)
