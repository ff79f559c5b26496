"""Answers that are wrong about themselves: another limit, another offset, nothing where there is something."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from support.odd.shape import APART, PAGES, Shape, pages_of
from support.odd.wire import SIZES, Ask, Json, Reply, Search, answer, artist, artists, error, faithful, page


def clamped(limit_of: Callable[[Ask], int], **says: Json) -> Search:
    """Fewer are handed out than were asked for, and `next` fits."""

    def search(ask: Ask) -> Reply:
        limit = min(ask.limit, limit_of(ask))
        return answer({"artists": page(ask, limit=limit) | says})

    return search


def _silent(search: Search, *keys: str) -> Search:
    def silent(ask: Ask) -> Reply:
        content = json.loads(search(ask).body)
        for key in keys:
            del content["artists"][key]
        return answer(content)

    return silent


def in_pages_of(each: int) -> int:
    """Requests for everything, so many at a time."""
    return sum(pages_of(size, each) for size in SIZES.values())


def _later_pages_of_20() -> int:
    return sum(pages_of(size) if size <= 50 else 1 + pages_of(size - 50, 20) for size in SIZES.values())


def _wobbling(ask: Ask) -> int:
    return random.Random(f"{ask.string} {ask.offset}").randint(5, 50)


def following(says: Callable[[Ask, Json], Json]) -> Search:
    """`next` is something else."""

    def search(ask: Ask) -> Reply:
        content = page(ask)
        return answer({"artists": content | {"next": says(ask, content["next"])}})

    return search


def _more_than_asked(ask: Ask) -> Reply:
    wide = Ask(**{**vars(ask), "limit": ask.limit + 10})
    return answer({"artists": page(ask, items=artists(wide))})


MANY = ("aa", "ab", "ba", "bc", "cb", "cc")


def at_first(odd: Search, *, times: int = 1, strings: Sequence[str] = MANY) -> Search:
    """Each page of some strings is odd for the first few times."""
    return lambda ask: odd(ask) if ask.nth <= times and ask.string in strings else faithful(ask)


def for_ever(odd: Search, *strings: str) -> Search:
    """Some strings are always odd."""
    return lambda ask: odd(ask) if ask.string in strings else faithful(ask)


def _from_the_start(ask: Ask) -> Reply:
    """The first page, whatever was asked for; and it says so."""
    return faithful(Ask(**{**vars(ask), "offset": 0}))


def _offset_says_0(ask: Ask) -> Reply:
    return answer({"artists": page(ask, offset=0)})


def empty(ask: Ask) -> Reply:
    """No items, whatever the total says."""
    return answer({"artists": page(ask, items=[], next=None)})


def _null(ask: Ask) -> Reply:
    return answer({"artists": page(ask, items=None, next=None)})


def nulls(ask: Ask) -> Reply:
    """As many items as there are to be, and each is null."""
    return answer({"artists": page(ask, items=[None for _ in artists(ask)])})


def for_a_while(odd: Search, seconds: float) -> Search:
    """Everybody gets odd answers until so long after the first search."""
    return lambda ask: odd(ask) if ask.since_s < seconds else faithful(ask)


def for_a_while_to_all(nothing: Search) -> Search:
    """For three seconds nobody gets anything.

    Where there are one or two results, nothing is believed at the second time, but in an outage: so these answers come
    late, when it has begun.
    """

    def search(ask: Ask) -> Reply:
        reply = nothing(ask)
        return replace(reply, delay_s=0.7) if SIZES.get(ask.string, 0) <= 2 else reply

    return for_a_while(search, 3.0)


def says_734(ask: Ask) -> Reply:
    """No items under a total that is well above nothing, of any string."""
    return answer({"artists": page(ask, items=[], next=None, total=734)})


def _ends_at_50(ask: Ask) -> Reply:
    return faithful(ask) if ask.offset < 50 else empty(ask)


def _hiccup(ask: Ask) -> Reply:
    odd = ask.offset == 50 and ask.nth == 1
    return answer({"artists": page(ask, items=[])}) if odd else faithful(ask)


def _one_too_many(ask: Ask) -> Reply:
    """The total counts one artist more than there are, and `next` leads to an empty page (W#1487)."""
    size = SIZES.get(ask.string, 0)
    if not size:
        return faithful(ask)
    end = ask.offset + ask.limit
    return answer({"artists": page(ask, total=size + 1, next="https://api.example.com/n" if end <= size else None)})


def _limit_refused(ask: Ask) -> Reply:
    return error(400, "Invalid limit") if ask.limit > 10 else faithful(ask)


EMPTY_REASON = r"empty|items|results"

SECOND_PAGE = frozenset(str(artist("aa", index)["id"]) for index in range(50, 100))

PAGING = [
    Shape(
        "clamped-to-10",
        "a limit of 50 is taken for 10, and the page says so",
        clamped(lambda _: 10),
        requests=(in_pages_of(10), in_pages_of(10) + 2),
    ),
    Shape(
        "clamped-to-10-silently",
        "the same, and the page says no limit",
        _silent(clamped(lambda _: 10), "limit"),
        requests=(in_pages_of(10), in_pages_of(10) + 9),
    ),
    Shape(
        "clamped-to-20-later",
        "only from the second page on",
        clamped(lambda ask: 20 if ask.offset else 50),
        requests=(_later_pages_of_20(), _later_pages_of_20() + 2),
    ),
    Shape(
        "clamped-and-no-next",
        "limited to 10, and next is null though the total says more",
        clamped(lambda _: 10, next=None),
        requests=(in_pages_of(10), in_pages_of(10) + 9),
    ),
    Shape(
        "clamped-wobbling",
        "another limit on each page",
        clamped(_wobbling),
        requests=(PAGES, in_pages_of(5)),
    ),
    Shape(
        "clamped-and-denied",
        "20 items a page, which says that its limit is the 50 that were asked for",
        clamped(lambda _: 20, limit=50),
        requests=(in_pages_of(20), in_pages_of(20) + 9),
    ),
    Shape(
        "clamped-with-the-old-next",
        "20 items a page and a limit of 20, but next goes 50 ahead",
        lambda ask: answer({"artists": page(ask, items=artists(ask, limit=20)) | {"limit": 20}}),
        requests=(in_pages_of(20), in_pages_of(20) + 9),
    ),
    Shape(
        "limit-refused",
        "an app in development mode: more than 10 are refused",
        _limit_refused,
        requests=(in_pages_of(10) + 1, in_pages_of(10) + 4),
        page_size=10,
    ),
    Shape("next-empty", "a next of no characters is none", following(lambda _, proper: proper or "")),
    Shape("next-null", "no next though there is more (W#1200)", following(lambda _, __: None)),
    Shape("next-missing", "no such field", _silent(faithful, "next")),
    Shape(
        "next-always",
        "a next after the last page as well",
        following(lambda ask, _: f"https://api.example.com/v1/search?offset={ask.offset + ask.limit}"),
        requests=(PAGES, PAGES + 18),
    ),
    Shape(
        "next-elsewhere",
        "next leads to another host, path and offset",
        following(lambda _, proper: proper and "http://127.0.0.2:9/v1/other?offset=900&limit=1"),
    ),
    Shape(
        "only-items-and-total",
        "a page that says nothing else of itself",
        _silent(faithful, "next", "limit", "offset", "href", "previous"),
    ),
    Shape(
        "more-than-asked-once",
        "ten items too many, at the first time",
        at_first(_more_than_asked, strings=("aa", "bb", "cc")),
        requests=(PAGES + 2, PAGES + 12),
    ),
    Shape(
        "more-than-asked-for-ever",
        "ten items too many, for one string at each time",
        for_ever(_more_than_asked, "cc"),
        requests=(PAGES + 2, PAGES + APART),
        dead={"cc": r"."},
    ),
    Shape(
        "offset-ignored-once",
        "a later page is the first one, and says so, at the first time",
        at_first(_from_the_start, strings=("aa", "cc")),
        requests=(PAGES + 3, PAGES + 14),
    ),
    Shape(
        "offset-ignored-for-ever",
        "the same, at each time for one string",
        for_ever(_from_the_start, "cc"),
        requests=(PAGES + 2, PAGES + APART),
        dead={"cc": r"."},
    ),
    Shape(
        "offset-said-wrong-once",
        "the right items under another offset, at the first time",
        at_first(_offset_says_0, strings=("aa", "cc")),
        requests=(PAGES + 3, PAGES + 14),
    ),
    Shape(
        "empty-for-a-while",
        "no page has items for three seconds, whatever its total (W#603)",
        for_a_while_to_all(empty),
        requests=(PAGES + 1, PAGES + 60),
    ),
    Shape(
        "items-null-for-a-while",
        "null for the items of every page, for three seconds",
        for_a_while_to_all(_null),
        requests=(PAGES + 1, PAGES + 60),
    ),
    Shape(
        "nulls-for-a-while",
        "every item is null, for three seconds (W#1589)",
        for_a_while_to_all(nulls),
        requests=(PAGES + 1, PAGES + 60),
    ),
    Shape(
        "empty-at-first",
        "the first answer to each page has no items",
        at_first(empty),
        requests=(PAGES + 9, PAGES + 40),
    ),
    Shape(
        "nulls-for-one-string",
        "a string whose items are null, ever",
        for_ever(nulls, "ca"),
        requests=(PAGES + 1, PAGES + APART),
        dead={"ca": EMPTY_REASON},
    ),
    Shape(
        "nulls-in-the-middle-once",
        "every item of a later page is null, once",
        lambda ask: nulls(ask) if ask.offset == 50 and ask.nth == 1 else faithful(ask),
        requests=(PAGES + 2, PAGES + 4),
    ),
    Shape(
        "nulls-in-the-middle",
        "every item of a second page is null, ever; what is behind it is not",
        lambda ask: nulls(ask) if (ask.string, ask.offset) == ("aa", 50) else faithful(ask),
        requests=(PAGES + 2, PAGES + APART),
        unreadable=SECOND_PAGE,
        short={"aa": 120},
    ),
    Shape(
        "empty-for-one-string",
        "a string of 734 results has no items, ever",
        for_ever(says_734, "ca"),
        requests=(PAGES + 1, PAGES + APART),
        dead={"ca": EMPTY_REASON},
    ),
    Shape(
        "empty-under-a-total-of-2",
        "strings of one and of two results have no items, ever",
        for_ever(empty, "ba", "bb"),
        requests=(PAGES + 2, PAGES + 4),
        reach={"ba": 0, "bb": 0},
        short={"ba": 1, "bb": 2},
    ),
    Shape("empty-in-the-middle-once", "a later page is empty once", _hiccup, requests=(PAGES + 2, PAGES + 4)),
    Shape(
        "empty-after-50",
        "after the first page there is nothing, whatever the total",
        _ends_at_50,
        # The two may be left over, and are told from an outage by control strings then.
        requests=(PAGES - 1, PAGES + 60),
        reach={"aa": 50, "cc": 50},
        short={"aa": 120, "cc": 61},
    ),
    Shape(
        "one-too-many",
        "the total is one too high, with an empty last page (W#1487)",
        _one_too_many,
        requests=(PAGES, PAGES + 18),
    ),
]
