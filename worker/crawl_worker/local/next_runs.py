"""The next run of a job that was crawled before: begun where one is wanted and the last has ended."""

from __future__ import annotations

from collections.abc import Callable

from crawl_core.errors import ConfigurationError
from crawl_core.job import lifecycle
from crawl_core.job.runs import waiting
from crawl_core.ledger import jobs, runs
from crawl_core.ledger.ledger import Ledger
from crawl_core.values.jobs import JobRow

LAST_RUN = 2_147_483_647
"""The greatest number of a run, as of `spec.run`."""


async def check(ledger: Ledger, recorded: JobRow) -> None:
    """See before anything is written whether the next run can begin. Raises ConfigurationError where it cannot."""
    if recorded.run == LAST_RUN:
        raise ConfigurationError(
            f"run {LAST_RUN} is the last number there is: write another metadata.name, and smaller numbers as spec.run"
        )
    if recorded.finished_at is None and not await lifecycle.settle(ledger, recorded):
        raise ConfigurationError(
            f"run {recorded.run} of {recorded.namespace}/{recorded.name} has not ended, and the next begins after it: "
            "go on without --again"
        )


async def begun(ledger: Ledger, row: JobRow, *, again: bool, event: Callable[[str], None]) -> JobRow:
    """The job's row, of the next run where that could begin."""
    wanted = max(row.crawl_job.spec.run or 1, row.run + again)
    if wanted <= row.run:
        return row
    await lifecycle.settle(ledger, row)
    if not await runs.begin(ledger, row.id, wanted):
        event(waiting(wanted, current=row.run))
        return row
    event(f"Run {wanted} begins.")
    return await jobs.get(ledger, row.id) or row
