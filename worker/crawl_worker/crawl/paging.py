"""When a string ends, and what its end means. Pure.

    limit = min(page size, cap - offset); the next offset is offset + limit, whatever `next` says;
    'full' means as many items as that limit; `total` is the largest seen for the string.

A string ends at an empty page (before that total it is asked once more), at a short page whose `next` is null, at a
full page whose `next` is null and whose offset + items reach the total, or at the cap. It is truncated when its first
page says that there is at least the cap (the real API has been seen to clip there), or when the last page at the cap
is full. A truncated string that can be refined is not paged further: its children answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from crawl_worker.sources.outcomes import Page

STALE_AFTER_S = 3600.0
"""Seconds after its first page from which a resumed string starts again: lists drift."""


class AfterPage(Enum):
    """What to do after a page."""

    NEXT_PAGE = "next page"
    ASK_AGAIN = "ask again"
    END = "end"


@dataclass(slots=True)
class Paging:
    """The pages of one string. `first_total` is what its first page said, None before it."""

    cap: int
    refinable: bool
    offset: int = 0
    first_total: int | None = None
    pages: int = 0
    results: int = 0
    truncated: bool = False
    _largest_total: int = 0
    _asked_again: bool = False

    def __post_init__(self) -> None:
        self._largest_total = self.first_total or 0

    def restart(self) -> None:
        """Forget the pages so far: the string starts again at offset 0."""
        self.offset = self.pages = self.results = self._largest_total = 0
        self.first_total = None
        self.truncated = self._asked_again = False

    def limit(self, page_size: int) -> int:
        """Items to ask for at the current offset; never past the cap."""
        return min(page_size, self.cap - self.offset)

    def take(self, page: Page, *, limit: int) -> AfterPage:
        """Account for the page that was asked for with `limit` at the current offset."""
        self._largest_total = max(self._largest_total, page.total or 0)
        if page.count == 0 and self.offset < self._largest_total and not self._asked_again:
            self._asked_again = True
            return AfterPage.ASK_AGAIN
        self._asked_again = False
        if self.first_total is None:
            self.first_total = page.total or 0
        self.pages += 1
        self.results += page.count
        step = self._after(page, limit=limit)
        self.offset += limit
        return step

    def _after(self, page: Page, *, limit: int) -> AfterPage:
        full = page.count >= limit
        at_cap = self.offset + limit >= self.cap
        if (self.first_total or 0) >= self.cap:
            self.truncated = True
            if self.refinable:
                return AfterPage.END
        if at_cap:
            self.truncated = self.truncated or full
            return AfterPage.END
        if page.count == 0:
            return AfterPage.END
        if not page.has_next and (not full or self.offset + page.count >= self._largest_total):
            return AfterPage.END
        return AfterPage.NEXT_PAGE
