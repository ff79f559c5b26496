"""What the client asks of the range that a request is for, and what it tells it.

The range's crawl implements this; the client knows no more of it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from crawl_core.metrics.labels import FailureClass
from crawl_core.values.rows import RequestRow
from crawl_worker.sources.outcomes import Page


class Session(Protocol):
    """One range, as the client sees it."""

    def interruptible(self) -> AbstractContextManager[None]:
        """Inside, the client only waits, and the wait may be ended by an error. Raises it at once after a stop."""
        ...

    async def ready(self) -> None:
        """Return when a request may be sent; raise when this range must not go on."""
        ...

    def may_send(self) -> bool:
        """Whether that still holds, now that a permit is there."""
        ...

    def position(self, page_size: int) -> tuple[int, int]:
        """The offset and limit to ask for now: the page size may fall while we try."""
        ...

    def lacks(self, page: Page) -> int:
        """Results that a page at that offset does not have though there are to be some; 0 for one that has artists."""
        ...

    def sent(self, request: RequestRow, *, retried: bool, rate_limited: bool) -> None:
        """A request was answered or failed."""
        ...


@dataclass(frozen=True, slots=True)
class Dead:
    """The string failed for good: what the dead letter says."""

    reason: str
    failure_class: FailureClass
    attempts: int
    last_error: str
