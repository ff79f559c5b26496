"""Reads how far a job is and makes the Snapshot of it that people see.

It refuses to change anything.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

from crawl_core.ledger import Progress, buckets, jobs
from crawl_core.spec import CrawlJob
from crawl_worker.commands.output import instant
from crawl_worker.local.opened import Opened
from crawl_worker.local.plan import limit_per_minute, restart_note
from crawl_worker.local.snapshot import Pace, Snapshot

_SILENCE_S = 3.0
"""Seconds without a first request after which people want to know why."""


class Observer:
    """Looks at one job, again and again."""

    def __init__(self, job: CrawlJob, *, event: Callable[[str], None]) -> None:
        self.snapshot = Snapshot(
            job=f"{job.metadata.namespace}/{job.metadata.name}", limit_per_minute=limit_per_minute(job.spec)
        )
        self.crawling_since_s = math.inf
        self._job = job
        self._event = event
        self._pace = Pace()
        self._requests_before: int | None = None

    async def look(self, opened: Opened) -> None:
        """Renew the snapshot."""
        progress = await jobs.progress(opened.ledger, opened.row.id)
        row = await jobs.get(opened.ledger, opened.row.id)
        frozen_until_s = await _frozen_until_s(opened)
        problem = f"{row.problem_reason}: {row.problem_message}" if row is not None and row.problem_reason else ""
        self._tell_freeze(frozen_until_s, opened.bucket)
        self._pace.note(time.monotonic(), covered=progress.covered, requests=progress.requests)
        self.snapshot = replace(
            self._counted(progress),
            requests_per_minute=self._pace.requests_per_minute,
            eta_s=self._pace.eta_s(left=progress.total - progress.covered),
            frozen_s=max(0.0, frozen_until_s - time.time()),
            frozen_until=instant(frozen_until_s) if frozen_until_s > time.time() else "",
            notes=self._notes(progress.requests, problem=problem),
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

    def _notes(self, requests_made: int, *, problem: str) -> tuple[str, ...]:
        """What a person should know: what workers have noted, and why nothing moves at first."""
        if self._requests_before is None:
            self._requests_before = requests_made
        notes = [problem] if problem else []
        silent = requests_made == self._requests_before and time.monotonic() - self.crawling_since_s >= _SILENCE_S
        return (*notes, restart_note(self._job.spec)) if silent else tuple(notes)


async def _frozen_until_s(opened: Opened) -> float:
    """When the job's bucket thaws, in seconds of the epoch; 0 where it was never frozen."""
    rows = [row for row in await buckets.all(opened.ledger) if row.name == opened.bucket]
    return rows[0].frozen_until_us / 1e6 if rows else 0.0
