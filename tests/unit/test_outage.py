"""An outage is probed by one at a time, and a single bad string does not pass for one for ever."""

from __future__ import annotations

import asyncio

from crawl_worker.client.outage import Outage


async def _settled(*tasks: asyncio.Task[None]) -> list[bool]:
    """Which of the tasks are done once everything that could run has run."""
    for _ in range(5):
        await asyncio.sleep(0)
    return [task.done() for task in tasks]


async def test_everybody_is_admitted_while_all_is_well() -> None:
    outage = Outage()
    await outage.admission("a")
    assert outage.admits("b")


async def test_only_one_may_probe_an_outage() -> None:
    outage = Outage()
    outage.failed("a")
    outage.failed("b")
    assert [outage.admits(who) for who in ("a", "b")] == [True, False]


async def test_a_failed_probe_passes_the_probe_on() -> None:
    outage = Outage()
    outage.failed("a")
    waiting = asyncio.create_task(outage.admission("b"))
    assert await _settled(waiting) == [False]
    outage.failed("a")
    assert await _settled(waiting) == [True]
    assert [outage.admits(who) for who in ("a", "b")] == [False, True]


async def test_a_success_ends_the_outage_for_all() -> None:
    outage = Outage()
    outage.failed("a")
    tasks = [asyncio.create_task(outage.admission(who)) for who in ("b", "c", "d")]
    await _settled(*tasks)
    outage.succeeded()
    assert await _settled(*tasks) == [True, True, True]
    assert (outage.lasts, outage.probes) == (False, 0)


async def test_the_probe_does_not_stay_with_somebody_who_left() -> None:
    outage = Outage()
    outage.failed("a")
    waiting = asyncio.create_task(outage.admission("b"))
    await _settled(waiting)
    outage.leave("a")
    assert await _settled(waiting) == [True]


async def test_a_probe_that_nobody_holds_is_taken_by_the_next_who_asks() -> None:
    outage = Outage()
    outage.failed("a")
    outage.leave("a")
    await outage.admission("b")
    assert outage.admits("b")


async def test_a_waiter_that_was_cancelled_is_passed_over() -> None:
    outage = Outage()
    outage.failed("a")
    gone, waiting = (asyncio.create_task(outage.admission(who)) for who in ("b", "c"))
    await _settled(gone, waiting)
    gone.cancel()
    outage.failed("a")
    assert await _settled(waiting) == [True]
    assert outage.admits("c")


async def test_only_the_probes_failures_lengthen_the_wait() -> None:
    outage = Outage()
    for who in ("a", "b", "c", "d"):
        outage.failed(who)
    assert (outage.failures, outage.probes) == (4, 1)
