"""The strings of one range: what comes after one, what one covers, and how far one is. Pure.

Both who crawls a range and who commits it need this, and neither needs the other for it.
"""

from __future__ import annotations

from crawl_core.keyspace import Keyspace
from crawl_core.values.rows import ChildRange, Cursor, RangeRow


class RangeStrings:
    """The strings from a range's first to its last, in the keyspace's order."""

    def __init__(self, keyspace: Keyspace, row: RangeRow) -> None:
        self._keyspace = keyspace
        self._row = row

    def after(self, string: str) -> Cursor | None:
        """Where the range goes on behind a string; None at its end."""
        successor = self._keyspace.successor(string, self._row.last)
        return None if successor is None else Cursor(string=successor)

    def share_before(self, cursor: Cursor | None) -> float:
        """The share of the range that lies before a cursor, 0 to 1."""
        if cursor is None:
            return 1.0
        first, index = self._keyspace.index_of(self._row.first), self._keyspace.index_of(cursor.string)
        return (index - first) / (self._keyspace.index_of(self._row.last) - first + 1)

    def refinable(self, string: str) -> bool:
        """Whether strings that extend this one are in the keyspace: its children answer where it is truncated."""
        return self._keyspace.may_descend(string)

    def covered_by(self, string: str, *, truncated: bool) -> int:
        """Strings of the keyspace that a finished search answers for."""
        return self._keyspace.covered_by(string, truncated=truncated)

    def covered_by_giving_up(self, string: str) -> int:
        """Strings of the keyspace that nobody asks for any more when this one is given up: it and all below it."""
        return self._keyspace.subtree_size(len(string))

    def children(self, string: str) -> ChildRange:
        """The range of the strings that are longer than this one by a character."""
        children = self._keyspace.children(string)
        return ChildRange(length=children.length, first=children.first, last=children.last)
