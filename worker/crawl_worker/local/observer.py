"""Reads how far a job is and makes the Snapshot of it that people see.

It refuses to change anything.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from crawl_core.errors import ConfigurationError
from crawl_core.job.reasons import NOTED_BY_WORKERS
from crawl_core.job.snapshot import Snapshot, State
from crawl_core.ledger import buckets, jobs
from crawl_core.limiter.bucket import Bucket
from crawl_core.spec import CrawlJob
from crawl_core.values.limits import BucketRow
from crawl_core.values.progress import Progress
from crawl_core.wording import instant
from crawl_worker.local.opened import Opened
from crawl_worker.local.pace import Pace
from crawl_worker.local.plan import floor_note, limit_per_minute, shared_note


class Observer:
    """Looks at one job, again and again."""

    def __init__(self, job: CrawlJob, *, event: Callable[[str], None]) -> None:
        self.snapshot = Snapshot(
            job=f"{job.metadata.namespace}/{job.metadata.name}", limit_per_minute=limit_per_minute(job.spec.rate_limit)
        )
        self.progress: Progress | None = None
        self.problem = ""
        """The reason of what workers noted, and a person should see to."""
        self._own = job.spec.rate_limit
        self._event = event
        self._pace = Pace()

    @property
    def state(self) -> State:
        """Of a run that goes on, in the words of a CrawlJob's status."""
        if self.snapshot.frozen_s:
            return "Frozen"
        return "Stalled" if self.problem in NOTED_BY_WORKERS else "Crawling"

    async def look(self, opened: Opened) -> None:
        """Renew the snapshot. Raises ConfigurationError where somebody has deleted the job."""
        row = await jobs.get(opened.ledger, opened.row.id)
        if row is None or row.deleted_at is not None:
            raise ConfigurationError(f"job {self.snapshot.job} was deleted while it ran; run it again to begin anew")
        progress = await jobs.progress(opened.ledger, opened.row.id)
        bucket = await _bucket(opened)
        frozen_until_s = bucket.frozen_until_us / 1e6 if bucket is not None else 0.0
        floor_s = await Bucket(opened.redis, opened.bucket).floor_s()
        self.progress, self.problem = progress, row.problem_reason or ""
        problem = f"{row.problem_reason}: {row.problem_message}" if row.problem_reason else ""
        self._tell_freeze(frozen_until_s, opened.bucket)
        frozen_s = max(0.0, frozen_until_s - time.time())
        if frozen_s:
            self._pace.pause()
        else:
            self._pace.note(time.monotonic(), covered=progress.covered, requests=progress.requests)
        eta_s = self._pace.eta_s(left=progress.total - progress.covered)
        self.snapshot = replace(
            self._counted(progress),
            limit_per_minute=limit_per_minute(self._own if bucket is None else bucket.limits),
            requests_per_minute=self._pace.requests_per_minute,
            eta_s=None if eta_s is None else frozen_s + eta_s,
            frozen_s=frozen_s,
            frozen_until=instant(frozen_until_s) if frozen_s else "",
            notes=self._notes(bucket, problem=problem, floor_s=floor_s),
        )

    def _counted(self, progress: Progress) -> Snapshot:
        return replace(
            self.snapshot,
            covered=progress.covered,
            strings=progress.total,
            searches=progress.searches,
            requests=progress.requests,
            retries=progress.retries,
            rate_limited=progress.rate_limited,
            artists=progress.artists,
            artists_new=progress.artists_new,
            truncated=progress.truncated,
            dead_letters=progress.dead_letters,
        )

    def _tell_freeze(self, frozen_until_s: float, bucket: str) -> None:
        if frozen_until_s > time.time() and not self.snapshot.frozen_until:
            until = instant(frozen_until_s)
            self._event(f"the API asks to pause (429): bucket {bucket} is frozen until {until}")

    def _notes(self, bucket: BucketRow | None, *, problem: str, floor_s: float) -> tuple[str, ...]:
        """What a person should know: what workers have noted, and why it is slow or nothing moves."""
        shared = "" if bucket is None else shared_note(self._own, bucket.limits, bucket=bucket.name)
        return tuple(note for note in (problem, shared, floor_note(floor_s - time.time())) if note)


async def _bucket(opened: Opened) -> BucketRow | None:
    """The row of the job's bucket; none before its first worker."""
    return next((row for row in await buckets.all(opened.ledger) if row.name == opened.bucket), None)
