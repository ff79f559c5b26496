"""`artistcrawl status`: the jobs of a ledger and how far they are, read without disturbing anybody.

It refuses to say whether workers run: the ledger only knows what they committed, and when.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from crawl_core.ledger import buckets, jobs
from crawl_core.ledger.ledger import Ledger
from crawl_core.spec import RateLimit
from crawl_core.values.bucket_names import node_bucket
from crawl_core.values.jobs import JobRow
from crawl_core.values.limits import BucketRow
from crawl_core.values.progress import Progress
from crawl_core.wording import duration, instant, number
from crawl_worker.commands.jobs import full_name, named
from crawl_worker.commands.output import say, say_json
from crawl_worker.data.backends import add_flags, backends

QUIET_AFTER_S = 120.0
"""Seconds without a commit after which nobody seems to crawl: limits as slow as one request a minute are rare."""

_NODE_BUCKETS = node_bucket("")


@dataclass(frozen=True, slots=True)
class JobStatus:
    """What is shown of one job."""

    job: str
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
    """The limit in force, where it is not the job's own, and the unfinished jobs that bring it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table, or one job in full."""
    parser = argparse.ArgumentParser(prog="artistcrawl status", description="Show the jobs and how far they are.")
    parser.add_argument("name", nargs="?", metavar="NAME", help="one job: name or namespace/name")
    add_flags(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON array, one object a job")
    arguments = parser.parse_args(argv)
    with backends(arguments) as urls:
        found = asyncio.run(_read(urls.postgres, arguments.name))
    if arguments.json:
        say_json([asdict(status) for status in found])
    else:
        say(detail(found[0]) if arguments.name is not None else table(found))
    return 0


async def _read(url: str, name: str | None) -> list[JobStatus]:
    ledger = await Ledger.open(url, application_name="artistcrawl-status")
    try:
        rows = await jobs.all(ledger) if name is None else [await named(ledger, name)]
        known = await buckets.all(ledger)
        now_s = time.time()
        every = rows if name is None else await jobs.all(ledger)
        return [
            status_of(row, await jobs.progress(ledger, row.id), known=known, now_s=now_s, beside=every) for row in rows
        ]
    finally:
        await ledger.close()


def status_of(
    row: JobRow, progress: Progress, *, known: Sequence[BucketRow], now_s: float, beside: Sequence[JobRow] = ()
) -> JobStatus:
    """What a job's rows mean, now; `known` are the ledger's buckets, `beside` its other jobs."""
    bucket = _longest_frozen(row, known)
    frozen = bucket is not None and bucket.frozen_until_us / 1e6 > now_s and row.finished_at is None
    troubled = bool(row.problem_reason) and row.finished_at is None
    return JobStatus(
        job=full_name(row),
        state=_state(row, progress, frozen=frozen, now_s=now_s),
        progress=round(progress.covered / progress.total, 6) if progress.total else 1.0,
        strings=progress.total,
        covered=progress.covered,
        searches=progress.searches,
        requests=progress.requests,
        artists=progress.artists,
        artists_new=progress.artists_new,
        truncated=progress.truncated,
        dead_letters=progress.dead_letters,
        retries=progress.retries,
        rate_limited=progress.rate_limited,
        requests_per_minute=progress.requests_last_minute,
        seconds_left=_seconds_left(progress),
        frozen_until=instant(bucket.frozen_until_us / 1e6, now_s=now_s) if bucket is not None and frozen else "",
        bucket=row.bucket or "one a node",
        problem=f"{row.problem_reason}: {row.problem_message}" if troubled else "",
        problem_s=round(now_s - row.problem_at.timestamp(), 1) if troubled and row.problem_at else None,
        frozen_bucket=bucket.name if bucket is not None and frozen else "",
        stricter=_stricter(row, beside),
    )


def _longest_frozen(row: JobRow, known: Sequence[BucketRow]) -> BucketRow | None:
    """Of the job's buckets (one, or one a node) the one that is frozen the longest."""
    its = [one for one in known if one.name == row.bucket or (row.bucket is None and _is_of_a_node(one.name))]
    return max(its, key=lambda one: one.frozen_until_us, default=None)


def _stricter(row: JobRow, beside: Sequence[JobRow]) -> str:
    """A bucket's limit is the strictest of the unfinished jobs on it: the fewest requests in the longest window."""
    if row.finished_at is not None:
        return ""
    own = row.crawl_job.spec.rate_limit
    limits = {full_name(one): one.crawl_job.spec.rate_limit for one in beside if _shares_bucket(row, one)}
    by = {
        name: limit
        for name, limit in limits.items()
        if limit.requests < own.requests or limit.window.seconds > own.window.seconds
    }
    if not by:
        return ""
    requests = min(own.requests, *(limit.requests for limit in by.values()))
    window_s = max(own.window.seconds, *(limit.window.seconds for limit in by.values()))
    share = "shares" if len(by) == 1 else "share"
    return (
        f"limited to {requests} requests in {duration(window_s)} instead of its own {_limit(own)}: "
        f"{', '.join(by)} {share} its bucket; to end it: artistcrawl delete {next(iter(by))}"
    )


def _limit(limit: RateLimit) -> str:
    return f"{limit.requests} in {duration(limit.window.seconds)}"


def _shares_bucket(row: JobRow, other: JobRow) -> bool:
    return other.id != row.id and other.finished_at is None and other.bucket == row.bucket


def _is_of_a_node(bucket: str) -> bool:
    return bucket.startswith(_NODE_BUCKETS)


def _state(row: JobRow, progress: Progress, *, frozen: bool, now_s: float) -> str:
    if row.finished_at is not None:
        return "Succeeded"
    if row.spec.get("suspend"):
        return "Suspended"
    if frozen:
        return "Frozen"
    if now_s - (progress.last_commit_at or row.started_at).timestamp() >= QUIET_AFTER_S and row.problem_reason:
        return "Stalled"
    if progress.last_commit_at is None:
        return "Pending"
    return "Crawling" if now_s - progress.last_commit_at.timestamp() < QUIET_AFTER_S else "Paused"


def _seconds_left(progress: Progress) -> float | None:
    """At the pace of the last minute; None where there was none."""
    if progress.covered >= progress.total:
        return 0.0
    if not progress.requests_last_minute or not progress.covered:
        return None
    requests_left = (progress.total - progress.covered) * progress.requests / progress.covered
    return round(60.0 * requests_left / progress.requests_last_minute, 1)


def table(found: Sequence[JobStatus]) -> str:
    """One line a job, and a line more for what needs attention."""
    if not found:
        return "no jobs yet; start one with: artistcrawl run FILE"
    heads = ("JOB", "STATE", "PROGRESS", "ARTISTS", "REQUESTS", "A MINUTE", "LEFT")
    rows = [heads, *(_cells(status) for status in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    lines = []
    for number_of_row, row in enumerate(rows):
        cells = [
            cell.ljust(width) if at < 2 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
        if number_of_row:
            lines.extend(f"  {remark}" for remark in _attention(found[number_of_row - 1]))
    return "\n".join(lines)


def detail(status: JobStatus) -> str:
    """All about one job."""
    shown: dict[str, Any] = {
        "state": status.state,
        "progress": f"{status.progress:.2%} ({number(status.covered)} of {number(status.strings)} strings)",
        "searches": number(status.searches),
        "requests": f"{number(status.requests)}, {number(status.requests_per_minute)} in the last minute",
        "artists": f"{number(status.artists)} ({number(status.artists_new)} new to the ledger)",
        "truncated": number(status.truncated),
        "dead letters": number(status.dead_letters),
        "retries": number(status.retries),
        "429s": number(status.rate_limited),
        "time left": _left(status),
        "bucket": status.bucket,
    }
    lines = [status.job, *(f"  {name:<13} {value}" for name, value in shown.items())]
    return "\n".join([*lines, *(f"  {remark}" for remark in _attention(status))])


def _cells(status: JobStatus) -> tuple[str, ...]:
    return (
        status.job,
        status.state,
        f"{status.progress:.2%}",
        number(status.artists),
        number(status.requests),
        number(status.requests_per_minute),
        _left(status),
    )


def _left(status: JobStatus) -> str:
    return "?" if status.seconds_left is None else duration(status.seconds_left) if status.seconds_left else "-"


def _attention(status: JobStatus) -> list[str]:
    remarks = []
    if status.problem:
        age = "" if status.problem_s is None else f" (noted {duration(max(status.problem_s, 0.0))} ago)"
        remarks.append(f"{status.problem}{age}")
    if status.frozen_until:
        of_a_node = f"{status.frozen_bucket} " if status.frozen_bucket != status.bucket else ""
        remarks.append(
            f"{of_a_node}frozen until {status.frozen_until}; to lift it: artistcrawl unfreeze {status.frozen_bucket}"
        )
    if status.stricter:
        remarks.append(status.stricter)
    if status.dead_letters:
        remarks.append(
            f"{number(status.dead_letters)} dead letters: artistcrawl retry-dead-letters --list {status.job}"
        )
    return remarks
