"""What a person sees of a running crawl, as plain values: computed here, rendered elsewhere.

It refuses to ask anybody: the run fills it in, and the views only read it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

State = Literal["Starting", "Crawling", "Frozen", "Draining", "Succeeded", "Suspended", "Interrupted", "Stalled"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of one job."""

    job: str
    state: State = "Starting"
    elapsed_s: float = 0.0
    covered: int = 0
    strings: int = 0
    searches: int = 0
    requests: int = 0
    retries: int = 0
    rate_limited: int = 0
    artists: int = 0
    artists_new: int = 0
    truncated: int = 0
    dead_letters: int = 0
    requests_per_minute: float = 0.0
    limit_per_minute: float = 0.0
    eta_s: float | None = None
    workers_alive: int = 0
    workers_desired: int = 0
    frozen_s: float = 0.0
    frozen_until: str = ""
    last_error: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def progress(self) -> float:
        """The share of the keyspace covered, 0 to 1."""
        return self.covered / self.strings if self.strings else 0.0


class Pace:
    """How fast things go, over the last minute: what came before says little about what comes next."""

    def __init__(self, *, span_s: float = 60.0) -> None:
        self._span_s = span_s
        self._seen: deque[tuple[float, int, int]] = deque()

    def note(self, now_s: float, *, covered: int, requests: int) -> None:
        """Record a moment."""
        self._seen.append((now_s, covered, requests))
        while len(self._seen) > 2 and now_s - self._seen[1][0] >= self._span_s:
            self._seen.popleft()

    @property
    def requests_per_minute(self) -> float:
        """Committed requests a minute; 0 while nothing can be said."""
        elapsed_s, _, requests = self._difference()
        return 60.0 * requests / elapsed_s if elapsed_s > 0 else 0.0

    def eta_s(self, *, left: int) -> float | None:
        """Seconds until `left` strings are covered at this pace; None while nothing can be said."""
        elapsed_s, covered, _ = self._difference()
        if left == 0:
            return 0.0
        return left * elapsed_s / covered if covered > 0 and elapsed_s > 0 else None

    def _difference(self) -> tuple[float, int, int]:
        if not self._seen:
            return 0.0, 0, 0
        (first_s, first_covered, first_requests), (last_s, covered, requests) = self._seen[0], self._seen[-1]
        return last_s - first_s, covered - first_covered, requests - first_requests
