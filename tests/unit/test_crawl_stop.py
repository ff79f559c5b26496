"""A range's task stops wherever it only waits, and what comes after it, the last commit, is not struck."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from crawl_core.clock import SYSTEM_CLOCK
from crawl_core.frontier import Lease
from crawl_core.keyspace import Keyspace
from crawl_core.ledger import Cursor, RangeRow
from crawl_worker.crawl.leases import HeldLease
from crawl_worker.crawl.range_crawl import RangeCrawl


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
        session.waiting(True)
        await session.ready()
        await asyncio.Event().wait()


class GoodKeeper(LosingKeeper):
    def good(self, held: HeldLease) -> bool:
        return True


def crawl_with(keeper: LosingKeeper) -> RangeCrawl:
    row = RangeRow(1, 1, 2, "aa", "az", Cursor(string="aa"), 1, "open", True)
    held = HeldLease(Lease(1, "token", "epoch"), good_until_s=0.0, on_lost=lambda: crawl.stop())
    crawl = RangeCrawl(
        row=row,
        held=held,
        keeper=cast("Any", keeper),
        keyspace=Keyspace(alphabet="abcz", min_length=2, max_length=2, first="", last="", range_size=0),
        client=cast("Any", WaitingClient()),
        clock=SYSTEM_CLOCK,
        ledger_behind=lambda: False,
    )
    crawl.writer = cast("Any", SimpleNamespace(full=False))
    return crawl


async def test_a_task_that_finds_its_own_lease_lost_lives_to_commit() -> None:
    crawl = crawl_with(LosingKeeper())
    assert await crawl.run() is False
    await asyncio.sleep(0)  # Here the worker commits; a cancellation left over would end its place in the process.


async def test_a_task_that_waits_is_stopped_from_outside_and_lives_to_commit() -> None:
    crawl = crawl_with(GoodKeeper())
    asyncio.get_running_loop().call_soon(crawl.stop)
    assert await crawl.run() is False
    await asyncio.sleep(0)
