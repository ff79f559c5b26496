"""The rounds: one at a time a key, several at once, and what fails waits without holding up the others.

In virtual time, so that rates and waits are exact on any machine.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from support.fakes.limiter_world import LoopClock
from support.fakes.virtual_time import in_virtual_time

from crawl_core.metrics.definitions import OPERATOR
from crawl_operator.rounds.workqueue import Workqueue, WorkqueueSettings
from crawl_operator.values.model import Key

A, B = Key("default", "a"), Key("default", "b")
QUICK = WorkqueueSettings(timeout_s=0.2, first_backoff_s=0.01, last_backoff_s=0.05, soonest_s=0.01)


class Recorder:
    """Rounds that note who was looked at, and do what a test says."""

    def __init__(self, then: Callable[[Key], Awaitable[float | None]] | None = None) -> None:
        self.looks: Counter[Key] = Counter()
        self.at_once: Counter[Key] = Counter()
        self.most = 0
        self._then = then

    async def __call__(self, key: Key) -> float | None:
        self.looks[key] += 1
        self.at_once[key] += 1
        self.most = max(self.most, self.at_once[key])
        try:
            return await self._then(key) if self._then else None
        finally:
            self.at_once[key] -= 1

    async def looked(self, key: Key, count: int = 1) -> None:
        async with asyncio.timeout(5):
            while self.looks[key] < count:
                await asyncio.sleep(0.002)


@asynccontextmanager
async def running(
    recorder: Recorder, settings: WorkqueueSettings = QUICK, may_act: Callable[[], bool] = lambda: True
) -> AsyncIterator[Workqueue]:
    rounds = Workqueue(recorder, may_act=may_act, clock=LoopClock(), settings=settings)
    task = asyncio.create_task(rounds.run())
    try:
        yield rounds
    finally:
        await rounds.stop(1)
        await task


@in_virtual_time
async def test_what_is_asked_for_is_looked_at() -> None:
    recorder = Recorder()
    async with running(recorder) as rounds:
        rounds.add(A)
        await recorder.looked(A)


@in_virtual_time
async def test_asking_many_times_makes_no_second_round_at_once() -> None:
    async def slow(key: Key) -> None:
        await asyncio.sleep(0.02)

    recorder = Recorder(slow)
    async with running(recorder) as rounds:
        for _ in range(20):
            rounds.add(A)
            await asyncio.sleep(0.002)
        await recorder.looked(A, 2)
    assert recorder.most == 1


@in_virtual_time
async def test_a_round_says_when_the_next_one_is() -> None:
    async def again(key: Key) -> float:
        return 0.01

    recorder = Recorder(again)
    async with running(recorder) as rounds:
        rounds.add(A)
        await recorder.looked(A, 3)


@in_virtual_time
async def test_without_a_next_one_nothing_happens_until_it_is_asked_for() -> None:
    recorder = Recorder()
    async with running(recorder) as rounds:
        rounds.add(A)
        await recorder.looked(A)
        await asyncio.sleep(0.05)
        assert (recorder.looks[A], rounds.waiting) == (1, 0)


@in_virtual_time
async def test_a_failing_round_is_tried_again_and_keeps_no_other_waiting(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(key: Key) -> None:
        if key == A:
            raise RuntimeError("no")

    recorder = Recorder(fails)
    async with running(recorder) as rounds:
        rounds.add(A)
        await recorder.looked(A, 3)
        rounds.add(B)
        await recorder.looked(B)
    traces = [record for record in caplog.records if record.exc_info]
    assert len(traces) == 1


@in_virtual_time
async def test_a_failing_round_waits_longer_each_time() -> None:
    async def fails(key: Key) -> None:
        raise RuntimeError("no")

    recorder = Recorder(fails)
    logging.disable(logging.CRITICAL)
    try:
        async with running(recorder, WorkqueueSettings(first_backoff_s=0.02, last_backoff_s=10)) as rounds:
            rounds.add(A)
            await asyncio.sleep(0.5)
    finally:
        logging.disable(logging.NOTSET)
    # 0.02 + 0.04 + 0.08 + 0.16 + 0.32: five rounds, six at the utmost with jitter.
    assert 3 <= recorder.looks[A] <= 6


@in_virtual_time
async def test_a_round_that_hangs_is_ended() -> None:
    async def hangs(key: Key) -> None:
        await asyncio.Event().wait()

    recorder = Recorder(hangs)
    async with running(recorder) as rounds:
        rounds.add(A)
        await recorder.looked(A, 2)


@in_virtual_time
async def test_at_once_and_again_is_no_busy_loop() -> None:
    async def hurried(key: Key) -> float:
        return 0

    recorder = Recorder(hurried)
    async with running(recorder, WorkqueueSettings(soonest_s=0.02)) as rounds:
        rounds.add(A)
        await asyncio.sleep(0.5)
    assert recorder.looks[A] <= 6


@in_virtual_time
async def test_many_active_ones_are_looked_at_at_a_bounded_rate() -> None:
    async def again(key: Key) -> float:
        return 0.01

    recorder = Recorder(again)
    keys = [Key("default", str(number)) for number in range(200)]
    async with running(recorder, WorkqueueSettings(timed_per_s=100)) as rounds:
        rounds.add_all(keys)
        await asyncio.sleep(1.0)
        rounds.add(A)
        async with asyncio.timeout(1):
            await recorder.looked(A)
    # 200 at first, then 100 a second.
    assert sum(recorder.looks.values()) <= 500


@in_virtual_time
async def test_many_that_wait_long_keep_no_active_one_waiting() -> None:
    async def again(key: Key) -> float:
        return 0.01 if key == A else 3600.0

    recorder = Recorder(again)
    async with running(recorder, WorkqueueSettings(timed_per_s=10)) as rounds:
        rounds.add_all([A, *(Key("default", str(number)) for number in range(200))])
        await recorder.looked(A, 5)  # else it would be every 20 s


@in_virtual_time
async def test_who_does_not_lead_begins_no_round_and_goes_on_when_it_does() -> None:
    leads = False
    recorder = Recorder()
    async with running(recorder, may_act=lambda: leads) as rounds:
        rounds.add(A)
        await asyncio.sleep(0.05)
        assert recorder.looks[A] == 0
        leads = True
        rounds.add_all([A])
        await recorder.looked(A)


@in_virtual_time
async def test_a_stop_waits_for_the_rounds_at_hand() -> None:
    finished = []

    async def slow(key: Key) -> None:
        await asyncio.sleep(0.1)
        finished.append(key)

    recorder = Recorder(slow)
    async with running(recorder) as rounds:
        rounds.add(A)
        await recorder.looked(A)
    assert finished == [A]


# --- what metrics say of it


def total(name: str, **labels: str) -> float:
    return OPERATOR.registry.get_sample_value(f"artistcrawl_operator_{name}", labels) or 0.0


def rounds_by_result() -> list[float]:
    return [total("reconciles_total", result=result) for result in ("success", "error", "timeout")]


def more(before: list[float]) -> list[float]:
    return [now - then for now, then in zip(rounds_by_result(), before, strict=True)]


@in_virtual_time
async def test_each_round_is_counted_by_how_it_ended_with_its_time() -> None:
    async def ends(key: Key) -> None:
        if key == A:
            raise RuntimeError("no")
        if key == B:
            await asyncio.Event().wait()

    recorder, before, timed = Recorder(ends), rounds_by_result(), total("reconcile_duration_seconds_count")
    once = WorkqueueSettings(timeout_s=0.05, first_backoff_s=60, last_backoff_s=60)
    async with running(recorder, once) as rounds:
        rounds.add_all([A, B, Key("default", "c"), Key("default", "d")])
        async with asyncio.timeout(5):
            while sum(more(before)) < 4:
                await asyncio.sleep(0.002)
    assert (more(before), total("reconcile_duration_seconds_count") - timed) == ([2, 1, 1], 4)


@in_virtual_time
async def test_a_round_that_had_to_wait_for_another_tells_how_long() -> None:
    async def slow(key: Key) -> None:
        await asyncio.sleep(0.1)

    recorder, waited_s = Recorder(slow), total("queue_wait_seconds_sum")
    async with running(recorder, WorkqueueSettings(at_once=1)) as rounds:
        rounds.add_all([A, B])
        await recorder.looked(B)
    assert 0.09 < total("queue_wait_seconds_sum") - waited_s < 2


@in_virtual_time
async def test_what_was_due_while_another_operator_led_did_not_wait_here() -> None:
    leads = False
    recorder, waited_s = Recorder(), total("queue_wait_seconds_sum")
    async with running(recorder, may_act=lambda: leads) as rounds:
        rounds.add(A, after_s=-3_600.0)
        await asyncio.sleep(0.01)
        leads = True
        rounds.add_all([A])
        await recorder.looked(A)
    assert total("queue_wait_seconds_sum") - waited_s < 60


@in_virtual_time
async def test_the_queue_is_told_of_by_who_leads_alone() -> None:
    leads = False
    rounds = Workqueue(Recorder(), may_act=lambda: leads, clock=LoopClock())
    rounds.add(A)
    rounds.add(B, after_s=60)
    standby = rounds.queue()
    leads = True
    assert (standby, rounds.queue()) == ((0, 0), (1, 1))


@in_virtual_time
async def test_rounds_at_hand_are_in_flight() -> None:
    async def hangs(key: Key) -> None:
        await asyncio.Event().wait()

    recorder = Recorder(hangs)
    async with running(recorder, WorkqueueSettings(timeout_s=60)) as rounds:
        rounds.add_all([A, B])
        await recorder.looked(A)
        await recorder.looked(B)
        assert rounds.in_flight == 2
