"""One way in which an API answers oddly, with what a careful reader of its answers gets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil

from support.odd.wire import PAGE, SIZES, Search, Token, artist, faithful, granted


def pages_of(size: int, each: int = PAGE) -> int:
    """How many requests a string takes: one for none."""
    return max(1, ceil(size / each))


PAGES = sum(pages_of(size) for size in SIZES.values())
"""Requests that the whole keyspace takes where every answer is as it should be."""


APART = 40
"""Requests at most that tell a string that is left alone from an outage: its attempts, and control strings between."""


@dataclass(frozen=True)
class Shape:
    """How one API answers, and what is right."""

    name: str
    why: str
    search: Search = faithful
    token: Token = granted
    requests: tuple[int, int] = (PAGES, PAGES)
    """Searches: the fewest that get everything, and the most that are not wasteful."""
    tokens: int = 1
    """The most tokens that are asked for."""
    reach: Mapping[str, int] = field(default_factory=dict)
    """Of strings whose results cannot all be had: how many can, from the first on."""
    unreadable: frozenset[str] = frozenset()
    """Ids of artists that no answer names."""
    dead: Mapping[str, str] = field(default_factory=dict)
    """Strings that are given up, each with a regular expression that its reason matches. Their artists may be there."""
    short: Mapping[str, int] = field(default_factory=dict)
    """Strings that are done with fewer results than their total says, and that total."""
    page_size: int | None = None
    """The page size that is recorded with the job; None where it is the spec's."""
    source: Mapping[str, object] = field(default_factory=dict)
    """What the CrawlJob says of the source beside its address."""
    workers: Mapping[str, object] = field(default_factory=dict)

    def must_have(self) -> set[str]:
        """Ids that the ledger must have at the end."""
        return set(self._ids(skip=set(self.dead)))

    def may_have(self) -> set[str]:
        """Ids that it may have: also of strings that were given up half-way."""
        return set(self._ids(skip=set()))

    def _ids(self, *, skip: set[str]) -> Iterator[str]:
        for string, size in SIZES.items():
            if string not in skip:
                for index in range(self.reach.get(string, size)):
                    if (name := str(artist(string, index)["id"])) not in self.unreadable:
                        yield name


@dataclass(frozen=True)
class Standstill:
    """An API of which nothing can be had while it lasts: what a person must be told, and how little it may cost."""

    name: str
    why: str
    tells: str
    """A regular expression that the message which is shown matches."""
    search: Search = faithful
    token: Token = granted
    searches: int = 40
    """The most in a minute, with a backoff of up to 5 s."""
    tokens: int = 40
