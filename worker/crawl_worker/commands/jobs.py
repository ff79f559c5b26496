"""Finds the job and the run that a command is about.

Names are `name` or `namespace/name`; of several jobs none is guessed.
"""

from __future__ import annotations

import asyncio

from crawl_core.errors import ConfigurationError
from crawl_core.ledger import jobs, runs
from crawl_core.ledger.ledger import Ledger
from crawl_core.values.jobs import JobRow
from crawl_core.values.runs import RunRow
from crawl_worker.commands.job_names import full_name
from crawl_worker.commands.output import remark

HELD_AGAIN_S = 2.0
"""Seconds between two tries to drop tables that somebody reads: each holds up looks at other runs for a moment."""


async def named(ledger: Ledger, name: str | None) -> JobRow:
    """The job of that name; without a name the only one there is. Raises ConfigurationError with the names to use."""
    every = await jobs.all(ledger)
    known = ", ".join(full_name(row) for row in every) or "none"
    if name is None:
        if len(every) == 1:
            return every[0]
        raise ConfigurationError(f"which job? The ledger has: {known}; write one of them after the command")
    matching = [row for row in every if name in (full_name(row), row.name)]
    if len(matching) != 1:
        problem = "is the name of several jobs" if matching else "is no job of this ledger"
        raise ConfigurationError(f"{name!r} {problem}; it has: {known}")
    return matching[0]


async def numbered(ledger: Ledger, job: JobRow, number: int) -> RunRow:
    """The job's run of that number. Raises ConfigurationError with the numbers that there are."""
    every = await runs.latest(ledger, job.id, limit=None)
    for run in every:
        if run.number == number:
            return run
    known = ", ".join(str(run.number) for run in every)
    raise ConfigurationError(f"{full_name(job)} has no run {number}; it has: {known}")


async def reaped(ledger: Ledger) -> None:
    """Delete the rows of all that is to go, and say for whom it waits."""
    told = False
    while True:
        while await jobs.reap(ledger):
            pass
        if not await jobs.held(ledger):
            return
        if not told:
            remark("waiting until nobody reads these rows any more (an export, psql); Ctrl-C leaves them for later")
        told = True
        await asyncio.sleep(HELD_AGAIN_S)
