"""What a job's rows mean to whoever asks for its status, by the model that the operator goes by. Pure.

Whether workers run is not known here: the ledger knows what they committed, and when.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from crawl_core.job.deadline import rests
from crawl_core.job.page_size import note_of
from crawl_core.job.shared_limit import limited_message, stricter
from crawl_core.job.time_left import seconds_left
from crawl_core.job.verdicts import misconfigured, problem_stands
from crawl_core.text import clean
from crawl_core.values.bucket_names import node_bucket
from crawl_core.values.capacity import limits_of
from crawl_core.values.jobs import JobRow
from crawl_core.values.limits import Binder, BucketRow
from crawl_core.values.progress import Progress
from crawl_core.values.runs import RunRow
from crawl_core.wording import instant
from crawl_worker.commands.job_names import full_name

_LONGEST_PROBLEM = 600

QUIET_AFTER_S = 120.0
"""Seconds without a commit after which nobody seems to crawl: limits as slow as one request a minute are rare."""

_NODE_BUCKETS = node_bucket("")


@dataclass(frozen=True, slots=True)
class JobStatus:
    """What is shown of one job."""

    job: str
    source: str
    """The dataset that it crawls."""
    source_type: str
    market: str | None
    run: int
    state: str
    progress: float
    strings: int
    covered: int
    searches: int
    requests: int
    artists: int
    artists_new: int
    truncated: int
    dead_letters: int
    incomplete: int
    new: int | None
    """Of a run that has ended: artists that the run before had not returned; None: it was not compared."""
    gone: int | None
    """Of a run that has ended: artists that only the run before had returned; None: it was not compared."""
    retries: int
    rate_limited: int
    requests_per_minute: int
    seconds_left: float | None
    frozen_until: str
    bucket: str
    problem: str
    problem_s: float | None
    """Seconds since the problem's reason was noted first; None where there is none."""
    frozen_bucket: str
    stricter: str
    """The limit in force, where it is not the job's own, the jobs that bring it, and what to do."""
    page_size: str
    """What the API allows, where it is less than the job asks for, and when more was asked for last."""
    idle: str
    """What goes on with it, where it is known that nobody crawls."""


def status_of(
    row: JobRow,
    progress: Progress,
    *,
    buckets: Sequence[BucketRow],
    now_s: float,
    binders: Sequence[Binder] = (),
    ended: RunRow | None = None,
    to_go_on: str = "",
) -> JobStatus:
    """What a job's rows mean, now; `buckets` are all that the ledger has, `binders` the other jobs whose limits count.

    `ended` is the current run where it has ended, `to_go_on` the command that crawls on where nobody crawls.
    """
    source = row.crawl_job.spec.source
    idle = bool(to_go_on) and row.finished_at is None
    bucket = _longest_frozen(row, buckets)
    frozen = bucket is not None and bucket.frozen_until_us / 1e6 > now_s and row.finished_at is None
    troubled = bool(row.problem_reason) and row.finished_at is None
    return JobStatus(
        job=full_name(row),
        source=source.dataset_in_force,
        source_type=source.type,
        market=source.market_in_force,
        run=row.run,
        state=_state(row, progress, frozen=frozen, idle=idle, now_s=now_s),
        progress=round(progress.covered / progress.total, 6) if progress.total else 1.0,
        strings=progress.total,
        covered=progress.covered,
        searches=progress.searches,
        requests=progress.requests,
        artists=progress.artists,
        artists_new=progress.artists_new,
        truncated=progress.truncated,
        dead_letters=progress.dead_letters,
        incomplete=progress.incomplete,
        new=None if ended is None else ended.added,
        gone=None if ended is None else ended.gone,
        retries=progress.retries,
        rate_limited=progress.rate_limited,
        requests_per_minute=progress.requests_last_minute,
        seconds_left=None if idle else _seconds_left(row, progress, now_s=now_s),
        frozen_until=instant(bucket.frozen_until_us / 1e6, now_s=now_s) if bucket is not None and frozen else "",
        bucket=row.bucket or "one a node",
        problem=clean(f"{row.problem_reason}: {row.problem_message}", _LONGEST_PROBLEM) if troubled else "",
        problem_s=round(now_s - row.problem_at.timestamp(), 1) if troubled and row.problem_at else None,
        frozen_bucket=bucket.name if bucket is not None and frozen else "",
        stricter=_stricter(row, binders),
        page_size=note_of(row, now_s=now_s),
        idle=f"nobody crawls; to go on: {to_go_on}" if idle else "",
    )


def _longest_frozen(row: JobRow, buckets: Sequence[BucketRow]) -> BucketRow | None:
    """Of the job's buckets (one, or one a node) the one that is frozen the longest."""
    own = [bucket for bucket in buckets if bucket.name == row.bucket or (row.bucket is None and _is_a_nodes(bucket))]
    return max(own, key=lambda bucket: bucket.frozen_until_us, default=None)


def _is_a_nodes(bucket: BucketRow) -> bool:
    return bucket.name.startswith(_NODE_BUCKETS)


def _stricter(row: JobRow, binders: Sequence[Binder]) -> str:
    """Why the job is held to less than its own limit; empty where it is not."""
    own = limits_of(row.crawl_job.spec)
    others = stricter(own, binders)
    if row.finished_at is not None or not others:
        return ""
    in_force = replace(
        own,
        requests=min(own.requests, *(other.requests for other in others)),
        window_s=max(own.window_s, *(other.window_s for other in others)),
    )
    return limited_message(own, in_force, others, bucket=row.bucket or "of each node")


def _state(row: JobRow, progress: Progress, *, frozen: bool, idle: bool, now_s: float) -> str:
    """A CrawlJob's state, or Paused: something was committed once, and nobody seems to go on."""
    if row.finished_at is not None:
        return "Succeeded"
    if rests(row.crawl_job.spec, started_at=row.started_at, now=_at(now_s), is_covered=progress.is_covered):
        return "Suspended"
    if frozen:
        return "Frozen"
    # Who is up is not known, so a worker that found its configuration wrong counts for all until one commits.
    wrong = misconfigured(row, progress, now=_at(now_s), ready=0)
    if wrong or problem_stands(row, progress):
        return "Stalled"
    if progress.last_commit_at is None:
        return "Pending"
    return "Crawling" if not idle and now_s - progress.last_commit_at.timestamp() < QUIET_AFTER_S else "Paused"


def _seconds_left(row: JobRow, progress: Progress, *, now_s: float) -> float | None:
    """At the pace of the last minute; None where there was none."""
    if progress.covered >= progress.total:
        return 0.0
    left_s = seconds_left(progress, covered_per_s=None, age=_at(now_s) - row.started_at)
    return None if left_s is None else round(left_s, 1)


def _at(now_s: float) -> datetime:
    return datetime.fromtimestamp(now_s, UTC)
