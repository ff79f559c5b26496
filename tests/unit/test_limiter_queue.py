"""Who gets which permit, and what becomes of the others. In virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from support.fakes.limiter_world import LoopClock, virtual_loop

from crawl_core.limiter.permit import Permit
from crawl_core.limiter.queue import PermitQueue


class Keeper:
    epoch = 0

    def __init__(self) -> None:
        self.returned: list[str] = []

    def give_back(self, permit: Permit) -> None:
        self.returned.append(permit.id)

    def confirm(self, permit: Permit, answered_at_s: float) -> None: ...


def run(story: Callable[[PermitQueue, Callable[..., Permit], Keeper], Awaitable[None]]) -> None:
    async def tell() -> None:
        keeper, clock = Keeper(), LoopClock()

        def make(name: str, in_s: float = 0.0) -> Permit:
            at_s = clock.monotonic() + in_s
            return Permit(
                keeper, clock, permit_id=name, epoch=0, not_before_s=at_s, send_by_s=at_s + 0.25,
                request_timeout_s=1.0, free_us=0, window_us=1,
            )  # fmt: skip

        await story(PermitQueue(clock, on_demand=lambda: None), make, keeper)

    with virtual_loop() as runner:
        runner.run(tell())


def test_the_first_waiter_gets_the_first_permit() -> None:
    async def story(queue: PermitQueue, make: Callable[..., Permit], keeper: Keeper) -> None:
        first, second = asyncio.create_task(queue.next_permit()), asyncio.create_task(queue.next_permit())
        await asyncio.sleep(0)
        queue.add([make("later", 1.0), make("sooner", 0.5)])
        assert [(await first).id, (await second).id] == ["sooner", "later"]

    run(story)


def test_a_permit_is_handed_over_at_its_instant_and_not_before() -> None:
    async def story(queue: PermitQueue, make: Callable[..., Permit], keeper: Keeper) -> None:
        waiter = asyncio.create_task(queue.next_permit())
        await asyncio.sleep(0)
        permit = make("one", 1.5)
        queue.add([permit])
        await waiter
        assert 0.0 <= asyncio.get_running_loop().time() - permit.not_before_s < 0.002

    run(story)


def test_a_cancelled_waiter_leaves_its_permit_to_the_next() -> None:
    async def story(queue: PermitQueue, make: Callable[..., Permit], keeper: Keeper) -> None:
        first, second = asyncio.create_task(queue.next_permit()), asyncio.create_task(queue.next_permit())
        await asyncio.sleep(0)
        queue.add([make("one", 0.5)])
        first.cancel()
        assert (await second).id == "one"

    run(story)


def test_a_waiter_cancelled_in_the_moment_of_the_handover_loses_no_permit() -> None:
    async def story(queue: PermitQueue, make: Callable[..., Permit], keeper: Keeper) -> None:
        first, second = asyncio.create_task(queue.next_permit()), asyncio.create_task(queue.next_permit())
        await asyncio.sleep(0)
        queue.add([make("one")])  # `first` has it now, and has not run yet.
        first.cancel()
        assert (await second).id == "one"

    run(story)


def test_a_permit_nobody_takes_is_given_back_when_it_is_too_late() -> None:
    async def story(queue: PermitQueue, make: Callable[..., Permit], keeper: Keeper) -> None:
        waiter = asyncio.create_task(queue.next_permit())
        await asyncio.sleep(0)
        queue.add([make("one", 0.1)])
        waiter.cancel()
        await asyncio.sleep(0.3)
        assert keeper.returned == []
        await asyncio.sleep(0.1)
        assert (keeper.returned, queue.granted) == (["one"], 0)

    run(story)


def test_a_freeze_takes_back_every_permit_that_is_not_handed_over() -> None:
    async def story(queue: PermitQueue, make: Callable[..., Permit], keeper: Keeper) -> None:
        waiter = asyncio.create_task(queue.next_permit())
        await asyncio.sleep(0)
        queue.add([make("one", 0.1), make("two", 0.2)])
        queue.withdraw()
        assert (keeper.returned, queue.demand, waiter.done()) == (["one", "two"], 1, False)
        waiter.cancel()

    run(story)


def test_an_expired_permit_is_not_handed_over() -> None:
    async def story(queue: PermitQueue, make: Callable[..., Permit], keeper: Keeper) -> None:
        late, good = make("late", -1.0), make("good")
        waiter = asyncio.create_task(queue.next_permit())
        await asyncio.sleep(0)
        queue.add([late, good])
        assert (await waiter).id == "good"
        assert keeper.returned == ["late"]

    run(story)


def test_demand_counts_permits_that_wait_for_their_instant() -> None:
    async def story(queue: PermitQueue, make: Callable[..., Permit], keeper: Keeper) -> None:
        waiters = [asyncio.create_task(queue.next_permit()) for _ in range(3)]
        await asyncio.sleep(0)
        queue.add([make("one", 1.0)])
        assert (queue.waiting, queue.granted, queue.demand) == (3, 1, 2)
        queue.close()
        await asyncio.gather(*waiters, return_exceptions=True)

    run(story)
