"""`artistcrawl delete-run`: delete what one earlier run of a job brought in. Its counts stay, and so do all artists."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence

from crawl_core.errors import ConfigurationError
from crawl_core.job.runs import line, view_of
from crawl_core.ledger import runs
from crawl_core.ledger.ledger import Ledger
from crawl_core.values.jobs import JobRow
from crawl_core.values.runs import RunRow
from crawl_worker.commands.asking import agreed
from crawl_worker.commands.job_names import full_name
from crawl_worker.commands.jobs import named, numbered, reaped
from crawl_worker.commands.output import say
from crawl_worker.data.backends import add_flags, answering, backends


def main(argv: Sequence[str] | None = None) -> int:
    """Ask, delete, and say what remains."""
    parser = argparse.ArgumentParser(
        prog="artistcrawl delete-run",
        description="Delete the data of one earlier run: its searches, dead letters, and which artists it returned. "
        "Its counts and all artists stay.",
    )
    parser.add_argument("name", metavar="JOB", help="the job: name or namespace/name")
    parser.add_argument("number", type=int, metavar="N", help="the run's number: artistcrawl runs lists them")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    add_flags(parser)
    arguments = parser.parse_args(argv)
    with backends(arguments) as urls:
        return asyncio.run(_act(urls.postgres, arguments.name, arguments.number, sure=arguments.yes))


async def _act(url: str, name: str, number: int, *, sure: bool) -> int:
    with answering(url):
        ledger = await Ledger.open(url, application_name="artistcrawl-delete-run")
    try:
        job = await named(ledger, name)
        run = await numbered(ledger, job, number)
        what = f"run {number} of {full_name(job)}"
        if run.data_deleted_at is not None:
            say(f"the data of {what} was deleted before")
            return 0
        check(job, run)
        otherwise = f"deleting {what} cannot be undone: write artistcrawl delete-run --yes {full_name(job)} {number}"
        if not sure and not agreed(question(job, run, now_s=time.time()), otherwise=otherwise):
            say(f"{what} stays as it is")
            return 1
        await _delete(ledger, job, number)
    finally:
        await ledger.close()
    say(f"the searches and dead letters of {what} are deleted, and which artists it returned")
    say(f"what remains: its counts (artistcrawl runs {full_name(job)}), all artists, and the other runs")
    return 0


async def _delete(ledger: Ledger, job: JobRow, number: int) -> None:
    # How the run after it differs is counted while both are here.
    while await runs.compare(ledger, job.id):
        pass
    await runs.delete(ledger, job.id, number)
    await reaped(ledger)


def check(job: JobRow, run: RunRow) -> None:
    """Raises ConfigurationError where it is the current run, whose rows the crawl needs."""
    if run.id == job.run_id:
        raise ConfigurationError(
            f"run {run.number} is the current run of {full_name(job)}, and stays until the next has begun: begin it "
            f"(artistcrawl run FILE --again), or delete the whole job (artistcrawl delete {full_name(job)})"
        )


def question(job: JobRow, run: RunRow, *, now_s: float) -> str:
    """What is asked, with what would be lost."""
    goes_on = job.finished_at is None and job.run == run.number + 1
    compared = f"\nRun {job.run} goes on, and cannot be compared with it then." if goes_on else ""
    return (
        f"{full_name(job)}, {line(view_of(run), now_s=now_s)}.{compared}\n"
        "Its searches and dead letters are deleted, and which artists it returned. Its counts and all artists stay.\n"
        "Delete them?"
    )
