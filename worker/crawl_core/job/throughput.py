"""How fast a job covers its keyspace, from counts of the ledger that were read again and again. Pure.

Commits come once a second and a slow limit moves once in three seconds, so a rate is taken over ten minutes. Nothing is
said before 20 seconds were seen: a rate of two commits would promise anything.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from crawl_core.values.progress import Progress

COVERED_OVER_S = 600.0
"""Seconds over which the rate is taken."""
LEAST_S = 20.0
"""Seconds that must lie between two counts for a rate between them."""
SAMPLE_EVERY_S = 5.0
"""Seconds between two counts that are kept: at most 121 of them a job."""


@dataclass(frozen=True, slots=True)
class _Sample:
    """The counts at one instant."""

    at_s: float
    requests: int
    covered: int


@dataclass(slots=True)
class Throughput:
    """What is remembered of one job between two looks. Lost with the process; nothing depends on it.

    Instants are seconds of any one clock: only their differences count.
    """

    _samples: deque[_Sample] = field(default_factory=deque)
    _last: _Sample | None = None
    _held_per_s: float | None = None
    """Strings a second before the last `hold`."""

    def see(self, progress: Progress, *, at_s: float) -> None:
        """Take in counts of a job that goes on."""
        sample = _Sample(at_s, progress.requests, progress.covered)
        last = self._last
        if last is not None and (sample.requests < last.requests or sample.covered < last.covered):
            # Counts only grow, so this is another ledger, or one from a backup: its past is not this one's.
            self.pause()
        self._last = sample
        if not self._samples or at_s - self._samples[-1].at_s >= SAMPLE_EVERY_S:
            self._samples.append(sample)
        while self._samples and at_s - self._samples[0].at_s > COVERED_OVER_S + SAMPLE_EVERY_S:
            self._samples.popleft()

    def pause(self) -> None:
        """The job stands still on purpose (suspended): how it went before says nothing of how it will go."""
        self._samples.clear()
        self._held_per_s = None

    def hold(self) -> None:
        """The job stands still for a while (a freeze, Redis away): it is expected to go on as before."""
        measured = self._measured_per_s()
        if measured is not None:
            self._held_per_s = measured
        self._samples.clear()

    @property
    def covered_per_s(self) -> float | None:
        """Strings covered a second, over the last ten minutes; as before a `hold` until enough was seen after it.

        None while nothing can be said.
        """
        measured = self._measured_per_s()
        return self._held_per_s if measured is None else measured

    def _measured_per_s(self) -> float | None:
        newest = self._last
        if newest is None:
            return None
        oldest = next((sample for sample in self._samples if newest.at_s - sample.at_s <= COVERED_OVER_S), newest)
        span_s = newest.at_s - oldest.at_s
        return None if span_s < LEAST_S else (newest.covered - oldest.covered) / span_s
