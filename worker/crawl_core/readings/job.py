"""One look at a CrawlJob as series. The operator fills it in from what it observed, a local run from its own look.

What is not known is None, and has no series: a wrong number is worse than none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from crawl_core.metrics import definitions as metrics
from crawl_core.metrics.declared import Reading, Sampled
from crawl_core.metrics.labels import JobState, values_of
from crawl_core.values.frontier import FrontierStats
from crawl_core.values.progress import Progress

STATES = tuple(values_of(JobState))


@dataclass(frozen=True, slots=True)
class BucketFigures:
    """The bucket that the job's requests count against. Instants in seconds since 1970."""

    name: str
    requests: int
    window_s: float
    slots_free: int | None
    frozen_until_s: float
    """0 where it is not frozen."""
    epoch: int


@dataclass(frozen=True, slots=True)
class JobFigures:
    """One look at one job. Instants in seconds since 1970."""

    namespace: str
    name: str
    state: str
    """Of STATES; another one has no series."""
    observed_at_s: float
    source: str = ""
    conditions: tuple[tuple[str, str, str], ...] = ()
    """(type, status, reason) of each."""
    progress: Progress | None = None
    finished: bool = False
    requests_per_s: float | None = None
    """None: as `progress` says."""
    started_at_s: float | None = None
    completed_at_s: float | None = None
    estimated_at_s: float | None = None
    deadline_at_s: float | None = None
    workers_desired: int = 0
    workers_ready: int = 0
    frontier: FrontierStats | None = None
    bucket: BucketFigures | None = None
    bucket_name: str = ""
    """Its name, also where `bucket` could not be read: a label must not change with that."""

    def readings(self) -> Iterator[Reading]:
        """All its series."""
        for metric, labels, value in self._values():
            if value is not None:
                yield metric(float(value), self.namespace, self.name, *labels)

    def _values(self) -> Iterator[tuple[Sampled, tuple[str, ...], float | None]]:
        yield metrics.JOB_INFO, (self.source, self.bucket_name or ("" if self.bucket is None else self.bucket.name)), 1
        for state in STATES:
            yield metrics.JOB_STATE, (state,), state == self.state
        for condition in self.conditions:
            yield metrics.JOB_CONDITION, condition, 1
        yield metrics.JOB_START, (), self.started_at_s
        yield metrics.JOB_COMPLETION, (), self.completed_at_s
        yield metrics.JOB_ESTIMATE, (), self.estimated_at_s
        yield metrics.JOB_DEADLINE, (), self.deadline_at_s
        yield metrics.JOB_OBSERVED, (), self.observed_at_s
        yield metrics.JOB_WORKERS, ("desired",), self.workers_desired
        yield metrics.JOB_WORKERS, ("ready",), self.workers_ready
        if self.progress is not None:
            yield from self._counts(self.progress)
        if self.frontier is not None:
            yield from _frontier(self.frontier)
        if self.bucket is not None:
            yield from _bucket(self.bucket)

    def _counts(self, progress: Progress) -> Iterator[tuple[Sampled, tuple[str, ...], float | None]]:
        share = progress.covered / progress.total if progress.total else 0.0
        per_s = progress.requests_last_minute / 60 if self.requests_per_s is None else self.requests_per_s
        yield metrics.PROGRESS, (), 1.0 if self.finished else share
        yield metrics.STRINGS, (), progress.total
        yield metrics.STRINGS_COVERED, (), progress.covered
        yield metrics.JOB_SEARCHES, (), progress.searches
        yield metrics.JOB_REQUESTS, (), progress.requests
        yield metrics.JOB_ARTISTS, (), progress.artists
        yield metrics.JOB_ARTISTS_NEW, (), progress.artists_new
        yield metrics.JOB_TRUNCATED, (), progress.truncated
        yield metrics.JOB_DEAD_LETTERS, (), progress.dead_letters
        yield metrics.JOB_INCOMPLETE, (), progress.incomplete
        yield metrics.JOB_RETRIES, (), progress.retries
        yield metrics.JOB_RATE_LIMITED, (), progress.rate_limited
        yield metrics.JOB_RATE, (), 0.0 if self.finished else per_s
        yield metrics.JOB_COMMIT, (), None if progress.last_commit_at is None else progress.last_commit_at.timestamp()
        yield metrics.JOB_RANGES, ("open",), progress.open_ranges
        yield metrics.JOB_RANGES, ("done",), progress.done_ranges


def _frontier(stats: FrontierStats) -> Iterator[tuple[Sampled, tuple[str, ...], float | None]]:
    yield metrics.FRONTIER_RANGES, ("pending",), stats.pending
    yield metrics.FRONTIER_RANGES, ("leased",), stats.leased
    yield metrics.FRONTIER_RANGES, ("overdue",), stats.overdue
    yield metrics.FRONTIER_EXPIRED, (), stats.expired
    yield metrics.FRONTIER_COMPLETED, (), stats.completed


def _bucket(bucket: BucketFigures) -> Iterator[tuple[Sampled, tuple[str, ...], float | None]]:
    yield metrics.LIMIT_REQUESTS, (bucket.name,), bucket.requests
    yield metrics.LIMIT_WINDOW, (bucket.name,), bucket.window_s
    yield metrics.SLOTS_FREE, (bucket.name,), bucket.slots_free
    yield metrics.FROZEN_UNTIL, (bucket.name,), bucket.frozen_until_s
    yield metrics.FREEZE_EPOCH, (bucket.name,), bucket.epoch
