"""Answers that were changed at random: no reader raises, and no artist is lost whom a careful reader would find.

A page is drawn with odd values in any place; then it is changed byte by byte, many times over. The careful reader is
Python's own JSON and a few lines here, which share nothing with the parser.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crawl_core.text import clean
from crawl_worker.sources.credentials import Credentials
from crawl_worker.sources.outcomes import Granted, InvalidBody, Meaning, Page, TokenOutcome
from crawl_worker.sources.source import SourceSettings
from crawl_worker.sources.spotify import SpotifySource
from crawl_worker.sources.wire import HttpAnswer

LIMIT = 5
VARIANTS = 50
"""Changed copies of each answer that is drawn."""

SOURCE = SpotifySource(
    SourceSettings("http://x", "http://x/t", Credentials("i", "s"), query_template="{}", market=None)
)

many = pytest.mark.parametrize(
    "answers", [5_000, pytest.param(1_000_000, marks=[pytest.mark.slow, pytest.mark.timeout(7_200)])]
)

texts = st.text(st.characters(exclude_categories=()), max_size=8) | st.sampled_from(
    ["", "1000", "\ud800", "a\0b", "n" * 2_000]
)
numbers = st.integers(-(2**70), 2**70) | st.floats() | st.sampled_from([1000.0, 1e3, 2**31, 2**63, 32_768])
leaves = st.none() | st.booleans() | numbers | texts
odd_values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=5
)


def _or_odd(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly as it should be, sometimes anything."""
    return st.integers(0, 4).flatmap(lambda drawn: odd_values if drawn == 0 else usual)


artists = st.fixed_dictionaries(
    {},
    optional={
        "id": _or_odd(st.text("0123456789abcdef", min_size=22, max_size=22)),
        "name": _or_odd(texts),
        "popularity": _or_odd(st.integers(0, 100)),
        "followers": _or_odd(st.fixed_dictionaries({"href": st.none(), "total": _or_odd(st.integers(0, 10**8))})),
        "genres": _or_odd(st.lists(_or_odd(texts), max_size=3)),
        "images": _or_odd(
            st.lists(_or_odd(st.fixed_dictionaries({"url": texts, "height": _or_odd(numbers)})), max_size=3)
        ),
        "type": st.just("artist"),
    },
)
pages = st.fixed_dictionaries(
    {"items": _or_odd(st.lists(_or_odd(artists), max_size=LIMIT + 1))},
    optional={
        "total": _or_odd(st.integers(0, 1_000)),
        "limit": _or_odd(st.just(LIMIT)),
        "offset": _or_odd(st.just(0)),
        "next": _or_odd(st.none() | texts),
    },
)
bodies = st.fixed_dictionaries({"artists": _or_odd(pages)}) | odd_values
errors = st.fixed_dictionaries(
    {}, optional={"error": odd_values | st.fixed_dictionaries({"message": odd_values, "reason": odd_values})}
)
tokens = st.fixed_dictionaries(
    {}, optional={"access_token": _or_odd(texts), "expires_in": _or_odd(numbers), "error": odd_values}
)


def _written(value: object, seed: int) -> Iterator[bytes]:
    """A value as JSON, and copies of it with bytes changed, lost, added or moved."""
    rng = random.Random(seed)
    body = json.dumps(value, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    yield body
    for _ in range(VARIANTS - 1):
        changed = bytearray(rng.choice([b"", b"\xef\xbb\xbf", b" \n"]) + body)
        for _ in range(rng.randint(1, 3)):
            place = rng.randrange(len(changed) + 1)
            match rng.randrange(4):
                case 0:
                    changed[place : place + 1] = bytes([rng.randrange(256)])
                case 1:
                    del changed[place : place + rng.randint(1, 30)]
                case 2:
                    changed[place:place] = rng.choice(
                        [b'"', b"\\", b"}", b"]", b",", b"null", b"NaN", b"1e999", b"\\ud800", b"\t"]
                    )
                case _:
                    other = rng.randrange(len(changed) + 1)
                    changed[place:place] = changed[other : other + rng.randint(1, 60)]
        yield bytes(changed)


def _fuzz(values: st.SearchStrategy[Any], answers: int, check: Any) -> None:
    @settings(max_examples=answers // VARIANTS, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(values, st.integers(0, 2**32))
    def run(value: Any, seed: int) -> None:
        for body in _written(value, seed):
            check(body)

    run()


def is_fit(text: str) -> bool:
    """Whether it can be shown, logged and sent in a header as it is."""
    return clean(text, 10_000) == text


def careful_ids(body: bytes) -> list[str] | None:
    """The ids that a careful reader finds on the page; None where it would call it no page."""
    try:
        page = json.loads(body.removeprefix(b"\xef\xbb\xbf").decode(), strict=False)["artists"]
        items = page["items"]
    except (ValueError, RecursionError, TypeError, KeyError):
        return None
    offset = page.get("offset")
    elsewhere = type(offset) in (int, float) and offset > 0
    if not isinstance(items, list) or len(items) > LIMIT or elsewhere or isinstance(offset, str):
        return None
    entries = [item for item in items if item is not None]
    if len(entries) > 1 and not any(map(_looks_like_an_artist, entries)):
        return None
    return [
        item["id"] for item in items if isinstance(item, dict) and _names_an_artist(item.get("id"), item.get("name"))
    ]


def _looks_like_an_artist(item: object) -> bool:
    return isinstance(item, dict) and isinstance(item.get("id"), str) and isinstance(item.get("name"), str | int)


def _names_an_artist(artist_id: object, name: object) -> bool:
    named = (isinstance(name, str) and name != "") or type(name) is int
    return (
        named
        and isinstance(artist_id, str)
        and 0 < len(artist_id) <= 128
        and artist_id.isprintable()
        and "\ufffd" not in artist_id
    )


@many
def test_no_artist_is_lost_whom_a_careful_reader_finds(answers: int) -> None:
    def check(body: bytes) -> None:
        meaning = SOURCE.read(HttpAnswer(200, {}, body), offset=0, limit=LIMIT)
        ids = careful_ids(body)
        if ids is None:
            assert isinstance(meaning, Page | InvalidBody)
        else:
            assert isinstance(meaning, Page), meaning
            assert [artist.id for artist in meaning.artists] == ids

    _fuzz(bodies, answers, check)


@many
def test_no_answer_to_a_search_raises(answers: int) -> None:
    rng = random.Random(7)

    def check(body: bytes) -> None:
        status = rng.choice([200, 302, 400, 401, 403, 404, 408, 414, 429, 500, 503, 999])
        headers = (
            {"retry-after": rng.choice(["7", "", "9" * 7_000, "nan", "\x1b[2J", "-1"])} if rng.random() < 0.5 else {}
        )
        meaning = SOURCE.read(HttpAnswer(status, headers, body), offset=0, limit=LIMIT)
        assert isinstance(meaning, get_args(Meaning))
        assert isinstance(meaning, Page) or is_fit(meaning.message)

    _fuzz(bodies | errors, answers, check)


@many
def test_no_answer_to_a_request_of_a_token_raises(answers: int) -> None:
    rng = random.Random(7)

    def check(body: bytes) -> None:
        outcome = SOURCE.read_token(HttpAnswer(rng.choice([200, 400, 401, 403, 429, 500]), {}, body))
        assert isinstance(outcome, get_args(TokenOutcome))
        assert is_fit(outcome.token if isinstance(outcome, Granted) else outcome.message)

    _fuzz(tokens, answers, check)
