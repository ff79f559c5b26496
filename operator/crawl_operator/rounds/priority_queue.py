"""Which CrawlJob is looked at next. Pure: the time is passed in.

A key is due at one time and looked at by one round at a time; what is added meanwhile waits for that round's end. Looks
that a change triggered go before those that only time brings, so that many active CrawlJobs keep no other waiting.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from crawl_operator.values.model import Key


@dataclass(frozen=True, slots=True)
class _Due:
    at_s: float
    triggered: bool


@dataclass(slots=True)
class PriorityQueue:
    """The keys that are due, now or later, and those that are being looked at."""

    running: dict[Key, float] = field(default_factory=dict)
    """What is being looked at, with when it was due."""
    _due: dict[Key, _Due] = field(default_factory=dict)
    _triggered: list[tuple[float, int, Key]] = field(default_factory=list)
    _timed: list[tuple[float, int, Key]] = field(default_factory=list)
    _count: int = 0

    def __len__(self) -> int:
        """Keys that will be looked at again."""
        return len(self._due)

    def lengths(self, now_s: float) -> tuple[int, int]:
        """Keys that are due now, and those that will be. May be asked from another thread."""
        dues = tuple(self._due.values())
        now = sum(due.at_s <= now_s for due in dues)
        return now, len(dues) - now

    def put(self, key: Key, *, at_s: float, triggered: bool) -> None:
        """Have a key looked at, not later than at_s. The earlier of two times counts."""
        planned = self._due.get(key)
        due = _Due(at_s, triggered)
        if planned is not None:
            due = _Due(min(planned.at_s, at_s), planned.triggered if planned.at_s < at_s else triggered)
        if due != planned:
            self._due[key] = due
            if key not in self.running:
                self._push(key, due)

    def pop(self, now_s: float) -> Key | None:
        """The next key that is due, which then counts as running."""
        for heap in (self._triggered, self._timed):
            self._drop_outdated(heap)
            if heap and heap[0][0] <= now_s:
                at_s, _, key = heapq.heappop(heap)
                del self._due[key]
                self.running[key] = at_s
                return key
        return None

    def finish(self, key: Key) -> None:
        """A key's round is over."""
        self.running.pop(key, None)
        if (due := self._due.get(key)) is not None:
            self._push(key, due)

    def discard(self, key: Key) -> None:
        """Look at a key no more, unless it is asked for again."""
        self._due.pop(key, None)

    def next_s(self) -> float | None:
        """When the next key is due."""
        for heap in (self._triggered, self._timed):
            self._drop_outdated(heap)
        times = [heap[0][0] for heap in (self._triggered, self._timed) if heap]
        return min(times, default=None)

    def _push(self, key: Key, due: _Due) -> None:
        self._count += 1
        heapq.heappush(self._triggered if due.triggered else self._timed, (due.at_s, self._count, key))

    def _drop_outdated(self, heap: list[tuple[float, int, Key]]) -> None:
        triggered = heap is self._triggered
        while heap and (heap[0][2] in self.running or self._due.get(heap[0][2]) != _Due(heap[0][0], triggered)):
            heapq.heappop(heap)
