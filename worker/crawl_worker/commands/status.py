"""`artistcrawl status`: the jobs of a ledger and how far they are, read without disturbing anybody."""

from __future__ import annotations

import argparse
import asyncio
import shlex
import time
from collections.abc import Sequence
from dataclasses import asdict

from crawl_core.ledger import buckets, jobs, runs
from crawl_core.ledger.ledger import Ledger
from crawl_core.values.jobs import JobRow
from crawl_core.values.runs import RunRow
from crawl_worker.commands.ends import CommandLine
from crawl_worker.commands.job_status import JobStatus, status_of
from crawl_worker.commands.jobs import named
from crawl_worker.commands.output import program, say, say_json
from crawl_worker.commands.status_text import detail, table
from crawl_worker.data.backends import DEFAULT_DATA, add_flags, answering, backends, given_urls


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table, or one job in full."""
    parser = CommandLine(prog="artistcrawl status", description="Show the jobs and how far they are.")
    parser.add_argument("name", nargs="?", metavar="NAME", help="one job: name or namespace/name")
    add_flags(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON array, one object a job")
    arguments = parser.parse_args(argv)
    to_go_on = _to_go_on(arguments)
    with backends(arguments) as urls:
        statuses = asyncio.run(_read(urls.postgres, arguments.name, to_go_on=to_go_on))
    if arguments.json:
        say_json([asdict(status) for status in statuses])
    else:
        say(detail(statuses[0]) if arguments.name is not None else table(statuses))
    return 0


def _to_go_on(arguments: argparse.Namespace) -> str:
    """The command that crawls on in a run's folder, where nobody does. Who crawls into a given server is not known."""
    if given_urls(arguments).postgres:
        return ""
    from crawl_worker.data.data_folder import is_crawled

    data = arguments.data or DEFAULT_DATA
    return "" if is_crawled(data) else f"{program()} run FILE --data {shlex.quote(str(data))}"


async def _ended(ledger: Ledger, row: JobRow) -> RunRow | None:
    if row.finished_at is None:
        return None
    current = await runs.latest(ledger, row.id, limit=1)
    return current[0] if current else None


async def _read(url: str, name: str | None, *, to_go_on: str) -> list[JobStatus]:
    with answering(url):
        ledger = await Ledger.open(url, application_name="artistcrawl-status")
    try:
        asked_for = await jobs.all(ledger) if name is None else [await named(ledger, name)]
        every_bucket, now_s = await buckets.all(ledger), time.time()
        return [
            status_of(
                row,
                await jobs.progress(ledger, row.id),
                buckets=every_bucket,
                now_s=now_s,
                binders=await buckets.binders(ledger, row.id),
                ended=await _ended(ledger, row),
                to_go_on=to_go_on,
            )
            for row in asked_for
        ]
    finally:
        await ledger.close()
