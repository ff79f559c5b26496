"""Everything that knows the Spotify Web API: addresses, cap, fields, token, and the shapes of its errors.

The sandbox imitates what this module expects, without sharing its code.
"""

from __future__ import annotations

import base64
from urllib.parse import quote

import msgspec

from crawl_worker.sources.outcomes import (
    Denied,
    Granted,
    InvalidBody,
    Meaning,
    NoToken,
    PageSizeRefused,
    RateLimited,
    Rejected,
    ServerFailed,
    TokenOutcome,
    Unauthorized,
)
from crawl_worker.sources.parse import InvalidBodyError, parse_page
from crawl_worker.sources.source import SourceSettings, SourceType
from crawl_worker.sources.wire import HttpAnswer, HttpRequest

API_URL = "https://api.spotify.com"
TOKEN_URL = "https://accounts.spotify.com/api/token"  # noqa: S105 -- an address

_SHOWN_BODY_BYTES = 200
"""Of an unexpected body, as much as names its kind in a log line."""


class _Detail(msgspec.Struct):
    message: str | None = None
    reason: str | None = None


class _ErrorBody(msgspec.Struct):
    error: _Detail | str | None = None
    error_description: str | None = None


class _TokenBody(msgspec.Struct):
    access_token: str
    expires_in: float = 3600.0


_error_decoder = msgspec.json.Decoder(_ErrorBody)
_token_decoder = msgspec.json.Decoder(_TokenBody)


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
                return InvalidBody(f"200 with {_shown(answer.body)}: {error}")
        message, reason = _error_of(answer.body)
        if status == 429:
            # A body of QUOTA_EXCEEDED marks the account's quota, whose pause is a day and not seconds.
            return RateLimited(answer.headers.get("retry-after"), quota=reason == "QUOTA_EXCEEDED", message=message)
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
        if answer.status == 200:
            try:
                granted = _token_decoder.decode(answer.body)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                return NoToken("invalid_token_body", str(error))
            return Granted(granted.access_token, granted.expires_in)
        message, _ = _error_of(answer.body)
        if answer.status in (400, 401, 403):
            return Denied(message)
        return NoToken(f"token_http_{answer.status}", message)


def _error_of(body: bytes) -> tuple[str, str | None]:
    """(message, reason) of an error body of any of the known shapes; unknown ones are shown as they are."""
    try:
        decoded = _error_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _shown(body), None
    if isinstance(decoded.error, _Detail):
        return decoded.error.message or _shown(body), decoded.error.reason
    return decoded.error_description or decoded.error or _shown(body), None


def _shown(body: bytes) -> str:
    if not body:
        return "an empty body"
    text = body[:_SHOWN_BODY_BYTES].decode("utf-8", "replace").replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return " ".join(text.split())


SPOTIFY = SourceType(make=SpotifySource, default_credentials=None)
