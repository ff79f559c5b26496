"""`artistcrawl export`: artists, searches or requests in a file, while a run goes on or after it.

Stdout or a pipe gets the rows alone; the count is then told on stderr.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from crawl_core.errors import ConfigurationError
from crawl_core.ledger.ledger import Ledger
from crawl_core.values.jobs import JobRow
from crawl_core.values.runs import RunRow
from crawl_core.wording import duration, number
from crawl_worker.commands.job_names import full_name
from crawl_worker.commands.jobs import named, numbered
from crawl_worker.commands.output import remark, say
from crawl_worker.data.backends import add_flags, answering, backends
from crawl_worker.data.export import STDOUT, Selection, check, export, is_stream, sources

_SUFFIXES = {".parquet": "parquet", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


def main(argv: Sequence[str] | None = None) -> int:
    """Write the file, and say how much is in it."""
    parser = argparse.ArgumentParser(prog="artistcrawl export", description="Write what was collected to a file.")
    parser.add_argument("what", choices=("artists", "searches", "requests"))
    parser.add_argument("--format", choices=("parquet", "csv", "jsonl"), help="default: by the file's ending")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="- is stdout")
    parser.add_argument("--source", metavar="NAME", help="of one source only, such as sandbox or Spotify:spotify")
    parser.add_argument(
        "--job",
        metavar="NAME",
        help="of one job only: name or namespace/name; of its current run. Without it: all artists, and the searches "
        "of all jobs' current runs",
    )
    parser.add_argument(
        "--run", type=int, metavar="N", help="of an earlier run of the job: artistcrawl runs lists them"
    )
    add_flags(parser)
    arguments = parser.parse_args(argv)
    arguments.format = arguments.format or _format(arguments.output)
    check(arguments.output)
    started_s = time.monotonic()
    with backends(arguments) as urls:
        count, of_what = asyncio.run(_export(urls.postgres, arguments))
    tell = remark if is_stream(arguments.output) else say
    where = "stdout" if arguments.output in STDOUT else arguments.output
    tell(f"{number(count)} {arguments.what}{of_what} in {where} ({duration(time.monotonic() - started_s)})")
    return 0


def _format(output: Path) -> str:
    format_name = _SUFFIXES.get(output.suffix.lower())
    if format_name is None:
        raise ConfigurationError(f"{output}: which format? Write --format parquet, csv or jsonl")
    return format_name


async def _export(url: str, arguments: argparse.Namespace) -> tuple[int, str]:
    """How many rows, and of what they are where not of all."""
    with answering(url):
        ledger = await Ledger.open(url, application_name="artistcrawl-export")
    try:
        selection, of_what = await _selected(ledger, arguments)
        count = await export(ledger, arguments.what, arguments.format, arguments.output, selection=selection)
        return count, of_what
    finally:
        await ledger.close()


async def _selected(ledger: Ledger, arguments: argparse.Namespace) -> tuple[Selection, str]:
    """Which rows, and the same in words."""
    source = await _source(ledger, arguments)
    of_source = "" if source is None else f" of {source}"
    if arguments.job is None and arguments.run is None:
        return Selection(source=source), of_source
    job = await named(ledger, arguments.job)
    if arguments.what == "requests":
        if arguments.run is not None:
            raise ConfigurationError("the request log is of the job, and not of a run: leave --run out")
        return Selection(job_id=job.id, source=source), f"{of_source} of {full_name(job)}"
    run = await _run(ledger, job, arguments.run)
    goes_on = "" if run.finished_at else " (it goes on)"
    of_run = f"{of_source} of {full_name(job)}, run {run.number}{goes_on},"
    return Selection(job_id=job.id, run_id=run.id, source=source), of_run


async def _source(ledger: Ledger, arguments: argparse.Namespace) -> str | None:
    """The source that was asked for; a word where artists of several go into one file."""
    every = await sources(ledger)
    wanted: str | None = arguments.source
    if wanted is not None and not any(wanted in (each.source, each.name) for each in every):
        known = ", ".join(sorted({each.name for each in every})) or "none"
        raise ConfigurationError(f"--source {wanted!r} is no source of this ledger; it has: {known}")
    if arguments.what == "artists" and arguments.job is None and arguments.run is None:
        mixed = [each for each in every if each.has_artists and wanted in (None, each.source, each.name)]
        if len(mixed) > 1:
            remark(
                f"artists of {len(mixed)} sources: {', '.join(map(str, mixed))}; the columns source, source_type and "
                "market tell them apart, and --source TYPE:NAME exports one name's"
            )
    return wanted


async def _run(ledger: Ledger, job: JobRow, number: int | None) -> RunRow:
    """The run of that number, or the current one. Raises ConfigurationError where its rows are deleted."""
    run = await numbered(ledger, job, job.run if number is None else number)
    if run.data_deleted_at is not None:
        raise ConfigurationError(
            f"the data of run {run.number} of {full_name(job)} was deleted on {run.data_deleted_at:%Y-%m-%d}; "
            "artistcrawl runs shows which are kept"
        )
    return run
