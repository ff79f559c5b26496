"""Everything that knows the Spotify Web API: addresses, cap, fields, token, and the shapes of its errors.

The sandbox imitates what this module expects, without sharing its code. It refuses to retry or to wait.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

import httpx
import msgspec
from yarl import URL

from crawl_worker.sources.parse import InvalidBodyError, parse_page
from crawl_worker.sources.source import (
    Denied,
    Failed,
    Granted,
    Outcome,
    PageSizeRefused,
    RateLimited,
    Rejected,
    Search,
    Unauthorized,
)

API_URL = "https://api.spotify.com"
TOKEN_URL = "https://accounts.spotify.com/api/token"  # noqa: S105 -- an address

_SHOWN_BODY_BYTES = 200
"""Of an unexpected body, as much as names its kind in a log line."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A client id and its secret. The secret shows in no repr."""

    client_id: str
    client_secret: str = field(repr=False)


class _Detail(msgspec.Struct):
    message: str | None = None
    reason: str | None = None


class _Error(msgspec.Struct):
    error: _Detail | str | None = None
    error_description: str | None = None


class _Token(msgspec.Struct):
    access_token: str
    expires_in: float = 3600.0


_error_decoder = msgspec.json.Decoder(_Error)
_token_decoder = msgspec.json.Decoder(_Token)


class SpotifySource:
    """The search for artists. `now_us` gives the time that artists are recorded as seen at."""

    cap = 1_000
    small_page_size = 10

    def __init__(
        self,
        *,
        base_url: str,
        token_url: str,
        credentials: Credentials,
        query_template: str,
        market: str | None,
        now_us: Callable[[], int],
    ) -> None:
        self._prefix = f"{base_url.rstrip('/')}/v1/search?type=artist" + (f"&market={quote(market)}" if market else "")
        self._before, _, self._after = query_template.partition("{}")
        self._token_url = token_url
        self._credentials = credentials
        self._now_us = now_us
        self._token = ""
        self._headers: dict[str, str] = {}

    def search(self, string: str, *, offset: int, limit: int, token: str) -> Search:
        """GET /v1/search of one page."""
        if token != self._token:
            self._token = token
            self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        query = quote(f"{self._before}{string}{self._after}", safe="")
        return Search(URL(f"{self._prefix}&q={query}&limit={limit}&offset={offset}", encoded=True), self._headers)

    def read(self, string: str, status: int, headers: Mapping[str, str], body: bytes) -> Outcome:
        """What an answer of /v1/search means."""
        if status == 200:
            try:
                return parse_page(body, string=string, seen_at_us=self._now_us())
            except InvalidBodyError as error:
                return Failed("invalid_body", f"200 with {_shown(body)}: {error}")
        message, reason = _error_of(body)
        if status == 429:
            return RateLimited(headers.get("retry-after"), quota=reason == "QUOTA_EXCEEDED", message=message)
        if status == 401:
            return Unauthorized(message)
        if status == 400 and "invalid limit" in message.lower():
            return PageSizeRefused(message)
        if status in (408, 425) or not 400 <= status < 500:
            return Failed(f"http_{status}", message)
        return Rejected(status, message)

    def authorize(self) -> httpx.Request:
        """POST of the client credentials flow."""
        pair = f"{self._credentials.client_id}:{self._credentials.client_secret}".encode()
        return httpx.Request(
            "POST",
            self._token_url,
            headers={"Authorization": f"Basic {base64.b64encode(pair).decode()}"},
            data={"grant_type": "client_credentials"},
        )

    def read_token(self, status: int, body: bytes) -> Granted | Denied | Failed:
        """What an answer of /api/token means. Its errors have another shape: `error` is a string."""
        if status == 200:
            try:
                answer = _token_decoder.decode(body)
            except msgspec.DecodeError as error:
                return Failed("invalid_token_body", str(error))
            return Granted(answer.access_token, answer.expires_in)
        message, _ = _error_of(body)
        if status in (400, 401, 403):
            return Denied(message)
        return Failed(f"token_http_{status}", message)


def _error_of(body: bytes) -> tuple[str, str | None]:
    """(message, reason) of an error body of any of the known shapes; unknown ones are shown as they are."""
    try:
        found = _error_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _shown(body), None
    if isinstance(found.error, _Detail):
        return found.error.message or _shown(body), found.error.reason
    return found.error_description or found.error or _shown(body), None


def _shown(body: bytes) -> str:
    if not body:
        return "an empty body"
    text = body[:_SHOWN_BODY_BYTES].decode("utf-8", "replace").replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return " ".join(text.split())
