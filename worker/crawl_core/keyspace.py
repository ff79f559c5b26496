"""The ordered set of search strings, and how it is cut into ranges. Pure arithmetic.

String order is keyspace order because the alphabet is sorted, so SQL (with COLLATE "C"), Python and this module agree
on what comes next. Coverage is counted in strings: a string that was not truncated answers for its whole subtree, all
strings that begin with it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_RANGES = 100_000
"""The most ranges of a job. They are recorded in one transaction and pushed to the frontier: a few seconds' work."""

MIN_DEFAULT_RANGE_SIZE = 36
MAX_DEFAULT_RANGE_SIZE = 1296
DEFAULT_RANGES = 256
"""Ranges aimed at when no size is given: enough for every worker, and small enough to lose little with one."""


@dataclass(frozen=True, slots=True)
class StringRange:
    """Contiguous strings of one length, both ends included."""

    length: int
    first: str
    last: str


@dataclass(frozen=True)
class Keyspace:
    """What a job searches: strings over `alphabet` of `min_length` to `max_length` characters.

    `first` and `last` bound it where both lengths are equal. `range_size` 0 means the default.
    """

    alphabet: str
    min_length: int
    max_length: int
    first: str = ""
    last: str = ""
    range_size: int = 0
    _digits: dict[str, int] = field(init=False, repr=False, compare=False)
    _next: dict[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        alphabet = self.alphabet
        if not alphabet or list(alphabet) != sorted(set(alphabet)):
            raise ValueError(f"alphabet {alphabet!r} is not sorted and unique")
        if not 1 <= self.min_length <= self.max_length:
            raise ValueError(f"lengths {self.min_length}..{self.max_length} are out of order")
        if (self.first or self.last) and self.min_length != self.max_length:
            raise ValueError("first and last need min_length = max_length")
        fill = object.__setattr__
        fill(self, "_digits", {character: digit for digit, character in enumerate(alphabet)})
        fill(self, "_next", dict(itertools.pairwise(alphabet)))
        fill(self, "first", self.first or alphabet[0] * self.min_length)
        fill(self, "last", self.last or alphabet[-1] * self.min_length)
        if len(self.first) != self.min_length or len(self.last) != self.min_length or self.root_count < 1:
            raise ValueError(f"first {self.first!r} and last {self.last!r} bound no strings of {self.min_length}")
        fill(self, "range_size", self.range_size or default_range_size(self.root_count))

    @property
    def root_count(self) -> int:
        """How many strings are searched whatever the answers are: those of `min_length`."""
        return self.index_of(self.last) - self.index_of(self.first) + 1

    @property
    def total(self) -> int:
        """How many strings of all lengths there are: what the coverage of a finished job sums to."""
        return self.root_count * self.subtree_size(self.min_length)

    def root_ranges(self) -> Iterator[StringRange]:
        """The ranges of a fresh job, in order and without gaps. The last one may be short."""
        start, end = self.index_of(self.first), self.index_of(self.last)
        for low in range(start, end + 1, self.range_size):
            high = min(low + self.range_size - 1, end)
            yield StringRange(
                self.min_length, self.string_at(low, self.min_length), self.string_at(high, self.min_length)
            )

    def index_of(self, string: str) -> int:
        """The place of `string` among all strings of its length, from 0."""
        base, index = len(self.alphabet), 0
        for character in string:
            if character not in self._digits:
                raise ValueError(f"{string!r} has a character outside the alphabet {self.alphabet!r}")
            index = index * base + self._digits[character]
        return index

    def string_at(self, index: int, length: int) -> str:
        """The string at that place among all strings of `length`: the inverse of `index_of`."""
        base, rest, characters = len(self.alphabet), index, []
        for _ in range(length):
            rest, digit = divmod(rest, base)
            characters.append(self.alphabet[digit])
        if rest:
            raise ValueError(f"there are fewer than {index + 1} strings of length {length}")
        return "".join(reversed(characters))

    def successor(self, string: str, last: str) -> str | None:
        """The string after `string`, or None after `last`. Runs once a search, so it does no arithmetic."""
        if string >= last:
            return None
        following = self._next.get(string[-1])
        if following is not None:
            return string[:-1] + following
        # Below `last`, so some character before the highest ones at the end can still grow.
        head = string.rstrip(self.alphabet[-1])
        return head[:-1] + self._next[head[-1]] + self.alphabet[0] * (len(string) - len(head))

    def children(self, string: str) -> StringRange:
        """The extensions of a truncated string by one character. Raises ValueError where there are none."""
        if not self.may_descend(string):
            raise ValueError(f"{string!r} has the keyspace's full length {self.max_length}")
        return StringRange(len(string) + 1, string + self.alphabet[0], string + self.alphabet[-1])

    def may_descend(self, string: str) -> bool:
        """Whether a truncated `string` is refined by its children."""
        return len(string) < self.max_length

    def subtree_size(self, length: int) -> int:
        """How many strings of the keyspace begin with a given string of `length`, itself included."""
        return int(sum(len(self.alphabet) ** extra for extra in range(self.max_length - length + 1)))

    def covered_by(self, string: str, *, truncated: bool) -> int:
        """How many strings a finished search of `string` answers for."""
        return 1 if truncated and self.may_descend(string) else self.subtree_size(len(string))


def default_range_size(root_count: int) -> int:
    """Strings in a range when the job does not say."""
    return min(max(root_count // DEFAULT_RANGES, MIN_DEFAULT_RANGE_SIZE), MAX_DEFAULT_RANGE_SIZE)


def smallest_range_size(root_count: int) -> int:
    """The smallest size that keeps a job within MAX_RANGES."""
    return -(-root_count // MAX_RANGES)
