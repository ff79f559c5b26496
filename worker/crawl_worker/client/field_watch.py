"""Counts what could not be read of answers, and tells a person when it is much.

A field that comes as something else costs no artist, so a crawl of weeks would go on without it and say nothing. One
odd artist is no news; a tenth of them means that the API has changed.
"""

from __future__ import annotations

from collections import Counter

from crawl_core.metrics import definitions as metrics
from crawl_core.metrics.labels import AnswerField
from crawl_worker.sources.outcomes import Page, UnreadableField

ITEMS_JUDGED = 100
PAGES_JUDGED = 20
"""Items that are looked at together for what artists have, and pages for what pages have."""
SHARE_TOLD = 0.1
"""Of those from which on a person is told."""

_OF_A_PAGE = frozenset({AnswerField.TOTAL, AnswerField.LIMIT, AnswerField.OFFSET})


class FieldWatch:
    """Watches the pages of one process."""

    def __init__(self) -> None:
        self._of_items = _Sample(ITEMS_JUDGED)
        self._of_pages = _Sample(PAGES_JUDGED)

    @property
    def readable(self) -> bool:
        """Whether what was judged last, of items and of pages, can be read but for a few."""
        return not self._of_items.message and not self._of_pages.message

    def take(self, page: Page) -> str:
        """Count a page; what a person should know of the fields that were judged with it, or nothing."""
        for left_out in page.unreadable:
            metrics.UNREADABLE_FIELDS.labels(left_out.field).inc()
            sample = self._of_pages if left_out.field in _OF_A_PAGE else self._of_items
            sample.left_out(left_out)
        judged = [self._of_items.seen(page.count), self._of_pages.seen(1)]
        return "; ".join(message for message in judged if message)


class _Sample:
    """Items or pages that are judged together once there are `size` of them."""

    def __init__(self, size: int) -> None:
        self.message = ""
        """What is to be told of those that were judged last."""
        self._size = size
        self._seen = 0
        self._times: Counter[AnswerField] = Counter()
        self._examples: dict[AnswerField, str] = {}

    def left_out(self, what: UnreadableField) -> None:
        self._times[what.field] += 1
        self._examples[what.field] = what.example

    def seen(self, times: int) -> str:
        """Count them; what is to be told, where there are enough now to be judged."""
        self._seen += times
        if self._seen < self._size:
            return ""
        self.message = self._judged()
        self._seen = 0
        self._times.clear()
        return self.message

    def _judged(self) -> str:
        much = sorted(field for field, times in self._times.items() if times >= SHARE_TOLD * self._seen)
        if not much:
            return ""
        examples = ", ".join(f"{field} came as {self._examples[field]}" for field in much)
        return f"the API's answers have changed, and what cannot be read is left out: {examples}"
