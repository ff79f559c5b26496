"""Which artists a search finds: folding, words, and an index of word prefixes.

The rule is deliberately simple, so that anybody can compute the right answer from the catalogue alone: fold the name,
split it into words; an artist matches when every word of the query starts some word of the name.
Artists are numbered in the order of answers, so that a match is ranked by its number.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

APOSTROPHES = frozenset("'’‘ʼ")
REACHABLE = 1000
"""Answers end here (offset + limit), so nothing beyond it is worth keeping."""
_AFTER_ANY_SUFFIX = chr(0x10FFFF)
_ARTIST_FILTER = re.compile(r"\bartist:", re.IGNORECASE)
_OTHER_FILTER = re.compile(r"\b(album|track|year|upc|isrc|genre|tag):", re.IGNORECASE)


def fold(text: str) -> str:
    """Return the text without case, diacritics and apostrophes.

    Case goes before the decomposition: `™` becomes `TM` and stays upper case, as in the numbers this sandbox is
    checked against.
    """
    if text.isascii():
        return text.lower().replace("'", "")
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if c not in APOSTROPHES and not unicodedata.combining(c))


def words(text: str) -> list[str]:
    """Return the folded words of a name or query, in order."""
    folded = fold(text)
    if folded.isalnum():
        return [folded]
    return "".join(c if c.isalnum() else " " for c in folded).split()


class UnsupportedFilterError(ValueError):
    """The query uses a field filter of the real API that this sandbox does not have."""


def query_words(query: str) -> tuple[str, ...]:
    """Return the words a name must have. `artist:x` and `artist:"x"` mean the same as `x`."""
    if query.isalnum() and query.isascii():
        return (query.lower(),)
    if other := _OTHER_FILTER.search(query):
        raise UnsupportedFilterError(other.group(1))
    return tuple(words(_ARTIST_FILTER.sub(" ", query)))


@dataclass(frozen=True, slots=True)
class SearchResult:
    """An answer before it is cut into pages: how many match, and the first of them in order."""

    total: int
    ranks: Sequence[int]


NOTHING = SearchResult(0, ())


class WordIndex:
    """Prefix search over the words of all names, by bisection in one sorted list.

    The postings of neighbouring words lie side by side, so those of a prefix are one slice. What took several pages
    to answer is remembered, because paging through a dense string would sort it again for every page.
    """

    def __init__(self, names: Iterable[str], *, remembered: int = 4096) -> None:
        postings: dict[str, list[int]] = {}
        for rank, name in enumerate(names):
            for word in set(words(name)):
                postings.setdefault(word, []).append(rank)
        self._words = sorted(postings)
        self._starts = array("I", [0])
        self._ranks = array("I")
        for word in self._words:
            self._ranks.extend(postings.pop(word))
            self._starts.append(len(self._ranks))
        self._recent: OrderedDict[tuple[str, ...], SearchResult] = OrderedDict()
        self._remembered = remembered

    def find(self, query: tuple[str, ...]) -> SearchResult:
        """Return the artists that match all words of the query."""
        if recent := self._recent.get(query):
            self._recent.move_to_end(query)
            return recent
        matching = self._starting_with(query[0])
        for word in query[1:]:
            matching &= self._starting_with(word)
        if not matching:
            return NOTHING
        result = SearchResult(len(matching), array("I", sorted(matching)[:REACHABLE]))
        self._recent[query] = result
        if len(self._recent) > self._remembered:
            self._recent.popitem(last=False)
        return result

    def _starting_with(self, prefix: str) -> set[int]:
        first = bisect_left(self._words, prefix)
        if first == len(self._words) or not self._words[first].startswith(prefix):
            return set()
        end = bisect_left(self._words, prefix + _AFTER_ANY_SUFFIX, lo=first)
        return set(self._ranks[self._starts[first] : self._starts[end]])
