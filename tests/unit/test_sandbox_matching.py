"""The sandbox finds what its rule says, whatever the index does to be fast."""

import re
import unicodedata
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawl_sandbox import catalogue
from crawl_sandbox.matching import REACHABLE, UnsupportedFilterError, WordIndex, fold, query_words, words

NAMES = st.lists(
    st.one_of(st.text(max_size=12), st.text(alphabet="aábB1 '’-", min_size=1, max_size=10)), min_size=0, max_size=25
)
QUERIES = st.one_of(st.text(min_size=1, max_size=4), st.text(alphabet="aáb1 ", min_size=1, max_size=4))


def matches(query: str, name: str) -> bool:
    """The rule, read aloud."""
    return all(any(word.startswith(part) for word in words(name)) for part in words(query))


@given(NAMES, QUERIES)
def test_the_index_finds_exactly_the_names_that_match_in_order(names: list[str], query: str) -> None:
    expected = [rank for rank, name in enumerate(names) if matches(query, name)]
    if wanted := query_words(query):
        found = WordIndex(names).find(wanted)
        assert (found.total, list(found.ranks)) == (len(expected), expected)


@given(NAMES, st.lists(QUERIES, max_size=12))
def test_what_was_remembered_is_answered_alike(names: list[str], queries: list[str]) -> None:
    index, forgetful = WordIndex(names, remembered=2), WordIndex(names, remembered=0)
    for query in queries + queries:
        if wanted := query_words(query):
            assert index.find(wanted) == forgetful.find(wanted)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("D'Vinerz", ["dvinerz"]),
        ("D’Jaiden", ["djaiden"]),
        ("Beyoncé", ["beyonce"]),
        ("AC/DC", ["ac", "dc"]),
        ("Außerfeldner", ["ausserfeldner"]),
        ("  The  808s ", ["the", "808s"]),
        ("Лунный Свет", ["лунныи", "свет"]),
        ("!!!", []),
        ("Name\u0000", ["name"]),
        ("snow_man", ["snow", "man"]),
    ],
)
def test_a_name_is_folded_and_split_into_words(name: str, expected: list[str]) -> None:
    assert words(name) == expected


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_the_short_way_for_ascii_folds_alike(text: str) -> None:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    assert fold(text) == decomposed.replace("'", "")


@pytest.mark.parametrize("query", ["lea", "LEA", "artist:lea", 'artist:"LEA"', "léa", 'ARTIST:"léa"'])
def test_the_artist_filter_means_the_words_in_it(query: str) -> None:
    assert query_words(query) == ("lea",)


def test_a_filter_the_sandbox_does_not_have_is_refused() -> None:
    with pytest.raises(UnsupportedFilterError, match="genre"):
        query_words('genre:"metal"')


def test_only_what_can_be_reached_is_kept_but_all_is_counted() -> None:
    found = WordIndex(["same"] * (REACHABLE + 7)).find(("sa",))
    assert (found.total, list(found.ranks)) == (REACHABLE + 7, list(range(REACHABLE)))


def test_the_real_catalogue_needs_as_many_requests_and_shows_as_many_artists_as_known(real_catalogue: Path) -> None:
    artists = catalogue.load(real_catalogue)
    index = WordIndex(artists.names)
    strings: defaultdict[str, int] = defaultdict(int)
    for name in artists.names:
        for prefix in {word[:4] for word in words(name) if re.match(r"[0-9a-z]{4}", word)}:
            strings[prefix] += 1
    requests = 36**4
    reached: set[int] = set()
    for string, count in strings.items():
        found = index.find((string,))
        assert found.total == count
        requests += -(-min(count, REACHABLE) // 50) - 1
        reached.update(found.ranks)
    assert (len(artists), requests, len(reached)) == (251_304, 1_682_219, 227_754)
