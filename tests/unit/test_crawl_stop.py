"""A range's task stops wherever it only waits, and what comes after it, the last commit, is not struck."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest

from crawl_core.clock import SYSTEM_CLOCK
from crawl_core.keyspace import Keyspace
from crawl_core.values.frontier import Lease
from crawl_core.values.rows import Cursor, RangeRow
from crawl_worker.crawl.leases import HeldLease
from crawl_worker.crawl.range_crawl import RangeCrawl
from crawl_worker.crawl.range_strings import RangeStrings
from crawl_worker.crawl.stopping import StoppedError, StopSwitch


class LosingKeeper:
    """Finds the lease lost when asked, as the first task to ask does for all tasks of its process."""

    def good(self, held: HeldLease) -> bool:
        return False

    async def confirm(self, held: HeldLease) -> bool:
        held.lose()
        return False


class WaitingClient:
    """Asks whether it may send, and then waits for ever."""

    source = SimpleNamespace(cap=1000)

    async def page(self, string: str, session: RangeCrawl) -> Any:
        with session.interruptible():
            await session.ready()
            await asyncio.Event().wait()


class GoodKeeper(LosingKeeper):
    def good(self, held: HeldLease) -> bool:
        return True


def crawl_with(keeper: LosingKeeper, switch: StopSwitch) -> RangeCrawl:
    row = RangeRow(
        id=1, run_id=1, length=2, first="aa", last="az", cursor=Cursor(string="aa"), fence=1, state="open",
        counts_coverage=True,
    )  # fmt: skip
    keyspace = Keyspace(alphabet="abcz", min_length=2, max_length=2, first="", last="", range_size=0)
    return RangeCrawl(
        cursor=row.cursor,
        strings=RangeStrings(keyspace, row),
        held=HeldLease(Lease(1, "token", "epoch"), good_until_s=0.0, switch=switch),
        keeper=cast("Any", keeper),
        writer=cast("Any", SimpleNamespace(full=False)),
        client=cast("Any", WaitingClient()),
        clock=SYSTEM_CLOCK,
        ledger_behind=lambda: False,
    )


async def test_a_task_that_finds_its_own_lease_lost_lives_to_commit() -> None:
    crawl = crawl_with(LosingKeeper(), StopSwitch())
    assert await crawl.run() is False
    await asyncio.sleep(0)  # Here the worker commits; a cancellation left over would end its place in the process.


async def test_a_task_that_waits_is_stopped_from_outside_and_lives_to_commit() -> None:
    switch = StopSwitch()
    crawl = crawl_with(GoodKeeper(), switch)
    asyncio.get_running_loop().call_soon(switch.stop)
    assert await crawl.run() is False
    await asyncio.sleep(0)


async def test_what_must_be_finished_is_finished_before_the_stop() -> None:
    switch, finished = StopSwitch(), False
    asyncio.get_running_loop().call_soon(switch.stop)
    with switch.interruptible(), switch.uninterruptible():
        await asyncio.sleep(0.01)
        finished = True
    assert finished
    with pytest.raises(StoppedError), switch.interruptible():
        raise AssertionError("nothing waits after a stop")


async def test_a_cancellation_by_somebody_else_stays_one() -> None:
    async def wait() -> None:
        with suppress(StoppedError), StopSwitch().interruptible():
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
