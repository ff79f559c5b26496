"""Which page size a string is asked with, once the API refused one. Pure.

A size that the API never accepted is refused to everybody: all ask for smaller pages at once. Where it accepted larger
pages before, a refusal may be one string's own, and small pages for everybody would cost five times the requests. So
that string alone asks for smaller ones, until another is refused before a larger page was accepted again.

Once everybody asks for small pages, a larger one is asked for now and then, by one request of all processes: what was
refused may be allowed by now. Its refusal says nothing new, of everybody or of its string.
"""

from __future__ import annotations

_REMEMBERED = 1_000
"""Strings known to be refused larger pages: more than are in progress at one time."""


class PageSizes:
    """Shared by the tasks of one process. `small` is the size that every credential may use."""

    def __init__(self, small: int) -> None:
        self._small = small
        self._larger_accepted = False
        self._small_strings: dict[str, None] = {}
        self._to_try = False

    def of(self, string: str, page_size: int) -> int:
        """The size to ask with for a string, of a job with that one."""
        return min(page_size, self._small) if string in self._small_strings else page_size

    def try_larger(self) -> None:
        """The next request for a first page is to ask for a larger one."""
        self._to_try = True

    def takes_try(self, string: str, *, is_larger: bool) -> bool:
        """Whether a request for a string's first page is that one. `is_larger`: whether one is still wanted."""
        taken = self._to_try and is_larger and string not in self._small_strings
        self._to_try = self._to_try and is_larger and not taken
        return taken

    def accepted(self, page_size: int) -> None:
        """A page of this size came."""
        self._larger_accepted = self._larger_accepted or page_size > self._small

    def refused(self, string: str) -> bool:
        """A larger page was refused. True: to everybody; False: as far as is known to this string alone."""
        if not self._larger_accepted:
            return True
        self._larger_accepted = False
        self._small_strings[string] = None
        if len(self._small_strings) > _REMEMBERED:
            del self._small_strings[next(iter(self._small_strings))]
        return False
