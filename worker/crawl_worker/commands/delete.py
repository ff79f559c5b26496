"""`artistcrawl delete`: end a job for good, so that its name is free and its rate limit binds nobody any more.

An unfinished job that nobody goes on with binds every job that shares its bucket. Artists stay. The job's frontier in
Redis expires by itself: no worker claims a range of a deleted job.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence

from crawl_core.ledger import jobs
from crawl_core.ledger.ledger import Ledger
from crawl_core.values.progress import Progress
from crawl_core.wording import number
from crawl_worker.commands.asking import agreed
from crawl_worker.commands.job_names import full_name
from crawl_worker.commands.job_status import QUIET_AFTER_S
from crawl_worker.commands.jobs import named, reaped
from crawl_worker.commands.output import say
from crawl_worker.data.backends import add_flags, answering, backends


def main(argv: Sequence[str] | None = None) -> int:
    """Ask, delete, and say what remains."""
    parser = argparse.ArgumentParser(
        prog="artistcrawl delete", description="End a job for good and delete its rows. Artists stay."
    )
    parser.add_argument("name", metavar="NAME", help="the job: name or namespace/name")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    add_flags(parser)
    arguments = parser.parse_args(argv)
    with backends(arguments) as urls:
        return asyncio.run(_act(urls.postgres, arguments.name, sure=arguments.yes))


async def _act(url: str, name: str, *, sure: bool) -> int:
    with answering(url):
        ledger = await Ledger.open(url, application_name="artistcrawl-delete")
    try:
        job = await named(ledger, name)
        name = full_name(job)
        asked = question(name, await jobs.progress(ledger, job.id), now_s=time.time())
        otherwise = f"deleting {name} cannot be undone: write artistcrawl delete --yes {name}"
        if not sure and not agreed(asked, otherwise=otherwise):
            say(f"{name} stays as it is")
            return 1
        await jobs.mark_deleted(ledger, job.id)
        await reaped(ledger)
        left = [full_name(row) for row in await jobs.all(ledger)]
    finally:
        await ledger.close()
    say(f"{name} is deleted, with its ranges, searches, dead letters and request log")
    say(f"what remains: all artists (artistcrawl export artists), and the jobs: {', '.join(left) or 'none'}")
    return 0


def question(name: str, progress: Progress, *, now_s: float) -> str:
    """What is asked, with what would be lost."""
    last = progress.last_commit_at
    busy = last is not None and now_s - last.timestamp() < QUIET_AFTER_S
    return (
        f"{name} has covered {number(progress.covered)} of {number(progress.total)} strings by "
        f"{number(progress.requests)} requests"
        f"{', and is being crawled just now' if busy and progress.open_ranges else ''}.\n"
        "Deleted, it cannot be gone on with: its file would crawl from the start. Artists stay.\nDelete it?"
    )
