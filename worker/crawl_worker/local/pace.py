"""How fast a run goes, measured as it goes.

It refuses to guess before it has seen progress.
"""

from __future__ import annotations

from collections import deque

LEAST_S = 10.0
"""Seconds after a pause until what came before it says less than what came after."""


class Pace:
    """How fast things go, over the last minute: what came before says little about what comes next."""

    def __init__(self, *, span_s: float = 60.0) -> None:
        self._span_s = span_s
        self._seen: deque[tuple[float, int, int]] = deque()
        self._before = 0.0
        """Strings a second before the last pause."""

    def note(self, now_s: float, *, covered: int, requests: int) -> None:
        """Record a moment."""
        self._seen.append((now_s, covered, requests))
        while len(self._seen) > 2 and now_s - self._seen[1][0] >= self._span_s:
            self._seen.popleft()

    def pause(self) -> None:
        """Nothing goes on for a while, and afterwards as it did: the time between is no measure of either."""
        elapsed_s, covered, _ = self._difference()
        if elapsed_s > 0 and covered > 0:
            self._before = covered / elapsed_s
        self._seen.clear()

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
        if elapsed_s < LEAST_S and self._before:
            return left / self._before
        return left * elapsed_s / covered if covered > 0 and elapsed_s > 0 else None

    def _difference(self) -> tuple[float, int, int]:
        if not self._seen:
            return 0.0, 0, 0
        (first_s, first_covered, first_requests), (last_s, covered, requests) = self._seen[0], self._seen[-1]
        return last_s - first_s, covered - first_covered, requests - first_requests
