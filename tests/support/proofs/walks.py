"""The strings of a range, one after the other: what a worker that searches all of them asks for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from crawl_core.keyspace import Keyspace


class Bounds(Protocol):
    """A range of strings, both ends included."""

    @property
    def first(self) -> str: ...

    @property
    def last(self) -> str: ...


def strings_in(keyspace: Keyspace, bounds: Bounds) -> Iterator[str]:
    """Every string of a range, in order."""
    string: str | None = bounds.first
    while string is not None:
        yield string
        string = keyspace.successor(string, bounds.last)


def size_of(keyspace: Keyspace, bounds: Bounds) -> int:
    """How many strings a range has."""
    return keyspace.index_of(bounds.last) - keyspace.index_of(bounds.first) + 1
