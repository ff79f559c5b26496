"""Bodies of search answers, good and bad."""

from __future__ import annotations

import json
import tracemalloc
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from crawl_worker.sources import parse
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


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (None, None),
        (23.0, 23),
        ("23", 23),
        (2**31 - 1, 2**31 - 1),
        (2**31, None),
        (-1, None),
        ("many", None),
        ([], None),
    ],
)
def test_a_total_that_cannot_be_read_is_absent(said: Any, read: int | None) -> None:
    page = _parse([ARTIST], total=said)
    assert (page.total, len(page.artists)) == (read, 1)
    assert len(page.unreadable) == (read is None and said is not None)


@pytest.mark.parametrize("total", ["9" * 100_000, "1e400", "NaN", "-Infinity"])
def test_a_total_that_python_cannot_hold_is_absent(total: str) -> None:
    page = _page_of(b'{"artists":{"items":[{"id":"a","name":"b"}],"total":%s}}' % total.encode())
    assert (page.total, len(page.artists)) == (None, 1)


@pytest.mark.parametrize(
    ("limit", "offset", "read"),
    [
        (10.0, 0.0, (10, 0)),
        ("10", "0", (10, 0)),
        (None, None, (None, None)),
        (0, -5, (None, None)),
        ([], {}, (None, None)),
        # It has two items, so that is not its limit.
        (1, 0, (None, 0)),
    ],
)
def test_limit_and_offset_that_cannot_be_read_refuse_no_page(
    limit: Any, offset: Any, read: tuple[int | None, int | None]
) -> None:
    page = _parse([ARTIST, {"id": "b", "name": "B"}], limit=limit, offset=offset)
    assert (page.limit, page.offset) == read


def _full_of(entry: str, around: str) -> bytes:
    """A body of 200 kB: `around`, with as many entries as fit."""
    return (around % ",".join([entry] * (200_000 // (len(entry) + 1)))).encode()


_ITEMS = '{"artists":{"items":[%s]}}'
_NOT_A_NUMBER = '{"artists":{"items":[{"popularity":NaN},%s]}}'
_UNREAD = '{"x":[%s],"artists":{"items":[{"id":"a","name":"b","popularity":1.5}]}}'


@pytest.mark.parametrize(
    "body",
    [
        *(
            _full_of(entry, around)
            for entry in ("{}", "[]", '{"a":{}}', "1.5")
            for around in (_ITEMS, _NOT_A_NUMBER, _UNREAD)
        ),
        _full_of('"é"', '{"artists":{"items":[{"id":"a","name":"b","genres":[%s]}]}}'),
        _full_of('{"url":"ab"}', '{"artists":{"items":[{"id":"a","name":"b","images":[%s]}]}}'),
        _full_of(r"\ud83d\ude00", '{"artists":{"items":[{"id":"a","name":"%s"}]}}'),
        _full_of(r"\\", '{"artists":{"items":[{"id":"a","name":"%s"}]}}'),
        _full_of("[", '{"x":%s}'),
    ],
    ids=lambda body: body[:60].decode(),
)
def test_a_body_costs_memory_in_proportion(body: bytes) -> None:
    tracemalloc.start()
    try:
        with suppress(InvalidBodyError):
            _page_of(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40 * len(body)


@pytest.mark.parametrize("offset", [50, 50.0, "50"])
def test_a_page_of_another_offset_is_no_answer_however_it_says_so(offset: Any) -> None:
    with pytest.raises(InvalidBodyError, match="begins at offset 50, and 0 was asked for"):
        _parse([ARTIST], offset=offset)


@pytest.mark.parametrize(
    ("said", "has_next"),
    [
        ({"href": "x"}, True),
        (["x"], True),
        (1, True),
        (True, True),
        ({}, False),
        ([], False),
        (0, False),
        (False, False),
    ],
)
def test_next_of_another_type_is_more_unless_it_is_empty(said: Any, has_next: bool) -> None:
    assert _parse([ARTIST], next=said).has_next is has_next


@pytest.mark.parametrize(
    "page",
    ['{"items":null,"total":0}', '{"total":0}', '{"total":"0"}'],
)
def test_no_items_at_all_are_an_empty_page_where_the_total_says_so(page: str) -> None:
    page_read = _page_of(f'{{"artists":{page}}}'.encode())
    assert (page_read.count, page_read.artists) == (0, [])


@pytest.mark.parametrize(
    "page",
    ['{"items":null}', '{"items":null,"total":null}', '{"items":null,"total":-1}', '{"items":null,"total":"many"}'],
)
def test_no_items_at_all_are_no_page_where_no_total_says_so(page: str) -> None:
    with pytest.raises(InvalidBodyError, match="no list of items"):
        _page_of(f'{{"artists":{page}}}'.encode())


def test_a_page_is_read_in_each_way_that_json_is_written() -> None:
    body = json.dumps({"artists": {"items": [ARTIST], "total": 1}}).encode()
    for written in (b"\xef\xbb\xbf" + body, b" \n" + body + b"\r\n", body.replace(b"Band of", b"Band\tof")):
        assert [artist.id for artist in _page_of(written).artists] == [ARTIST["id"]]


@pytest.mark.parametrize(
    "items",
    [
        [{"id": 7, "name": "n"}] * 2,
        [{"key": "a", "name": "n"}] * 2,
        [{"id": "a", "title": "n"}] * 2,
        ["a", 7],
        [[ARTIST]] * 2,
    ],
    ids=["number", "renamed id", "renamed name", "no objects", "lists"],
)
def test_a_page_on_which_nothing_looks_like_an_artist_is_no_answer(items: list[Any]) -> None:
    with pytest.raises(InvalidBodyError, match="none of the page's 2 items has an id and a name"):
        _parse([*items, None])


@pytest.mark.parametrize(
    "items",
    [[None, None], [{"id": 7, "name": "n"}], ["a", None], [{"id": "", "name": "n"}, {"id": "i" * 40_000, "name": ""}]],
    ids=["nulls", "one alone", "one beside null", "not to be stored"],
)
def test_a_page_of_entries_that_cannot_be_stored_is_one(items: list[Any]) -> None:
    page = _parse(items)
    assert (page.count, page.artists) == (len(items), [])


def test_more_items_than_were_asked_for_are_no_answer() -> None:
    with pytest.raises(InvalidBodyError, match="51 items, and 50 were asked for"):
        _parse([ARTIST] * 51)
    with pytest.raises(InvalidBodyError, match="51 items, and 50 were asked for"):
        _parse([7] * 51)


def test_far_too_many_items_are_refused_before_they_are_built(monkeypatch: pytest.MonkeyPatch) -> None:
    for reader in ("_decode_at_once", "_read_field_by_field"):
        monkeypatch.delattr(parse, reader)
    with pytest.raises(InvalidBodyError, match="at most length 50"):
        _parse([{}] * 100_000)


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
        b'{"artists":{}}',
        b'{"artists":[]}',
        b'{"artists":{"items":null,"total":3}}',
        b'{"artists":{"items":null,"total":"many"}}',
        b'{"artists":{"items":"none"}}',
        b'[{"artists":{"items":[]}}]',
        '{"artists":{"items":[]}}'.encode("utf-16"),
        b'{"artists":{"items":{}}}',
        b'{"artists":{"items":[{"id":"a","name":"\xff\xfe"}]}}',
        b"[" * 100_000,
        b"null",
    ],
)
def test_a_body_of_another_shape_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidBodyError):
        _page_of(body)
