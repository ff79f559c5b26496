"""An outage is probed by one at a time, and a single bad string does not pass for one for ever."""

from __future__ import annotations

import asyncio
import re

from support.fakes.client_world import in_virtual_time
from support.fakes.limiter_world import LoopClock

from crawl_core.clock import SYSTEM_CLOCK, Clock
from crawl_worker.client.outage import Outage, OutageNote
from crawl_worker.client.retry import Attempts, RetryRules

RULES = RetryRules(max_attempts=3, initial_backoff_s=0.0, max_backoff_s=0.0)


NOTE = OutageNote("SourceFailing", "down")


def an_outage(clock: Clock = SYSTEM_CLOCK) -> Outage:
    return Outage(clock=clock, rules=lambda: RULES, control_strings=("a", "b"))


def probers(count: int) -> list[Attempts]:
    return [Attempts(successes_before=0) for _ in range(count)]


async def _settled(*tasks: asyncio.Task[None]) -> list[bool]:
    """Which of the tasks are done once everything that could run has run."""
    for _ in range(5):
        await asyncio.sleep(0)
    return [task.done() for task in tasks]


async def test_everybody_is_admitted_while_all_is_well() -> None:
    outage, (first, second) = an_outage(), probers(2)
    await outage.turn(first)
    assert outage.admits(second)


async def test_only_one_may_probe_an_outage() -> None:
    outage, (first, second) = an_outage(), probers(2)
    outage.failed(first, NOTE)
    outage.failed(second, NOTE)
    assert [outage.admits(first), outage.admits(second)] == [True, False]


async def test_a_failed_probe_passes_the_probe_on() -> None:
    outage, (first, second) = an_outage(), probers(2)
    outage.failed(first, NOTE)
    waiting = asyncio.create_task(outage.turn(second))
    assert await _settled(waiting) == [False]
    outage.failed(first, NOTE)
    assert await _settled(waiting) == [True]
    assert [outage.admits(first), outage.admits(second)] == [False, True]


async def test_a_success_ends_the_outage_for_all() -> None:
    outage, (first, *others) = an_outage(), probers(4)
    outage.failed(first, NOTE)
    tasks = [asyncio.create_task(outage.turn(other)) for other in others]
    await _settled(*tasks)
    outage.succeeded(found=True)
    assert await _settled(*tasks) == [True, True, True]
    assert not outage.lasts


async def test_the_probe_does_not_stay_with_somebody_who_left() -> None:
    outage, (first, second) = an_outage(), probers(2)
    outage.failed(first, NOTE)
    waiting = asyncio.create_task(outage.turn(second))
    await _settled(waiting)
    outage.leave(first)
    assert await _settled(waiting) == [True]


async def test_a_probe_that_nobody_holds_is_taken_by_the_next_who_asks() -> None:
    outage, (first, second) = an_outage(), probers(2)
    outage.failed(first, NOTE)
    outage.leave(first)
    await outage.turn(second)
    assert outage.admits(second)


async def test_a_waiter_that_was_cancelled_is_passed_over() -> None:
    outage, (first, second, third) = an_outage(), probers(3)
    outage.failed(first, NOTE)
    gone, waiting = (asyncio.create_task(outage.turn(prober)) for prober in (second, third))
    await _settled(gone, waiting)
    gone.cancel()
    outage.failed(first, NOTE)
    assert await _settled(waiting) == [True]
    assert outage.admits(third)


@in_virtual_time
async def test_an_outage_is_told_of_after_a_minute_with_its_reason_and_since_when() -> None:
    clock = LoopClock()
    outage, first = an_outage(clock), Attempts(0)
    outage.succeeded(found=True)
    outage.failed(first, NOTE)
    await outage.turn(first)
    await clock.sleep(58.0)
    assert outage.note is None
    await clock.sleep(3.0)
    note = outage.note
    assert note is not None
    assert note.reason == NOTE.reason
    assert re.fullmatch(r"down; no request has succeeded since \d{4}-\d\d-\d\d \d\d:\d\d UTC", note.message)
    outage.succeeded(found=True)
    assert (outage.note, outage.age_s) == (None, 0.0)


@in_virtual_time
async def test_an_outage_that_nobody_waits_in_is_none_to_people() -> None:
    clock = LoopClock()
    outage, only = an_outage(clock), Attempts(0)
    outage.failed(only, NOTE)
    outage.leave(only)
    await clock.sleep(3600.0)
    assert (outage.note, outage.age_s) == (None, 0.0)
