"""What `artistcrawl status` prints of its jobs: a table of all, or one in full. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crawl_core.job.runs import compared
from crawl_core.job.time_left import percentage
from crawl_core.wording import duration, number
from crawl_worker.commands.job_status import JobStatus


def table(statuses: Sequence[JobStatus]) -> str:
    """One line a job, and a line more for what needs attention."""
    if not statuses:
        return "no jobs yet; start one with: artistcrawl run FILE"
    heads = ("JOB", "STATE", "RUN", "PROGRESS", "ARTISTS", "REQUESTS", "A MIN", "LEFT")
    rows = [heads, *(_cells(status) for status in statuses)]
    sources = {_source(status) for status in statuses}
    if len(sources) > 1:
        rows = [(*row, cell) for row, cell in zip(rows, ["SOURCE", *map(_source, statuses)], strict=True)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for number_of_row, row in enumerate(rows):
        cells = [
            cell.ljust(width) if at < 2 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
        if number_of_row:
            lines.extend(f"  {remark}" for remark in _attention(statuses[number_of_row - 1]))
    if len(sources) == 1:
        lines.append(f"source: {sources.pop()}")
    return "\n".join(lines)


def detail(status: JobStatus) -> str:
    """All about one job."""
    shown: dict[str, Any] = {
        "source": _source(status),
        "run": f"{status.run}{compared(status.new, status.gone)}",
        "state": status.state,
        "progress": f"{_percentage(status)} ({number(status.covered)} of {number(status.strings)} strings)",
        "searches": number(status.searches),
        "requests": f"{number(status.requests)}, {number(status.requests_per_minute)} in the last minute",
        "artists": f"{number(status.artists)} ({number(status.artists_new)} new to the ledger)",
        "truncated": number(status.truncated),
        "dead letters": number(status.dead_letters),
        "incomplete": number(status.incomplete),
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
        str(status.run),
        _percentage(status),
        number(status.artists),
        number(status.requests),
        number(status.requests_per_minute),
        _left(status),
    )


def _source(status: JobStatus) -> str:
    """sandbox, spotify (market SE), or mirror.example.com (Spotify): what the dataset's name does not say by itself."""
    kind = [status.source_type] if status.source.lower() != status.source_type.lower() else []
    about = [*kind, *([f"market {status.market}"] if status.market else [])]
    return f"{status.source} ({', '.join(about)})" if about else status.source


def _percentage(status: JobStatus) -> str:
    return percentage(covered=status.covered, total=status.strings, finished=status.state == "Succeeded")


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
    if status.idle:
        remarks.append(status.idle)
    if status.stricter:
        remarks.append(status.stricter)
    if status.page_size:
        remarks.append(status.page_size)
    if status.dead_letters:
        remarks.append(
            f"{number(status.dead_letters)} dead letters: artistcrawl retry-dead-letters --list {status.job}"
        )
    if status.incomplete:
        remarks.append(
            f"{number(status.incomplete)} strings with fewer results than their total says: "
            f"artistcrawl retry-dead-letters --incomplete --list {status.job}"
        )
    return remarks
