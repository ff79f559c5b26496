"""What every source must do, as checks that run over any of them. `tests/unit/test_source_contract.py` runs them all.

A source comes with `SourceExamples`: bodies as its API sends them. What holds for all APIs needs no example: what a
status means, that nothing raises, and where tokens and secrets may stand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import get_args
from unittest.mock import ANY
from urllib.parse import unquote_plus, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    TokenOutcome,
    Unauthorized,
)
from crawl_worker.sources.source import SearchSource, SourceSettings, SourceType
from crawl_worker.sources.wire import HttpAnswer, HttpRequest

GARBAGE = [b"", b"<html>Bad gateway</html>", b"[]", b"null", b"7", b"\xff\xfe", b"\x00", b"[" * 5_000, b'{"a":']
BASE_URL = "https://api.example:8443"
TOKEN_URL = "https://tokens.example/token"


@dataclass(frozen=True)
class SourceExamples:
    """Bodies of one API, as it sends them."""

    page: Callable[[list[tuple[str, str]], int, bool], bytes]
    """A page of (id, name) items, with the total that it says, and whether there is a next one."""
    page_size_refused: HttpAnswer | None
    """None for an API that refuses no page size."""
    granted: bytes
    """The answer that grants the token `a-token` for an hour."""
    denied: HttpAnswer
    retry_after: Mapping[str, str] = field(default_factory=lambda: {"retry-after": "7"})
    """The headers of a 429 that says 7 seconds."""
    token_host: str | None = None
    """Where the service gives its tokens, where that is another host than its API's: written out, so that a source made
    from another one's code cannot inherit it."""
    error: bytes = b'{"error":{"status":400,"message":"wrong"}}'
    """The body of any other error. It must not look like a refused page size."""


@dataclass(frozen=True)
class SourceUnderTest:
    """A type of source, and what its API sends."""

    type: SourceType
    examples: SourceExamples

    def made(self, **changes: object) -> SearchSource:
        return self.type.make(replace(SETTINGS, **changes))  # type: ignore[arg-type]

    def read(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Meaning:
        return self.made().read(HttpAnswer(status, headers or {}, body), offset=0, limit=50)

    def read_token(self, status: int, body: bytes = b"") -> TokenOutcome:
        return self.made().read_token(HttpAnswer(status, {}, body))


SETTINGS = SourceSettings(
    base_url=BASE_URL,
    token_url=TOKEN_URL,
    credentials=Credentials("an-id", "a-secret"),
    query_template='name:"{}"',
    market=None,
)


def _json(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def _said(request: HttpRequest) -> str:
    """What a request says, decoded: its address and body."""
    return unquote_plus(request.url) + unquote_plus(request.body.decode())


def a_search_is_a_request_to_its_address_in_ascii(source: SourceUnderTest) -> None:
    request = source.made().search("ab cdé", offset=0, limit=10, token="a-token")
    assert request.url.startswith(BASE_URL)
    assert request.url.isascii()
    assert " " not in request.url
    assert request.method in {"GET", "POST"}


def a_search_asks_for_its_string_by_the_template(source: SourceUnderTest) -> None:
    assert 'name:"ab12"' in _said(source.made().search("ab12", offset=0, limit=10, token="a-token"))


def each_page_is_another_request(source: SourceUnderTest) -> None:
    made = source.made()
    requests = [made.search("ab", offset=offset, limit=10, token="a-token") for offset in (0, 10, 20)]
    assert len({_said(request) for request in requests}) == 3


def a_token_stands_in_headers_alone_since_addresses_are_logged(source: SourceUnderTest) -> None:
    request = source.made().search("ab", offset=0, limit=10, token="a-token")
    assert any("a-token" in value for value in request.headers.values())
    assert "a-token" not in request.url
    assert "a-token" not in repr(request)


def a_new_token_is_used_at_once(source: SourceUnderTest) -> None:
    made = source.made()
    made.search("ab", offset=0, limit=10, token="a-token")
    headers = made.search("ab", offset=0, limit=10, token="another").headers
    assert not any("a-token" in value for value in headers.values())


def a_page_has_its_artists_its_count_and_its_total(source: SourceUnderTest) -> None:
    page = source.read(200, source.examples.page([("1", "One"), ("2", "Two")], 40, True))
    assert isinstance(page, Page)
    assert (page.count, page.total, page.has_next) == (2, 40, True)
    assert [(artist.id, artist.name) for artist in page.artists] == [("1", "One"), ("2", "Two")]


def an_empty_page_is_a_page(source: SourceUnderTest) -> None:
    assert source.read(200, source.examples.page([], 0, False)) == Page(0, 0, has_next=False, artists=[])


def names_hold_nothing_that_the_ledger_refuses(source: SourceUnderTest) -> None:
    """PostgreSQL takes neither NUL nor half a surrogate pair: one would fail a whole batch. A whole pair stays."""
    page = source.read(200, source.examples.page([("1", "a\x00b"), ("2", "c\ud800d"), ("3", "\U0001f600")], 3, False))
    assert isinstance(page, Page)
    assert [artist.name for artist in page.artists] == ["a\ufffdb", "c\ufffdd", "\U0001f600"]


def items_without_id_or_name_count_and_are_not_stored(source: SourceUnderTest) -> None:
    page = source.read(200, source.examples.page([("1", "One"), ("", "Two"), ("3", "")], 3, False))
    assert isinstance(page, Page)
    assert (page.count, [artist.id for artist in page.artists]) == (3, ["1"])


def every_429_is_a_pause_whatever_its_body(source: SourceUnderTest) -> None:
    for body in (*GARBAGE, source.examples.error):
        outcome = source.read(429, body, source.examples.retry_after)
        assert isinstance(outcome, RateLimited)
        assert outcome.retry_after == "7"


def a_429_that_says_no_time_is_a_pause_too(source: SourceUnderTest) -> None:
    outcome = source.read(429)
    assert isinstance(outcome, RateLimited)
    assert outcome.retry_after is None


def every_401_is_about_the_token(source: SourceUnderTest) -> None:
    assert all(isinstance(source.read(401, body), Unauthorized) for body in (*GARBAGE, source.examples.error))


def a_refused_page_size_is_told_from_other_refusals(source: SourceUnderTest) -> None:
    made, refused = source.made(), source.examples.page_size_refused
    assert refused is None or isinstance(made.read(refused, offset=0, limit=50), PageSizeRefused)
    assert 0 < made.small_page_size <= made.cap


def another_4xx_will_not_pass(source: SourceUnderTest) -> None:
    for status in (400, 403, 404, 422):
        outcome = source.read(status, source.examples.error)
        assert isinstance(outcome, Rejected)
        assert outcome.status == status


def an_error_of_the_server_may_pass(source: SourceUnderTest) -> None:
    for status in (500, 502, 503, 504):
        for body in GARBAGE:
            outcome = source.read(status, body)
            assert isinstance(outcome, ServerFailed)
            assert outcome.status == status


def an_answer_that_asks_for_the_same_request_again_may_pass(source: SourceUnderTest) -> None:
    for status in (408, 425):
        for body in (*GARBAGE, source.examples.error):
            assert source.read(status, body) == ServerFailed(status, ANY), (status, body)


def a_200_without_a_page_may_pass(source: SourceUnderTest) -> None:
    whole = source.examples.page([("1", "One")], 1, False)
    for body in (*GARBAGE, whole[: len(whole) // 2]):
        assert isinstance(source.read(200, body), InvalidBody), body


def no_answer_raises(source: SourceUnderTest) -> None:
    made = source.made()

    @settings(max_examples=200, deadline=None, database=None)
    @given(status=st.integers(100, 999), body=st.binary(max_size=60))
    def read(status: int, body: bytes) -> None:
        assert isinstance(made.read(HttpAnswer(status, {}, body), offset=0, limit=50), get_args(Meaning))
        assert isinstance(made.read_token(HttpAnswer(status, {}, body)), get_args(TokenOutcome))

    read()


def messages_hold_nothing_that_the_ledger_refuses(source: SourceUnderTest) -> None:
    """They become dead letters and notes."""
    for status in (400, 401, 429, 500):
        outcome = source.read(status, b"\x00bad\x00")
        assert "\x00" not in outcome.message  # type: ignore[union-attr]


def messages_are_one_short_line_without_commands_to_a_terminal(source: SourceUnderTest) -> None:
    """They are printed: by status, the live view, logs."""
    hostile = "\x1b]0;TITLE\x07a\nSucceeded 100%" + "m" * 100_000
    for body in (hostile.encode(), _json(error={"message": hostile}), _json(error=hostile), _json(artists=hostile)):
        for status in (200, 400, 401, 429, 500):
            for outcome in (source.read(status, body), source.read_token(status, body)):
                message = outcome.message  # type: ignore[union-attr]
                assert message.isprintable(), message
                assert len(message) <= 1_000


def a_token_is_asked_for_at_its_own_address_with_the_credentials(source: SourceUnderTest) -> None:
    request = source.made().token_request()
    assert request.url.startswith(TOKEN_URL)
    assert request != source.made(credentials=Credentials("an-id", "another")).token_request()


def a_secret_stands_in_no_address_and_no_repr(source: SourceUnderTest) -> None:
    request = source.made().token_request()
    assert "a-secret" not in request.url
    assert "a-secret" not in repr(request)


def a_granted_token_says_how_long_it_is_good(source: SourceUnderTest) -> None:
    assert source.read_token(200, source.examples.granted) == Granted("a-token", 3600.0)


def denied_credentials_are_told_from_errors_that_may_pass(source: SourceUnderTest) -> None:
    assert isinstance(source.made().read_token(source.examples.denied), Denied)
    for status in (429, 500, 503):
        assert isinstance(source.read_token(status, source.examples.error), NoToken)


def a_token_answer_without_a_token_may_pass(source: SourceUnderTest) -> None:
    assert all(isinstance(source.read_token(200, body), NoToken) for body in GARBAGE)


def without_an_address_it_is_https_or_refused(source: SourceUnderTest) -> None:
    """No credentials go anywhere unencrypted unless somebody wrote that address."""
    try:
        made = source.made(base_url=None, token_url=None)
    except ConfigurationError:
        return
    assert made.search("ab", offset=0, limit=10, token="t").url.startswith("https://")
    assert made.token_request().url.startswith("https://")


def credentials_go_to_the_host_of_the_address_or_nowhere(source: SourceUnderTest) -> None:
    """An id and a secret are their own service's business: no source may fall back to the token endpoint of another."""
    try:
        request = source.made(token_url=None).token_request()
    except ConfigurationError:
        return
    assert urlsplit(request.url).hostname in {urlsplit(BASE_URL).hostname, source.examples.token_host}


CONTRACT: list[Callable[[SourceUnderTest], None]] = [
    a_search_is_a_request_to_its_address_in_ascii,
    a_search_asks_for_its_string_by_the_template,
    each_page_is_another_request,
    a_token_stands_in_headers_alone_since_addresses_are_logged,
    a_new_token_is_used_at_once,
    a_page_has_its_artists_its_count_and_its_total,
    an_empty_page_is_a_page,
    names_hold_nothing_that_the_ledger_refuses,
    items_without_id_or_name_count_and_are_not_stored,
    every_429_is_a_pause_whatever_its_body,
    a_429_that_says_no_time_is_a_pause_too,
    every_401_is_about_the_token,
    a_refused_page_size_is_told_from_other_refusals,
    another_4xx_will_not_pass,
    an_error_of_the_server_may_pass,
    an_answer_that_asks_for_the_same_request_again_may_pass,
    a_200_without_a_page_may_pass,
    no_answer_raises,
    messages_hold_nothing_that_the_ledger_refuses,
    messages_are_one_short_line_without_commands_to_a_terminal,
    a_token_is_asked_for_at_its_own_address_with_the_credentials,
    a_secret_stands_in_no_address_and_no_repr,
    a_granted_token_says_how_long_it_is_good,
    denied_credentials_are_told_from_errors_that_may_pass,
    a_token_answer_without_a_token_may_pass,
    without_an_address_it_is_https_or_refused,
    credentials_go_to_the_host_of_the_address_or_nowhere,
]

every_check = pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)


def _spotify_page(items: list[tuple[str, str]], total: int, has_next: bool) -> bytes:
    found = [{"id": artist_id, "name": name} for artist_id, name in items]
    return json.dumps({"artists": {"items": found, "total": total, "next": "x" if has_next else None}}).encode()


SPOTIFY_EXAMPLES = SourceExamples(
    page=_spotify_page,
    page_size_refused=HttpAnswer(400, {}, b'{"error":{"status":400,"message":"Invalid limit"}}'),
    granted=b'{"access_token":"a-token","token_type":"Bearer","expires_in":3600}',
    denied=HttpAnswer(400, {}, b'{"error":"invalid_client"}'),
)

EXAMPLES = {"Sandbox": SPOTIFY_EXAMPLES, "Spotify": replace(SPOTIFY_EXAMPLES, token_host="accounts.spotify.com")}
"""By `source.type`. The sandbox sends what Spotify does."""
