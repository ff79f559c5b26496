"""A local run begins the next run of a job where one is wanted and the last has ended, and never before."""

from __future__ import annotations

import pytest
from support.fakes.ledgers import crawljob, open_ledger, record, value

from crawl_core.errors import ConfigurationError
from crawl_core.ledger import jobs, runs
from crawl_worker.local import next_runs


@pytest.fixture
async def ledger(ledger_url):
    async with open_ledger(ledger_url) as opened:
        yield opened


async def cover(ledger, job):
    """All is covered, and nobody has said so yet."""
    await value(
        ledger,
        f"UPDATE crawl_range SET state = 'done', cursor = NULL, covered = 36 WHERE run_id = {job.run_id} RETURNING 1",
    )
    return job


async def begun(ledger, job, *, again=False):
    said: list[str] = []
    row = await next_runs.begun(ledger, job, again=again, event=said.append)
    return row.run, said


async def test_again_begins_the_run_after_the_last(ledger):
    job = await cover(ledger, await record(ledger))
    await next_runs.check(ledger, job)
    assert await begun(ledger, job, again=True) == (2, ["Run 2 begins."])
    assert (await jobs.find(ledger, "default", "artists")).run == 2


async def test_again_is_refused_while_the_last_run_goes_on_and_nothing_is_written(ledger):
    job = await record(ledger)
    with pytest.raises(ConfigurationError, match=r"run 1 of default/artists has not ended.*go on without --again"):
        await next_runs.check(ledger, job)
    assert len(await runs.latest(ledger, job.id)) == 1


async def test_a_greater_number_in_the_file_begins_that_run_once(ledger):
    job = await cover(ledger, await record(ledger, crawljob(run=1)))
    wanted = await record(ledger, crawljob(run=7))
    assert await begun(ledger, wanted) == (7, ["Run 7 begins."])
    seventh = await jobs.get(ledger, job.id)
    assert await begun(ledger, seventh) == (7, [])
    assert [run.number for run in await runs.latest(ledger, job.id)] == [7, 1]


async def test_a_run_that_is_wanted_too_early_is_told_of(ledger):
    await record(ledger)
    assert await begun(ledger, await record(ledger, crawljob(run=2))) == (
        1,
        ["Run 2 begins when run 1 has ended."],
    )


async def test_no_number_and_a_smaller_one_begin_nothing(ledger):
    job = await cover(ledger, await record(ledger, crawljob(run=5)))
    assert await begun(ledger, job) == (5, [])
    assert await begun(ledger, await record(ledger, crawljob(run=2))) == (5, [])
