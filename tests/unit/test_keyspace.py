"""The keyspace's arithmetic: exact partition, order, inverses and coverage."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.proofs.walks import size_of, strings_in

from crawl_core.keyspace import Keyspace, StringRange, default_range_size, smallest_range_size

FULL = "0123456789abcdefghijklmnopqrstuvwxyz"

alphabets = st.sets(st.sampled_from(FULL), min_size=1, max_size=5).map(lambda found: "".join(sorted(found)))


@st.composite
def keyspaces(draw: st.DrawFn) -> Keyspace:
    alphabet = draw(alphabets)
    shortest = draw(st.integers(1, 4))
    longest = draw(st.integers(shortest, min(shortest + 2, 5)))
    bounds = {"first": "", "last": ""}
    if shortest == longest:
        strings = st.text(alphabet, min_size=shortest, max_size=shortest)
        bounds["first"], bounds["last"] = sorted(draw(st.tuples(strings, strings)))
    return Keyspace(alphabet, shortest, longest, **bounds, range_size=draw(st.integers(1, 50)))


def roots(space: Keyspace) -> list[str]:
    """Independently of the code under test: every root string, in order."""
    every = ("".join(letters) for letters in itertools.product(space.alphabet, repeat=space.min_length))
    return [string for string in every if space.first <= string <= space.last]


@given(keyspaces())
def test_root_ranges_hold_every_root_string_once_in_order(space: Keyspace) -> None:
    found = [string for strings in space.root_ranges() for string in strings_in(space, strings)]
    assert found == roots(space)


@given(keyspaces())
def test_root_ranges_are_as_many_and_as_large_as_announced(space: Keyspace) -> None:
    ranges = list(space.root_ranges())
    sizes = [size_of(space, strings) for strings in ranges]
    assert len(ranges) == math.ceil(space.root_count / space.range_size)
    assert sum(sizes) == space.root_count
    assert all(size == space.range_size for size in sizes[:-1])
    assert 1 <= sizes[-1] <= space.range_size


@given(keyspaces(), st.integers(0))
def test_index_of_and_string_at_are_inverse(space: Keyspace, number: int) -> None:
    index = number % len(space.alphabet) ** space.max_length
    assert space.index_of(space.string_at(index, space.max_length)) == index


@given(alphabets, st.integers(1, 4), st.data())
def test_the_successor_has_the_next_index(alphabet: str, length: int, data: st.DataObject) -> None:
    space = Keyspace(alphabet, length, length)
    string = data.draw(st.text(alphabet, min_size=length, max_size=length))
    following = space.successor(string, space.last)
    if string == space.last:
        assert following is None
    else:
        assert following is not None
        assert space.index_of(following) == space.index_of(string) + 1


@given(alphabets, st.integers(1, 4), st.data())
def test_keyspace_order_is_the_order_of_bytes(alphabet: str, length: int, data: st.DataObject) -> None:
    space = Keyspace(alphabet, length, length)
    strings = data.draw(st.lists(st.text(alphabet, min_size=length, max_size=length)))
    assert sorted(strings, key=space.index_of) == sorted(strings, key=str.encode)


@given(keyspaces(), st.integers())
def test_coverage_of_any_crawl_sums_to_the_total(space: Keyspace, seed: int) -> None:
    chance = random.Random(seed)
    todo, covered = roots(space), 0
    while todo:
        string = todo.pop()
        truncated = chance.random() < 0.4
        covered += space.covered_by(string, truncated=truncated)
        if truncated and space.may_descend(string):
            todo.extend(strings_in(space, space.children(string)))
    assert covered == space.total


@given(keyspaces())
def test_the_total_counts_all_strings_of_all_lengths(space: Keyspace) -> None:
    a = len(space.alphabet)
    per_root = sum(a ** (length - space.min_length) for length in range(space.min_length, space.max_length + 1))
    assert space.total == len(roots(space)) * per_root


def test_the_default_keyspace_is_the_documented_one() -> None:
    space = Keyspace(FULL, 4, 4)
    assert (space.first, space.last, space.total, space.range_size, len(list(space.root_ranges()))) == (
        "0000",
        "zzzz",
        1_679_616,
        1296,
        1296,
    )


def test_the_adaptive_keyspace_counts_its_subtrees() -> None:
    space = Keyspace(FULL, 1, 4)
    assert space.total == 36 + 36**2 + 36**3 + 36**4
    assert (space.root_count, len(list(space.root_ranges()))) == (36, 1)


def test_a_slice_has_its_bounds_included() -> None:
    space = Keyspace(FULL, 4, 4, first="ma00", last="mazz", range_size=100)
    assert (space.total, len(list(space.root_ranges()))) == (1296, 13)
    assert list(space.root_ranges())[-1] == StringRange(4, "maxc", "mazz")


def test_children_are_the_extensions_by_one_character() -> None:
    space = Keyspace("abc", 1, 2)
    assert list(strings_in(space, space.children("b"))) == ["ba", "bb", "bc"]


def test_a_string_of_full_length_has_no_children() -> None:
    with pytest.raises(ValueError, match="full length"):
        Keyspace("abc", 1, 2).children("bb")


def test_a_truncated_string_of_full_length_covers_itself() -> None:
    assert Keyspace("abc", 1, 2).covered_by("bb", truncated=True) == 1


def test_a_range_of_another_length_than_the_roots_is_walked_the_same() -> None:
    space = Keyspace(FULL, 4, 6)
    strings = list(strings_in(space, StringRange(6, "th0zzx", "th1001")))
    assert strings == ["th0zzx", "th0zzy", "th0zzz", "th1000", "th1001"]


@pytest.mark.parametrize(("strings", "size"), [(1, 36), (1296, 36), (46_656, 182), (36**4, 1296), (36**6, 1296)])
def test_the_default_range_size_is_a_256th_within_bounds(strings: int, size: int) -> None:
    assert default_range_size(strings) == size


def test_the_smallest_range_size_makes_at_most_100_000_ranges() -> None:
    assert smallest_range_size(100_000) == 1
    assert smallest_range_size(100_001) == 2
    assert 100_000 * smallest_range_size(36**8) >= 36**8


@pytest.mark.parametrize(
    "arguments",
    [
        {"alphabet": "ba", "min_length": 1, "max_length": 1},
        {"alphabet": "aab", "min_length": 1, "max_length": 1},
        {"alphabet": "", "min_length": 1, "max_length": 1},
        {"alphabet": "ab", "min_length": 2, "max_length": 1},
        {"alphabet": "ab", "min_length": 0, "max_length": 1},
        {"alphabet": "ab", "min_length": 1, "max_length": 2, "first": "a"},
        {"alphabet": "ab", "min_length": 1, "max_length": 1, "first": "aa"},
        {"alphabet": "ab", "min_length": 1, "max_length": 1, "first": "c"},
        {"alphabet": "ab", "min_length": 1, "max_length": 1, "first": "b", "last": "a"},
    ],
    ids=str,
)
def test_an_impossible_keyspace_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Keyspace(**arguments)  # type: ignore[arg-type]


def test_a_string_beyond_the_end_is_refused() -> None:
    with pytest.raises(ValueError, match="fewer"):
        Keyspace("ab", 2, 2).string_at(4, 2)
