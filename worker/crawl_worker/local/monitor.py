"""Watches the job of a local run: looks again and again, and has the Snapshot that people see of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from crawl_core.clock import Clock
from crawl_core.errors import ArtistcrawlError, LedgerUnavailableError, RedisUnavailableError
from crawl_core.job import page_size
from crawl_core.job.look import BucketLook
from crawl_core.job.snapshot import ShownState, Snapshot
from crawl_core.job.throughput import Throughput
from crawl_core.job.views import BucketStatus
from crawl_core.spec import CrawlJob
from crawl_core.values.capacity import limits_of
from crawl_core.values.runs import RunRow
from crawl_core.wording import instant
from crawl_worker.local.job_look import JobLook
from crawl_worker.local.judgement import Judgement, WorkerCount, judge, out_of_reach
from crawl_worker.local.look import look_at
from crawl_worker.local.opened import Opened
from crawl_worker.local.plan import floor_note, limit_per_minute, shared_note

_BUCKET_FRESH_S = 0.5
"""Less than lies between two looks, so that a freeze is shown at once. One run looks after one bucket."""


class JobMonitor:
    """Looks at one job. What it remembers between two looks is lost with it, and nothing depends on that."""

    def __init__(self, job: CrawlJob, *, event: Callable[[str], None], clock: Clock) -> None:
        self.snapshot = Snapshot(
            job=f"{job.metadata.namespace}/{job.metadata.name}", limit_per_minute=limit_per_minute(job.spec.rate_limit)
        )
        self.look: JobLook | None = None
        """This round's. None before the first, and while the ledger is out of reach."""
        self.judgement = Judgement()
        self._own_limit = job.spec.rate_limit
        self._event = event
        self._clock = clock
        self._throughput = Throughput()
        self._bucket: BucketLook | None = None
        self._last_status: BucketStatus | None = None
        """Of the bucket, as Redis had it last."""

    async def renew(self, opened: Opened, *, workers: WorkerCount) -> JobLook:
        """Look, and renew snapshot and judgement. Raises ConfigurationError where somebody has deleted the job."""
        if self._bucket is None:
            self._bucket = BucketLook(
                opened.redis, opened.ledger, opened.bucket, clock=self._clock, fresh_s=_BUCKET_FRESH_S
            )
        look = await look_at(opened, self._bucket, clock=self._clock)
        if look.redis_error is None:
            self._last_status = look.bucket
        if look.redis_error is not None or self._frozen_s(look):
            self._throughput.hold()
        else:
            self._throughput.see(look.progress, at_s=self._clock.monotonic())
        per_s = self._throughput.covered_per_s
        self.judgement = judge(look, workers=workers, covered_per_s=per_s, before=self.judgement)
        self._tell_freeze(look, opened.bucket)
        self.look, self.snapshot = look, self._shown(look)
        return look

    def begin(self) -> None:
        """A round begins: what was seen before it is old."""
        self.look = None

    def note_out_of_reach(self, error: ArtistcrawlError) -> None:
        """Something does not answer, or has forgotten the job. Only what this round's look brought is still shown."""
        now = datetime.fromtimestamp(self._clock.time(), UTC)
        self.judgement = out_of_reach(error, now=now, before=self.judgement)
        if isinstance(error, LedgerUnavailableError):
            self.look = None
        elif self.look is not None:
            redis_error = error if isinstance(error, RedisUnavailableError) else None
            self.look = replace(self.look, frontier=None, bucket=None, redis_error=redis_error)
        self.snapshot = replace(self.snapshot, notes=(f"{error}; trying again",))

    def show(self, state: ShownState, *, elapsed_s: float, workers: WorkerCount, last_error: str) -> Snapshot:
        """The snapshot with what the run itself knows."""
        self.snapshot = replace(
            self.snapshot,
            state=state,
            elapsed_s=elapsed_s,
            workers_alive=workers.alive,
            workers_desired=workers.desired,
            last_error=last_error,
        )
        return self.snapshot

    def note_end(self, run: RunRow) -> None:
        """The run has ended, and was compared with the one before it."""
        self.snapshot = replace(self.snapshot, new=run.added, gone=run.gone)

    def _shown(self, look: JobLook) -> Snapshot:
        progress, end, bucket = look.progress, self.judgement.estimated_end, self._last_status
        left_s = None if end is None else max(0.0, (end - look.now).total_seconds())
        frozen_s = self._frozen_s(look)
        return replace(
            self.snapshot,
            run=look.row.run,
            new=None,
            gone=None,
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
            incomplete=progress.incomplete,
            limit_per_minute=limit_per_minute(self._own_limit if bucket is None else bucket.row.limits),
            requests_per_minute=progress.requests_last_minute,
            eta_s=0.0 if progress.covered >= progress.total else left_s,
            frozen_s=frozen_s,
            frozen_until=instant(look.now.timestamp() + frozen_s) if frozen_s else "",
            notes=self._notes(look),
        )

    def _tell_freeze(self, look: JobLook, bucket: str) -> None:
        frozen_s = self._frozen_s(look)
        if frozen_s and not self.snapshot.frozen_until:
            until = instant(look.now.timestamp() + frozen_s)
            self._event(f"the API asks to pause (429): bucket {bucket} is frozen until {until}")

    def _notes(self, look: JobLook) -> tuple[str, ...]:
        """What a person should know: what workers have noted, and why it is slow or nothing moves."""
        row, bucket = look.row, look.bucket
        problem = f"{row.problem_reason}: {row.problem_message}" if row.problem_reason else ""
        shared = "" if bucket is None else shared_note(limits_of(row.crawl_job.spec), bucket)
        waiting = floor_note(look.floor_s - look.now.timestamp())
        small_pages = page_size.note_of(row, now_s=look.now.timestamp())
        return tuple(note for note in (problem, shared, waiting, small_pages) if note)

    def _frozen_s(self, look: JobLook) -> float:
        """Seconds that the freeze lasts from now; 0 where there is none. A freeze goes on while Redis is away."""
        until = None if self._last_status is None else self._last_status.frozen_until
        return 0.0 if until is None else max(0.0, (until - look.now).total_seconds())
