"""Fields that came as something else: what is stored of them, and what is left out. Each on the whole way of a page."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from crawl_worker.sources.outcomes import FoundArtist, Page
from crawl_worker.sources.parse import parse_page

WHOLE = {
    "id": "whole",
    "name": "Whole",
    "popularity": 1,
    "followers": {"href": None, "total": 2},
    "genres": ["pop"],
    "images": [{"url": "u", "height": 3, "width": 4}],
}


def _page(items: list[Any], **more: Any) -> Page:
    return parse_page(
        json.dumps({"artists": {"items": items, "total": len(items), **more}}).encode(), offset=0, limit=50
    )


def _read(**fields: Any) -> tuple[FoundArtist, list[str]]:
    """The artist whose fields came so, beside one that came as it should; and which fields were left out."""
    page = _page([WHOLE, {"id": "odd", "name": "Odd", **fields}])
    assert msgspec.to_builtins(page.artists[0]) == {
        "id": "whole",
        "name": "Whole",
        "popularity": 1,
        "followers": 2,
        "genres": ["pop"],
        "images": [{"url": "u", "height": 3, "width": 4}],
    }
    return page.artists[1], [left_out.field.value for left_out in page.unreadable]


@pytest.mark.parametrize(
    ("came", "stored"),
    [(59, 59), (59.0, 59), ("59", 59), (0, 0), (-0.0, 0), (32_767, 32_767), (None, None)],
)
def test_a_number_is_read_in_each_way_that_it_is_written(came: Any, stored: int | None) -> None:
    artist, left_out = _read(popularity=came)
    assert (artist.popularity, left_out) == (stored, [])


@pytest.mark.parametrize(
    "came",
    [
        59.5,
        -1,
        32_768,
        1e300,
        float("nan"),
        float("inf"),
        10**4_000,
        "",
        "59.0",
        "١",
        " 59",
        "many",
        True,
        [59],
        {"a": 1},
    ],
    ids=lambda came: str(came)[:10],
)
def test_what_is_no_such_number_is_left_out(came: Any) -> None:
    artist, left_out = _read(popularity=came)
    assert (artist.popularity, left_out) == (None, ["popularity"])


@pytest.mark.parametrize(
    ("came", "stored", "left_out"),
    [
        ({"total": 1000.0}, 1000, []),
        ({"total": "1000"}, 1000, []),
        ({"total": 2**63 - 1}, 2**63 - 1, []),
        ({"total": 2**63}, None, ["followers"]),
        ({"total": 1e19}, None, ["followers"]),
        ({"total": -1}, None, ["followers"]),
        ({"total": [1]}, None, ["followers"]),
        ({"total": None}, None, []),
        ({}, None, []),
        (None, None, []),
        (1000, None, ["followers"]),
        ("1000", None, ["followers"]),
        ([{"total": 1}], None, ["followers"]),
        (False, None, ["followers"]),
    ],
)
def test_followers_are_the_total_of_an_object(came: Any, stored: int | None, left_out: list[str]) -> None:
    artist, fields = _read(followers=came)
    assert (artist.followers, fields) == (stored, left_out)


@pytest.mark.parametrize(
    ("came", "stored", "left_out"),
    [
        (["a", None, "", "b"], ["a", "b"], []),
        ([None], [], []),
        ([], [], []),
        (None, None, []),
        ("pop", None, ["genres"]),
        ({"0": "pop"}, None, ["genres"]),
        (7, None, ["genres"]),
        ([7], None, ["genres"]),
        (["a", {"name": "b"}, ["c"]], ["a"], ["genres"]),
        (["g" * 201, "h" * 200], ["h" * 200], ["genres"]),
        (["g"] * 101, ["g"] * 100, ["genres"]),
        (["g\x00"], ["g\ufffd"], []),
    ],
    ids=lambda value: str(value)[:20],
)
def test_of_genres_those_are_stored_that_can_be_read(came: Any, stored: Any, left_out: list[str]) -> None:
    artist, fields = _read(genres=came)
    assert (artist.genres, fields) == (stored, left_out)


@pytest.mark.parametrize(
    ("came", "stored", "left_out"),
    [
        ([{"url": "a", "height": 640.0, "width": "640"}], [{"url": "a", "height": 640, "width": 640}], []),
        ([{"url": "a", "height": 0.5, "width": 1e300}], [{"url": "a"}], ["images"]),
        ([{"url": "a", "height": 2**31}], [{"url": "a"}], ["images"]),
        ([{"url": "a"}, None], [{"url": "a"}], []),
        ([{"url": "a"}, "b", 7, []], [{"url": "a"}], ["images"]),
        ([{"url": 7, "height": 1}], None, ["images"]),
        ([{"url": "u" * 2_001}], None, ["images"]),
        ([{"url": "a"}] * 21, [{"url": "a"}] * 20, ["images"]),
        ({"url": "a"}, None, ["images"]),
        ("a", None, ["images"]),
        ([], [], []),
        (None, None, []),
    ],
    ids=lambda value: str(value)[:20],
)
def test_of_images_those_are_stored_that_can_be_read(came: Any, stored: Any, left_out: list[str]) -> None:
    artist, fields = _read(images=came)
    assert (msgspec.to_builtins(artist.images), fields) == (stored, left_out)


@pytest.mark.parametrize(
    ("came", "stored"),
    [("n" * 1_000, "n" * 1_000), ("n" * 1_001, "n" * 999 + "…"), (311, "311"), ("a\x00\ud800", "a\ufffd\ufffd")],
)
def test_a_name_that_can_be_read_is_stored(came: Any, stored: str) -> None:
    assert _page([{"id": "a", "name": came}]).artists == [FoundArtist("a", stored)]


@pytest.mark.parametrize("came", [None, "", 1.5, True, ["n"], {"name": "n"}], ids=str)
def test_without_a_name_an_item_counts_and_is_no_artist(came: Any) -> None:
    page = _page([WHOLE, {"id": "a", "name": came}])
    assert (page.count, [artist.id for artist in page.artists]) == (2, ["whole"])
    assert [left_out.field.value for left_out in page.unreadable] == ["name"]


@pytest.mark.parametrize(
    "came",
    [None, "", 7, ["a"], {"id": "a"}, "i" * 129, "i" * 40_000, "a\nb", "a\x1bb", "a\x00b", "a\ud800b", "a\u202eb"],
    ids=lambda came: str(came)[:10].encode("unicode_escape").decode(),
)
def test_without_an_id_an_item_counts_and_is_no_artist(came: Any) -> None:
    page = _page([WHOLE, {"id": came, "name": "n"}])
    assert (page.count, [artist.id for artist in page.artists]) == (2, ["whole"])
    assert [left_out.field.value for left_out in page.unreadable] == ["id"]


def test_an_entry_that_is_no_artist_counts_and_is_told_unless_it_is_null() -> None:
    page = _page([None, WHOLE, "text", 7, [WHOLE]])
    assert (page.count, [artist.id for artist in page.artists]) == (5, ["whole"])
    assert [left_out.field.value for left_out in page.unreadable] == ["item"] * 3


def test_all_fields_of_all_artists_may_be_odd_at_once() -> None:
    odd = {"popularity": "x", "followers": [], "genres": "y", "images": 7.5}
    page = _page([{"id": f"a{n}", "name": "n", **odd} for n in range(50)], total="many", limit=None, offset={})
    assert [artist.id for artist in page.artists] == [f"a{n}" for n in range(50)]
    assert len(page.unreadable) == 2 + 4 * 50


@pytest.mark.parametrize(
    ("came", "shown"),
    [("\x1b[2Jx" * 100, '"' + "x" * 59 + '…"'), ([1], "a list"), ({}, "an object"), (1.5, "1.5"), (True, "true")],
    ids=str,
)
def test_what_was_left_out_is_shown_by_a_short_example(came: Any, shown: str) -> None:
    assert _page([{"id": "a", "name": "n", "popularity": came}]).unreadable[0].example == shown
