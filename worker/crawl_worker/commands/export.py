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
from crawl_core.wording import duration, number
from crawl_worker.commands.jobs import named
from crawl_worker.commands.output import remark, say
from crawl_worker.data.backends import add_flags, answering, backends
from crawl_worker.data.export import STDOUT, check, export, is_stream

_SUFFIXES = {".parquet": "parquet", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


def main(argv: Sequence[str] | None = None) -> int:
    """Write the file, and say how much is in it."""
    parser = argparse.ArgumentParser(prog="artistcrawl export", description="Write what was collected to a file.")
    parser.add_argument("what", choices=("artists", "searches", "requests"))
    parser.add_argument("--format", choices=("parquet", "csv", "jsonl"), help="default: by the file's ending")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="- is stdout")
    parser.add_argument("--job", metavar="NAME", help="of one job only: name or namespace/name")
    add_flags(parser)
    arguments = parser.parse_args(argv)
    arguments.format = arguments.format or _format(arguments.output)
    check(arguments.output)
    started_s = time.monotonic()
    with backends(arguments) as urls:
        count = asyncio.run(_export(urls.postgres, arguments))
    tell = remark if is_stream(arguments.output) else say
    where = "stdout" if arguments.output in STDOUT else arguments.output
    tell(f"{number(count)} {arguments.what} in {where} ({duration(time.monotonic() - started_s)})")
    return 0


def _format(output: Path) -> str:
    format_name = _SUFFIXES.get(output.suffix.lower())
    if format_name is None:
        raise ConfigurationError(f"{output}: which format? Write --format parquet, csv or jsonl")
    return format_name


async def _export(url: str, arguments: argparse.Namespace) -> int:
    with answering(url):
        ledger = await Ledger.open(url, application_name="artistcrawl-export")
    try:
        job = None if arguments.job is None else await named(ledger, arguments.job)
        return await export(ledger, arguments.what, arguments.format, arguments.output, job=job)
    finally:
        await ledger.close()
