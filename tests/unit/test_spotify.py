"""What the answers of the Spotify Web API mean."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest
from yarl import URL

from crawl_core.errors import ConfigurationError
from crawl_worker.sources.credentials import Credentials
from crawl_worker.sources.outcomes import (
    Denied,
    Granted,
    InvalidBody,
    Meaning,
    NoToken,
    Page,
    PageSizeRefused,
    RateLimited,
    Rejected,
    ServerFailed,
    Unauthorized,
)
from crawl_worker.sources.source import SourceSettings
from crawl_worker.sources.spotify import API_URL, SPOTIFY, TOKEN_URL, SpotifySource
from crawl_worker.sources.wire import HttpAnswer


def _source(query_template: str = "{}", market: str | None = None) -> SpotifySource:
    return SpotifySource(
        SourceSettings(
            base_url="http://127.0.0.1:1/",
            token_url="http://127.0.0.1:1/api/token",
            credentials=Credentials("id", "secret"),
            query_template=query_template,
            market=market,
        )
    )


def _read(status: int, body: str = "", **headers: str) -> Meaning:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return _source().read(HttpAnswer(status, sent, body.encode()), offset=0, limit=50)


def _error(status: int, message: str, **more: str) -> str:
    return json.dumps({"error": {"status": status, "message": message, **more}})


def test_a_search_asks_for_its_own_offset_and_limit() -> None:
    url = URL(_source().search("ab12", offset=50, limit=50, token="t").url)
    assert (url.path, dict(url.query)) == (
        "/v1/search",
        {"type": "artist", "q": "ab12", "limit": "50", "offset": "50"},
    )


def test_the_query_template_and_the_market_are_sent_encoded() -> None:
    query = URL(_source('artist:"{}"', market="SE").search("ab", offset=0, limit=5, token="t").url).query
    assert (query["q"], query["market"]) == ('artist:"ab"', "SE")


def test_a_new_token_is_used_at_once() -> None:
    source = _source()
    source.search("a", offset=0, limit=1, token="old")
    assert source.search("a", offset=0, limit=1, token="new").headers["Authorization"] == "Bearer new"


def test_a_page_is_a_page() -> None:
    outcome = _read(200, '{"artists":{"items":[{"id":"a","name":"A"}],"total":1,"next":null}}')
    assert isinstance(outcome, Page)
    assert (outcome.count, outcome.artists[0].name) == (1, "A")


@pytest.mark.parametrize(
    ("body", "header", "expected"),
    [
        (
            _error(429, "API rate limit exceeded"),
            {"retry_after": "3"},
            RateLimited("3", False, "API rate limit exceeded"),
        ),
        ("Too many requests", {}, RateLimited(None, False, "Too many requests")),
        ("", {"retry_after": "0"}, RateLimited("0", False, "an empty body")),
        (
            _error(429, "Too many requests", reason="QUOTA_EXCEEDED"),
            {"retry_after": "86400"},
            RateLimited("86400", True, "Too many requests"),
        ),
    ],
)
def test_429_is_a_pause_whatever_its_body(body: str, header: dict[str, str], expected: RateLimited) -> None:
    assert _read(429, body, **header) == expected


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, _error(401, "The access token expired"), Unauthorized("The access token expired")),
        (400, _error(400, "Invalid limit"), PageSizeRefused("Invalid limit")),
        (400, _error(400, "No search query"), Rejected(400, "No search query")),
        (403, _error(403, "Forbidden"), Rejected(403, "Forbidden")),
        (404, "", Rejected(404, "an empty body")),
        (500, _error(500, "Server error."), ServerFailed(500, "Server error.")),
        (502, "<html>Bad\n gateway</html>", ServerFailed(502, "<html>Bad gateway</html>")),
        (503, "", ServerFailed(503, "an empty body")),
        (504, "\x00", ServerFailed(504, "\ufffd")),
        (302, "", ServerFailed(302, "an empty body")),
        (408, "", ServerFailed(408, "an empty body")),
    ],
)
def test_each_status_has_its_meaning(status: int, body: str, expected: Meaning) -> None:
    assert _read(status, body) == expected


@pytest.mark.parametrize("body", ["", "<html></html>", '{"artists":', "[]"])
def test_200_with_another_body_is_a_failure_that_may_pass(body: str) -> None:
    assert isinstance(_read(200, body), InvalidBody)


def test_a_token_is_asked_for_with_basic_credentials() -> None:
    request = _source().token_request()
    kind, _, encoded = request.headers["Authorization"].partition(" ")
    assert (kind, base64.b64decode(encoded), request.body) == (
        "Basic",
        b"id:secret",
        b"grant_type=client_credentials",
    )


def _settings(base_url: str | None) -> SourceSettings:
    return SourceSettings(base_url, None, Credentials("id", "secret"), query_template="{}", market=None)


@pytest.mark.parametrize("base_url", [None, API_URL, "https://API.spotify.com:443"])
def test_spotifys_tokens_are_spotifys(base_url: str | None) -> None:
    assert SPOTIFY.make(_settings(base_url)).token_request().url == TOKEN_URL


@pytest.mark.parametrize("base_url", ["http://egress-proxy.example:8080", "https://api.spotify.com.example"])
def test_at_another_address_the_token_endpoint_must_be_named(base_url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"source\.tokenURL"):
        SPOTIFY.make(_settings(base_url))
    assert SPOTIFY.make(replace(_settings(base_url), token_url=TOKEN_URL)).token_request().url == TOKEN_URL


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, '{"access_token":"t","token_type":"Bearer","expires_in":3600}', Granted("t", 3600.0)),
        (400, '{"error":"invalid_client","error_description":"Invalid client"}', Denied("Invalid client")),
        (401, '{"error":"invalid_client"}', Denied("invalid_client")),
        (503, "", NoToken("token_http_503", "an empty body")),
        (429, "slow down", NoToken("token_http_429", "slow down")),
    ],
)
def test_token_answers_have_their_own_shapes(status: int, body: str, expected: object) -> None:
    assert _source().read_token(HttpAnswer(status, {}, body.encode())) == expected


def test_a_token_answer_that_is_cut_may_pass() -> None:
    assert isinstance(_source().read_token(HttpAnswer(200, {}, b'{"access_to')), NoToken)


def test_a_secret_shows_in_no_repr() -> None:
    assert "hush" not in repr(Credentials("id", "hush"))
