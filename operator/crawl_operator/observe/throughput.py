"""How fast a crawl goes, from what rounds saw: pure.

Commits come once a second and a slow limit moves once in three, so a rate is taken over minutes, from counts of the
ledger alone. It refuses to guess while it has seen too little.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from crawl_core.ledger import Progress
from crawl_operator.values.model import Memory

REQUESTS_OVER_S = 120.0
COVERED_OVER_S = 600.0
LEAST_S = 20.0
"""Seconds that must lie between two looks for a rate between them."""
SAMPLE_EVERY_S = 5.0
"""Seconds between two kept looks: at most 121 of them a job."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The counts at one time."""

    at: datetime
    requests: int
    covered: int


@dataclass(slots=True)
class Pace:
    """What is remembered of one job between two rounds."""

    began: datetime
    """When this process saw the job first."""
    seeded_at: datetime | None = None
    _samples: deque[Sample] = field(default_factory=deque)
    _moved_at: datetime | None = None
    _last: Sample | None = None
    _held_per_s: float | None = None
    """Strings a second before the last freeze."""

    def see(self, progress: Progress, now: datetime) -> None:
        """A round counted."""
        sample = Sample(now, progress.requests, progress.covered)
        last = self._last
        if last is not None and (sample.requests < last.requests or sample.covered < last.covered):
            # Another ledger, or one from a backup: what was seen before says nothing of it.
            self.pause()
            last = None
        if last is None or (sample.requests, sample.covered) != (last.requests, last.covered):
            self._moved_at = now if last is not None else self._moved_at
        self._last = sample
        if not self._samples or (now - self._samples[-1].at).total_seconds() >= SAMPLE_EVERY_S:
            self._samples.append(sample)
        while self._samples and now - self._samples[0].at > timedelta(seconds=COVERED_OVER_S + SAMPLE_EVERY_S):
            self._samples.popleft()

    def pause(self) -> None:
        """The job stands still on purpose: what it did before is no measure of what it does then."""
        self._samples.clear()
        self._held_per_s = None

    def hold(self) -> None:
        """The API asked to pause, or Redis is away: afterwards the job goes on as before it."""
        covered = self._over(COVERED_OVER_S)
        if covered is not None:
            self._held_per_s = covered[1]
        self._samples.clear()

    def memory(self) -> Memory:
        """For the plan."""
        requests, covered = self._over(REQUESTS_OVER_S), self._over(COVERED_OVER_S)
        return Memory(
            seeded_at=self.seeded_at,
            requests_per_minute=None if requests is None else requests[0] * 60,
            covered_per_s=self._held_per_s if covered is None else covered[1],
            progressed_at=self._moved_at or self.began,
        )

    def _over(self, seconds: float) -> tuple[float, float] | None:
        """Requests and strings a second, from the oldest look within `seconds` to the newest."""
        newest = self._last
        if newest is None:
            return None
        within = timedelta(seconds=seconds)
        oldest = next((each for each in self._samples if newest.at - each.at <= within), newest)
        span_s = (newest.at - oldest.at).total_seconds()
        if span_s < LEAST_S:
            return None
        return (newest.requests - oldest.requests) / span_s, (newest.covered - oldest.covered) / span_s
