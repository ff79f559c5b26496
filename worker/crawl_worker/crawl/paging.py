"""When a string ends, and what its end means. Pure.

    limit = min(page size, cap - offset); the next offset is offset + items that came, whatever `next` and `limit` say;
    'full' means as many items as were asked for, or as the page says that it was asked for, where those are fewer;
    `total` is the largest seen for the string.

A string ends at a page without `next` that is short, or whose end reaches the total; at an empty page, once the client
is sure of it; or at the cap. A page of items of which none is an artist that can be read is taken for an empty one.
A short page without `next` that itself says of many further results is followed once. A
string is truncated when its first page says that there is at least the cap (the real API has been seen to clip there),
or when results came up to the cap. A truncated string that can be refined is not paged further: its children answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from crawl_worker.sources.outcomes import SLACK, Page

STALE_AFTER_S = 3600.0
"""Seconds after its first page from which a resumed string starts again: lists drift."""

SMALL_PAGE = 10
"""Items of a page that the bound of pages reckons with: twice as many as it takes to reach the cap. An API that hands
out one item at a time, and says nothing of it, would have a thousand requests of one string."""


WOBBLE = 10
"""Further results that a page must say of to be followed though it is short and has no `next`: totals waver."""


class AfterPage(Enum):
    """What to do after a page."""

    NEXT_PAGE = "next page"
    END = "end"


@dataclass(slots=True)
class Paging:
    """The pages of one string. `first_total` is what its first page said, None before it or where it said nothing."""

    cap: int
    refinable: bool
    offset: int = 0
    first_total: int | None = None
    pages: int = 0
    results: int = 0
    truncated: bool = False
    _largest_total: int | None = None
    _came_to_its_end: bool = False
    """Whether the page before was short and had no `next`, and was followed all the same."""
    _next_is_wrong: bool = False
    """Whether results came after such a page."""

    def __post_init__(self) -> None:
        self._largest_total = self.first_total

    def restart(self) -> None:
        """Forget the pages so far: the string starts again at offset 0."""
        self.offset = self.pages = self.results = 0
        self.first_total = self._largest_total = None
        self.truncated = self._came_to_its_end = self._next_is_wrong = False

    def limit(self, page_size: int) -> int:
        """Items to ask for at the current offset; never past the cap."""
        return min(page_size, self.cap - self.offset)

    def lacks(self, page: Page) -> int:
        """Results that a page at the current offset does not have, though there are to be some.

        0 where it has artists, or where it may be the end.
        """
        return 0 if self._came_to_its_end and not page.count else page.lacks(self._missing(page))

    def _missing(self, page: Page) -> int:
        """Results that are to come at the current offset or after it, as all pages so far and this one say."""
        total = _larger(self._largest_total, page.total)
        if total is None:
            # Without a total nothing says that there is nobody at all.
            return int(page.has_next or not self.offset)
        missing = max(0, min(total, self.cap) - self.offset)
        if page.total is not None and 0 <= page.total - self.offset <= SLACK:
            # It says itself that the list ends about here: an earlier total was too high.
            return min(missing, SLACK)
        return missing

    def take(self, page: Page, *, limit: int) -> AfterPage:
        """Account for the page that was asked for with `limit` at the current offset."""
        # A page is taken at last though it lacks what it says that there is: the string is incomplete then.
        self.results += 0 if self.lacks(page) else page.count
        self._largest_total = _larger(self._largest_total, page.total)
        if self.first_total is None:
            self.first_total = page.total
        self._next_is_wrong = self._next_is_wrong or (self._came_to_its_end and page.count > 0)
        self._came_to_its_end = False
        self.pages += 1
        # Not by the limit: an API that hands out 10 where 50 were asked for says so in the page at most, and the 40
        # between would be stepped over.
        self.offset += page.count
        return self._after(page, limit=limit)

    def _after(self, page: Page, *, limit: int) -> AfterPage:
        if (self.first_total or 0) >= self.cap:
            self.truncated = True
            if self.refinable:
                return AfterPage.END
        if self.offset >= self.cap:
            self.truncated = True
            return AfterPage.END
        asked = limit if page.limit is None or page.limit < 1 else min(limit, page.limit)
        if not page.count or self.pages >= 2 * math.ceil(self.cap / min(asked, SMALL_PAGE)):
            return AfterPage.END
        if page.count < asked and not page.has_next:
            # Followed once: where nothing comes then, the list had come to its end as `next` said.
            self._came_to_its_end = True
            more = self._beyond(page.total) >= (1 if self._next_is_wrong else WOBBLE)
            return AfterPage.NEXT_PAGE if more else AfterPage.END
        more = self._beyond(self._largest_total) > 0
        # What was asked for reached to the cap, and `next` points past it.
        to_cap = self.offset - page.count + asked >= self.cap
        if page.has_next and not to_cap:
            return AfterPage.NEXT_PAGE
        return AfterPage.NEXT_PAGE if more else AfterPage.END

    def _beyond(self, total: int | None) -> int:
        """Results up to a total, or to the cap, that have not come."""
        return 0 if total is None else min(total, self.cap) - self.offset


def _larger(total: int | None, other: int | None) -> int | None:
    return max((said for said in (total, other) if said is not None), default=None)
