"""Pages have the shape, the limits and the oddities of the real API."""

import json
from typing import Any

import pytest

from crawl_sandbox import catalogue, synthetic
from crawl_sandbox.answers import Renderer
from crawl_sandbox.catalogue import Row
from crawl_sandbox.faults import Quirks
from crawl_sandbox.matching import WordIndex
from crawl_sandbox.search import Mode, read_search

BASE = "http://api.test"
CROWD = catalogue.arrange(Row(f"{number:022}", f"Same {number}", 50) for number in range(1200))


def page(
    query_string: str, artists: catalogue.Catalogue = CROWD, *, mode: Mode = "extended", **quirks: Any
) -> dict[str, Any]:
    call = read_search(query_string.encode(), mode)
    assert call.problem is None
    found = WordIndex(artists.names).find(call.words)
    answer = Renderer(artists, mode, Quirks(**quirks), seed=0).page(call, found, BASE)
    document: dict[str, Any] = json.loads(answer.body)["artists"]
    return document


def test_a_page_has_all_fields_of_the_real_one() -> None:
    first = page("type=artist&q=sa&limit=2")
    assert {key: first[key] for key in ("href", "limit", "next", "offset", "previous", "total")} == {
        "href": f"{BASE}/v1/search?query=sa&type=artist&offset=0&limit=2",
        "limit": 2,
        "next": f"{BASE}/v1/search?query=sa&type=artist&offset=2&limit=2",
        "offset": 0,
        "previous": None,
        "total": 1200,
    }
    assert [item["id"] for item in first["items"]] == [f"{0:022}", f"{1:022}"]


def test_an_artist_has_all_fields_of_the_real_one() -> None:
    item = page("type=artist&q=sa&limit=1")["items"][0]
    assert sorted(item) == [
        "external_urls", "followers", "genres", "href", "id", "images", "name", "popularity", "type", "uri",
    ]  # fmt: skip


def test_development_mode_has_neither_followers_nor_popularity() -> None:
    item = page("type=artist&q=sa&limit=1", mode="development")["items"][0]
    assert "followers" not in item
    assert "popularity" not in item


@pytest.mark.parametrize(("mode", "expected"), [("extended", 20), ("development", 5)])
def test_a_page_is_as_long_as_the_mode_says_when_nobody_says(mode: Mode, expected: int) -> None:
    assert len(page("type=artist&q=sa", mode=mode)["items"]) == expected


def test_next_points_past_the_cap() -> None:
    last = page("type=artist&q=sa&offset=950&limit=50")
    assert len(last["items"]) == 50
    assert last["next"].endswith("offset=1000&limit=50")


def test_the_last_page_has_no_next() -> None:
    few = catalogue.arrange(synthetic.generate(50, seed=1))
    assert page("type=artist&q=th&limit=50", few)["next"] is None


@pytest.mark.parametrize(
    ("query_string", "mode", "message"),
    [
        ("type=artist", "extended", "No search query"),
        ("type=artist&q=", "extended", "No search query"),
        ("type=artist&q=*", "extended", "No search query"),
        ("q=a", "extended", "Missing parameter type"),
        ("q=a&type=track", "extended", "Bad search type field track"),
        ("q=a&type=artist,album", "extended", "Bad search type field artist,album"),
        ("q=a&type=artist&limit=51", "extended", "Invalid limit"),
        ("q=a&type=artist&limit=0", "extended", "Invalid limit"),
        ("q=a&type=artist&limit=ten", "extended", "Invalid limit"),
        ("q=a&type=artist&limit=11", "development", "Invalid limit"),
        ("q=a&type=artist&offset=-1", "extended", "Invalid offset"),
        ("q=a&type=artist&offset=1001&limit=1", "extended", "Invalid offset"),
        ("q=a&type=artist&offset=951&limit=50", "extended", "Bad request"),
        ("q=a&type=artist&market=Sweden", "extended", "Invalid market code"),
        ("q=year:2001&type=artist", "extended", "Unsupported filter year"),
    ],
)
def test_what_the_api_would_refuse_is_refused(query_string: str, mode: Mode, message: str) -> None:
    assert str(read_search(query_string.encode(), mode).problem).startswith(message)


@pytest.mark.parametrize("query_string", ["q=caf%C3%A9+x&type=artist", "type=artist&query=caf%C3%A9%20x"])
def test_a_query_is_decoded(query_string: str) -> None:
    assert read_search(query_string.encode(), "extended").query == "café x"


def test_totals_wobble_by_offset_but_promise_no_page_too_few() -> None:
    totals = [page(f"type=artist&q=sa&limit=50&offset={at}", wobble_total=9)["total"] for at in range(0, 1000, 50)]
    assert len(set(totals)) > 3
    assert all(1191 <= total <= 1209 for total in totals)
    pages = [page(f"type=artist&q=119&limit=1&offset={at}", wobble_total=9) for at in range(10)]
    assert all(one["next"] for one in pages)


def test_totals_can_be_clipped() -> None:
    assert page("type=artist&q=sa", clip_total=1000)["total"] == 1000


@pytest.mark.parametrize(("quirk", "missing"), [({"null_items": 0.5}, None), ({"missing_followers": 0.5}, "followers")])
def test_items_and_followers_can_be_missing_and_the_same_ones_each_time(
    quirk: dict[str, float], missing: str | None
) -> None:
    def holes() -> list[bool]:
        items = page("type=artist&q=sa&limit=50", **quirk)["items"]
        return [item is None or (missing is not None and missing not in item) for item in items]

    assert 10 < sum(holes()) < 40
    assert holes() == holes()


def test_odd_names_carry_nul_and_lone_surrogates_and_are_found_all_the_same() -> None:
    names = [item["name"] for item in page("type=artist&q=sa&limit=50", odd_names=1.0)["items"]]
    assert sorted({name[-1] for name in names}) == ["\u0000", "\ud800", "\udfff"]


def test_a_name_with_quotes_stays_json() -> None:
    artists = catalogue.arrange([Row("x", 'Say "Hi" \\ \n')])
    assert page("type=artist&q=hi", artists)["items"][0]["name"] == 'Say "Hi" \\ \n'
