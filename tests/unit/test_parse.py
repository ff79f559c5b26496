"""Bodies of search answers, good and bad."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from crawl_worker.sources.json_body import InvalidBodyError
from crawl_worker.sources.outcomes import Page
from crawl_worker.sources.parse import parse_page

ARTIST = {
    "id": "0OdUWJ0sBjDrqHygGUXeCF",
    "name": "Band of Horses",
    "popularity": 59,
    "followers": {"href": None, "total": 306565},
    "genres": ["indie folk"],
    "images": [{"url": "https://i.example/1", "height": 640, "width": 640}],
    "type": "artist",
}


def _parse(items: list[Any], **more: Any) -> Page:
    body = json.dumps({"artists": {"items": items, "total": len(items), "next": None, **more}}).encode()
    return _page_of(body)


def _page_of(body: bytes) -> Page:
    """As the answer to a request for the first 50."""
    return parse_page(body, offset=0, limit=50)


def test_all_stored_fields_are_read() -> None:
    artist = _parse([ARTIST]).artists[0]
    assert (artist.id, artist.name, artist.popularity, artist.followers) == (
        "0OdUWJ0sBjDrqHygGUXeCF",
        "Band of Horses",
        59,
        306565,
    )
    assert (artist.genres, msgspec.to_builtins(artist.images)) == (["indie folk"], ARTIST["images"])


def test_fields_that_development_mode_omits_are_missing_not_zero() -> None:
    artist = _parse([{"id": "a", "name": "A"}]).artists[0]
    assert (artist.popularity, artist.followers, artist.genres, artist.images) == (None, None, None, None)


def test_null_items_count_and_are_not_stored() -> None:
    page = _parse([None, {"id": "a", "name": "A"}, {"name": "no id"}])
    assert (page.count, [artist.id for artist in page.artists]) == (3, ["a"])


def test_next_is_only_a_hint_that_there_is_more() -> None:
    assert _parse([ARTIST], next="https://api.example/v1/search?offset=50").has_next
    assert not _parse([ARTIST]).has_next
    assert not _parse([ARTIST], next="").has_next


def test_a_page_says_which_page_it_is_or_does_not() -> None:
    page = _parse([ARTIST], limit=10, offset=0)
    assert (page.limit, page.offset) == (10, 0)
    page = _page_of(b'{"artists":{"items":[]}}')
    assert (page.limit, page.offset, page.total) == (None, None, None)


def test_more_items_than_were_asked_for_are_no_answer() -> None:
    with pytest.raises(InvalidBodyError, match="51 items, and 50 were asked for"):
        _parse([ARTIST] * 51)


def test_a_page_of_another_offset_is_no_answer() -> None:
    with pytest.raises(InvalidBodyError, match="begins at offset 50, and 0 was asked for"):
        _parse([ARTIST], offset=50)


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        (r"a\u0000b", "a\ufffdb"),
        (r"a\ud800b", "a\ufffdb"),
        (r"a\uDFFFb", "a\ufffdb"),
        (r"\ud83d\ude00", "\U0001f600"),
        (r"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (r"a\\ud800", r"a\ud800"),
        (r"a\\u0000", r"a\u0000"),
        (r"a\\\ud800", "a\\\ufffd"),
    ],
)
def test_what_postgresql_cannot_store_becomes_the_replacement_character(written: str, stored: str) -> None:
    body = b'{"artists":{"items":[{"id":"a","name":"%s"}],"total":1}}' % written.encode()
    assert _page_of(body).artists[0].name == stored


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"Too many requests",
        b"<html><body>502 Bad Gateway</body></html>",
        b'{"artists":{"items":[{"id":"a","na',
        b"{}",
        b'{"artists":null}',
        b'{"artists":{"total":3}}',
        b'{"artists":{"items":{}}}',
        b'{"artists":{"items":[{"id":7}]}}',
        b'{"artists":{"items":[{"id":"a","name":"\xff\xfe"}]}}',
        b"[" * 100_000,
        b"null",
    ],
)
def test_a_body_of_another_shape_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidBodyError):
        _page_of(body)
