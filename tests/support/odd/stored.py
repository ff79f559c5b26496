"""Answers whose stored fields are odd: no artist is lost for a field, and no string for an artist."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from support.odd.shape import APART, PAGES, Shape
from support.odd.wire import SIZES, Ask, Json, Reply, Search, answer, artist, artists, page

Change = Callable[[dict[str, Json], int], None]
"""What is done to an artist, whose place in the page is given."""


def every_artist(change: Change) -> Search:
    """All artists of all pages are changed."""

    def search(ask: Ask) -> Reply:
        found = artists(ask)
        for place, one in enumerate(found):
            change(one, place)
        return answer({"artists": page(ask, items=found)})

    return search


def first_artist(change: Change) -> Search:
    """The first artist of each page is changed."""
    return every_artist(lambda one, place: change(one, place) if place == 0 else None)


def setting(key: str, value: Json) -> Search:
    """All artists have this value in a field."""
    return every_artist(lambda one, _: one.update({key: value}))


def followers(total: Json) -> Search:
    return setting("followers", {"href": None, "total": total})


def rotating(key: str, values: Sequence[Json]) -> Search:
    """Each artist of a page has another of these values in a field."""
    return every_artist(lambda one, place: one.update({key: values[place % len(values)]}))


def image(**change: Json) -> Search:
    return every_artist(lambda one, _: one["images"][0].update(change))


def _only_id_and_name(one: dict[str, Json], _: int) -> None:
    for key in set(one) - {"id", "name"}:
        del one[key]


def _literally(mark: str, literal: str) -> Search:
    """A number that Python's encoder would not write so."""
    marked = followers(mark)

    def search(ask: Ask) -> Reply:
        return Reply(marked(ask).body.replace(f'"{mark}"'.encode(), literal.encode()))

    return search


def _alternating(one: dict[str, Json], place: int) -> None:
    odd: list[tuple[str, Json]] = [
        ("popularity", "high"),
        ("popularity", {"value": 4}),
        ("followers", {"total": {"count": 4}}),
        ("followers", {}),
        ("genres", {"0": "rock"}),
        ("genres", 7),
        ("images", "https://i.example.com/4"),
        ("images", [[]]),
    ]
    key, value = odd[place % len(odd)]
    one[key] = value


def _null_items(ask: Ask) -> Reply:
    return answer({"artists": page(ask, items=[one if place % 5 else None for place, one in enumerate(artists(ask))])})


EVERY_FIFTH = frozenset(
    str(artist(string, index)["id"]) for string, size in SIZES.items() for index in range(size) if index % 50 % 5 == 0
)
FIRST_OF_EACH_PAGE = frozenset(
    str(artist(string, index)["id"]) for string, size in SIZES.items() for index in range(0, size, 50)
)


def _odd_items(ask: Ask) -> Reply:
    odd: list[Json] = ["text", 7, [], True, {}]
    found = [one if place % 5 else odd[place // 5 % len(odd)] for place, one in enumerate(artists(ask))]
    return answer({"artists": page(ask, items=found)})


def _no_items_where_none(value: Json, *, missing: bool = False) -> Search:
    def search(ask: Ask) -> Reply:
        content = page(ask)
        if not content["items"]:
            content["items"] = value
            if missing:
                del content["items"]
        return answer({"artists": content})

    return search


def total_says(says: Callable[[Ask], Json]) -> Search:
    """The page's total is something else."""
    return lambda ask: answer({"artists": page(ask, total=says(ask))})


def _without_total(ask: Ask) -> Reply:
    content = page(ask)
    del content["total"]
    return answer({"artists": content})


def _times_ten(ask: Ask) -> int:
    return SIZES.get(ask.string, 0) * 10


def _wobbling(ask: Ask) -> int:
    size = SIZES.get(ask.string, 0)
    return size + (341, -7, 9)[ask.offset // 50 % 3] if size > 50 else size


def _surrogate(ask: Ask) -> Reply:
    marked = first_artist(lambda one, _: one.update(name="MARK", genres=["MARK"]))
    return Reply(marked(ask).body.replace(b"MARK", rb"a\u0000b\ud800c"))


def _strange_everywhere(ask: Ask) -> Reply:
    found = [one | {"a": {"b": [1, {"c": None}]}, "": 0, "\u20ac": 1.5} for one in artists(ask)]
    return answer({"albums": None, "artists": page(ask, items=found, href=7, previous=[], cursors={}), "x": [[]]})


def _repeated(ask: Ask) -> Reply:
    """Each later page begins with the last artist of the page before, in place of its own first."""
    found = artists(ask)
    if ask.offset and found:
        found[0] = artist(ask.string, ask.offset - 1)
    return answer({"artists": page(ask, items=found)})


REPEATED = frozenset({str(artist(string, index)["id"]) for string in ("aa", "cc") for index in (50, 100)})

IMAGE = {"url": "https://i.example.com/1", "height": 640, "width": 640}
TOTALS: list[Json] = [None, -1, 0.5, {"value": 120, "relation": "gte"}, [], True, "many", 1e30]


def _odd_total(ask: Ask) -> Json:
    return TOTALS[sorted(SIZES).index(ask.string) % len(TOTALS)] if ask.string in SIZES else None


ALONE_TWICE = (PAGES + 1, PAGES + 4)
"""The artist of `ba` is alone on its page: where that one cannot be read the page is asked for once more."""
EMPTY_TWICE = (PAGES + 1, PAGES + 4)
"""The string that nobody has is asked for once more where no total says so."""

STORED = [
    Shape("followers-floats", "whole numbers are written as 1000.0", followers(1000.0)),
    Shape("followers-text", "a number for people to read", followers("1,000")),
    Shape("followers-bare", "the number where an object is due", setting("followers", 1000)),
    Shape("followers-null", "null where an object is due", setting("followers", None)),
    Shape("followers-huge", "a float beyond its column", followers(1e30)),
    Shape("followers-2-63", "the first integer that its column cannot hold", followers(2**63)),
    Shape("followers-long", "an integer of 400 digits", _literally("MARK", "9" * 400)),
    Shape("followers-exponent", "a number beyond any float", _literally("MARK", "1e400")),
    Shape(
        "followers-rotating",
        "each artist's are odd in another way",
        rotating("followers", [{"total": 1000.5}, [1, 2], {"total": -1}, {"total": True}, {}, "many", {"total": [1]}]),
    ),
    Shape("popularity-text", "a number as text", setting("popularity", "50")),
    Shape("popularity-70000", "beyond its column", setting("popularity", 70_000)),
    Shape(
        "popularity-rotating",
        "each artist's is odd in another way",
        rotating("popularity", [None, -1, 55.5, [50], True, "high", 1e30, {"value": 4}, 10**30, -32_769]),
    ),
    Shape("genres-text", "one genre without its list", setting("genres", "rock")),
    Shape(
        "genres-rotating",
        "each artist's are odd in another way",
        rotating("genres", [None, [{"name": "rock"}], ["rock", None, 7, ["pop"]], 7, {"0": "rock"}, [[]], [""]]),
    ),
    Shape("genres-many", "ten thousand of them", first_artist(lambda o, _: o.update(genres=["rock"] * 10_000))),
    Shape("images-object", "one image without its list", setting("images", IMAGE)),
    Shape("images-sizes-floats", "sizes as floats", image(height=640.0, width=640.0)),
    Shape(
        "images-rotating",
        "each artist's are odd in another way",
        rotating(
            "images",
            [
                None,
                ["https://i.example.com/1", None],
                [IMAGE | {"height": "640px", "width": None}],
                [IMAGE | {"height": 10**20, "width": -(10**20)}],
                [IMAGE | {"url": None}],
                "https://i.example.com/1",
                [[]],
                5,
            ],
        ),
    ),
    Shape("id-and-name-alone", "development mode, and more is left out", every_artist(_only_id_and_name)),
    Shape("every-artist-otherwise", "each artist of a page has an odd field of its own", every_artist(_alternating)),
    Shape("odd-in-one-artist", "a single artist is odd", first_artist(lambda o, _: o.update(popularity="x", genres=1))),
    Shape("unknown-fields", "fields that nobody knows, and known ones that nobody reads, are odd", _strange_everywhere),
    Shape("nul-and-surrogates", "texts that PostgreSQL cannot store", _surrogate),
    Shape("name-of-10000", "a very long name", first_artist(lambda o, _: o.update(name="n" * 10_000))),
    Shape("null-items", "every fifth item is null", _null_items, requests=ALONE_TWICE, unreadable=EVERY_FIFTH),
    Shape("odd-items", "every fifth item is no object", _odd_items, requests=ALONE_TWICE, unreadable=EVERY_FIFTH),
    Shape(
        "names-null",
        "the first item of each page has no name",
        first_artist(lambda one, _: one.update(name=None)),
        requests=ALONE_TWICE,
        unreadable=FIRST_OF_EACH_PAGE,
    ),
    Shape(
        "ids-odd",
        "the first item of each page has a number for an id",
        first_artist(lambda one, _: one.update(id=7)),
        requests=ALONE_TWICE,
        unreadable=FIRST_OF_EACH_PAGE,
    ),
    Shape("items-null-where-none", "null for an empty list", _no_items_where_none(None)),
    Shape("items-missing-where-none", "no list for an empty one", _no_items_where_none(None, missing=True)),
    Shape("total-text", "the total as text", total_says(lambda ask: str(SIZES.get(ask.string, 0)))),
    Shape("total-float", "the total as a float", total_says(lambda ask: float(SIZES.get(ask.string, 0)))),
    Shape("total-odd", "each string's total is odd in another way", total_says(_odd_total), requests=EMPTY_TWICE),
    Shape("total-absent", "no total at all", _without_total, requests=EMPTY_TWICE),
    Shape("total-too-low", "1 for everything", total_says(lambda ask: min(1, SIZES.get(ask.string, 0)))),
    Shape(
        "total-2-40",
        "a total beyond its column, of all strings that have any",
        total_says(lambda ask: 2**40 if SIZES.get(ask.string) else 0),
        # A careful reader may look past the end of what is said to go on.
        requests=(PAGES, PAGES + APART),
    ),
    Shape("total-too-high", "ten times too many", total_says(_times_ten), requests=(PAGES, PAGES + APART)),
    Shape("total-wobbling", "another total on each page", total_says(_wobbling), requests=(PAGES, PAGES + 4)),
    Shape("repeated-over-pages", "a page begins with the artist before it", _repeated, unreadable=REPEATED),
]
"""Each with the artists' ids and names as they should be, unless it says otherwise."""
