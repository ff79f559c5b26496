"""`artistcrawl runs`: when a job was crawled, and what each run brought."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from crawl_core.job.runs import table, view_of
from crawl_core.ledger import jobs, runs
from crawl_core.ledger.ledger import Ledger
from crawl_core.values.jobs import JobRow
from crawl_core.values.runs import RunRow
from crawl_worker.commands.ends import CommandLine
from crawl_worker.commands.job_names import full_name
from crawl_worker.commands.jobs import named
from crawl_worker.commands.output import say, say_json
from crawl_worker.data.backends import add_flags, answering, backends


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table a job, the latest run first."""
    parser = CommandLine(
        prog="artistcrawl runs",
        description="Show when jobs were crawled, and what each run brought. NEW and GONE are artists against the run "
        "before; of a first run NEW are those that the ledger had not.",
    )
    parser.add_argument("name", nargs="?", metavar="JOB", help="one job: name or namespace/name")
    add_flags(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON array, one object a run")
    arguments = parser.parse_args(argv)
    with backends(arguments) as urls:
        found = asyncio.run(_read(urls.postgres, arguments))
    if arguments.json:
        say_json([as_object(job, run) for job, every in found for run in every])
    else:
        say(as_text(found, now_s=time.time()))
    return 0


async def _read(url: str, arguments: argparse.Namespace) -> list[tuple[JobRow, list[RunRow]]]:
    with answering(url):
        ledger = await Ledger.open(url, application_name="artistcrawl-runs")
    try:
        asked_for = await jobs.all(ledger) if arguments.name is None else [await named(ledger, arguments.name)]
        return [(job, await runs.latest(ledger, job.id, limit=None)) for job in asked_for]
    finally:
        await ledger.close()


def as_text(found: Sequence[tuple[JobRow, Sequence[RunRow]]], *, now_s: float) -> str:
    """A table for each job."""
    if not found:
        return "no jobs yet; start one with: artistcrawl run FILE"
    return "\n\n".join(
        f"{full_name(job)}\n{table([view_of(run) for run in every], now_s=now_s)}" for job, every in found
    )


def as_object(job: JobRow, run: RunRow) -> dict[str, Any]:
    """One run for a program."""
    return {
        "job": full_name(job),
        "run": run.number,
        "current": run.id == job.run_id,
        "started_at": _iso(run.started_at),
        "finished_at": _iso(run.finished_at),
        "strings": run.total,
        "covered": run.covered,
        "searches": run.searches,
        "requests": run.requests,
        "artists": run.artists,
        "artists_new": run.artists_new,
        "new": run.added,
        "gone": run.gone,
        "dead_letters": run.dead_letters,
        "incomplete": run.incomplete,
        "data_deleted_at": _iso(run.data_deleted_at),
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
