"""What is judged of a job that goes on: whether it progresses, whether it is limited, and its state. Pure.

The operator judges pods, Secrets and the spec beside these, and writes a message to each verdict. A local run shows the
verdicts in its metrics. What both judge is judged here, so that they never differ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from crawl_core.job import reasons
from crawl_core.job.time_left import RECENTLY
from crawl_core.spec import Spec
from crawl_core.values.capacity import limits_of, need
from crawl_core.values.jobs import JobRow
from crawl_core.values.limits import BucketLimits
from crawl_core.values.progress import Progress

Truth = Literal["True", "False", "Unknown"]

OTHERS_COMMIT_WITHIN = timedelta(seconds=30)
"""Healthy workers commit each second or so; this long after one noted a configuration error, all of them have it."""

_QUIET = timedelta(minutes=5)
"""Time without a commit that counts as a stall, unless three windows are longer."""
_QUIET_WINDOWS = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a condition holds, and why, in one of `reasons`."""

    status: Truth
    reason: str


@dataclass(frozen=True, slots=True)
class Standing:
    """The verdict of the look before, and since when its status holds."""

    verdict: Verdict
    since: datetime


def rate_limited(spec: Spec, *, row: JobRow, frozen: bool, in_force: BucketLimits | None) -> Verdict:
    """RateLimited: whether the source asked for a pause, or another job's limit counts.

    `in_force` are the bucket's limits, the strictest of its jobs; None where there is no bucket.
    """
    if frozen:
        quota = row.problem_reason == reasons.QUOTA_EXCEEDED
        return Verdict("True", reasons.QUOTA_EXCEEDED if quota else reasons.FROZEN_BY_API)
    own = limits_of(spec)
    if in_force is not None and in_force.allows_less_than(requests=own.requests, window_s=own.window_s):
        return Verdict("False", reasons.SHARED_BUCKET_STRICTER)
    return Verdict("False", reasons.WITHIN_LIMIT)


def progressing(
    row: JobRow,
    progress: Progress | None,
    *,
    now: datetime,
    ready: int,
    limit_binds: bool,
    window_s: float,
    before: Standing | None,
) -> Verdict:
    """Progressing, of a job that is neither frozen nor suspended: `ready` workers are up.

    `before` is Progressing as it was judged last, `window_s` that of the limits in force.
    """
    if problem_stands(row, progress):
        return Verdict("False", str(row.problem_reason))
    if not ready:
        return Verdict("False", reasons.WORKERS_STARTING)
    quiet_since = _quiet_since(progress, before=before, window_s=window_s)
    if quiet_since is not None and now - quiet_since >= patience(window_s):
        return Verdict("False", reasons.NO_PROGRESS)
    return Verdict("True", reasons.LIMIT_BINDS if limit_binds else reasons.CRAWLING)


def problem_stands(row: JobRow, progress: Progress | None) -> bool:
    """Whether nobody's requests succeed, as workers noted, and nothing was committed after they did."""
    return row.problem_reason in reasons.NOTED_BY_WORKERS and not _committed_after(row.problem_at, progress)


def misconfigured(row: JobRow, progress: Progress | None, *, now: datetime, ready: int) -> bool:
    """Whether no worker can work: one that cannot, beside others that commit, is no reason to take those away."""
    if row.problem_reason != reasons.MISCONFIGURED:
        return False
    if row.problem_at is None:
        return True
    if _committed_after(row.problem_at, progress):
        return False
    return not ready or now - row.problem_at >= OTHERS_COMMIT_WITHIN


def _committed_after(noted_at: datetime | None, progress: Progress | None) -> bool:
    committed_at = None if progress is None else progress.last_commit_at
    return committed_at is not None and (noted_at is None or committed_at > noted_at)


def limit_binds(spec: Spec, limits: BucketLimits, *, latency_s: float | None, workers: int) -> bool:
    """Whether more workers than `workers` would change nothing, since `limits` bound the crawl. `latency_s`: measured.

    With a limit for each node (bucket Node) more workers always change something.
    """
    per_node = spec.rate_limit.bucket == "Node" and not spec.rate_limit.bucket_name
    needed = need(limits, latency_s=latency_s, concurrency=spec.workers.concurrency)
    return not per_node and math.ceil(needed) <= workers


def patience(window_s: float) -> timedelta:
    """Time without a commit until that is a stall."""
    return max(_QUIET, timedelta(seconds=_QUIET_WINDOWS * window_s))


def _quiet_since(progress: Progress | None, *, before: Standing | None, window_s: float) -> datetime | None:
    """Since when nothing was committed although work was under way; None where it was not, until now."""
    if before is None:
        return None
    committed_at = None if progress is None else progress.last_commit_at
    if before.verdict.reason == reasons.NO_PROGRESS:
        # It lasts until something is committed.
        ended = committed_at is not None and committed_at > before.since
        return None if ended else before.since - patience(window_s)
    if before.verdict.status != "True":
        return None
    return before.since if committed_at is None else max(before.since, committed_at)


def running_state(
    verdict: Verdict, progress: Progress | None, *, now: datetime, ready: int, before: str
) -> Literal["Crawling", "Pending", "Stalled"]:
    """One word for a job that is neither frozen nor suspended, by its Progressing. `before` is the word until now."""
    if verdict.reason == reasons.NO_PROGRESS or verdict.reason in reasons.NOTED_BY_WORKERS:
        return "Stalled"
    # A worker that is replaced is no news, and one may have committed before it is known to be up.
    committed_at = None if progress is None else progress.last_commit_at
    moves = committed_at is not None and now - committed_at < RECENTLY
    return "Crawling" if ready or moves or before == "Crawling" else "Pending"
