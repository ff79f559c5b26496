"""What a process's limiter does about freezes, rows, outages and its own tasks. Real code and scripts, virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis
from support.fakes.limiter_world import BUCKET, Faults, MemoryLedger, RedisOfWorker, SteeredServer, World, virtual_loop

from crawl_core.errors import ConfigurationError, LedgerUnavailableError, RedisUnavailableError, SchemaVersionError
from crawl_core.limiter.bucket import Bucket
from crawl_core.limiter.limiter import Limiter
from crawl_core.limiter.permit import Permit, PermitExpiredError
from crawl_core.limiter.record import RECENT_S, BucketRecord, unfreeze
from crawl_core.values.limits import BucketLimits

LIMITS = BucketLimits(10, 30.0, 10.0, even=False)
Story = Callable[["Stage"], Awaitable[None]]


class Stage:
    """A world without workers of its own: the test drives limiters by hand."""

    def __init__(self, client: redis.Redis) -> None:
        faults = Faults(jitter=False)
        self.world = World(SteeredServer(client), LIMITS, seed=0, workers=0, tasks=0, faults=faults)
        self.world.result.limits.append((0.0, LIMITS))
        self.client = client
        self.redis: Any = RedisOfWorker(self.world, 0.0)

    @property
    def ledger(self) -> MemoryLedger:
        return self.world.ledger

    @property
    def now_s(self) -> float:
        return self.world.now

    def in_s(self, us: int) -> float:
        """Seconds from now until an instant of the server's clock."""
        return (us - self.world.server_now_us()) / 1e6

    @asynccontextmanager
    async def limiter(self, **options: Any) -> AsyncIterator[Limiter]:
        async with Limiter(self.redis, BUCKET, self.ledger, clock=self.world.clock, **options) as limiter:
            yield limiter

    def lose_memory(self) -> None:
        self.client.flushdb()


@pytest.fixture
def play(redis_url: str) -> Iterator[Callable[[Story], None]]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:

        def run(story: Story) -> None:
            async def tell() -> None:
                await story(Stage(client))

            with virtual_loop() as runner:
                runner.run(tell())

        yield run


Play = Callable[[Story], None]


async def send(permit: Permit, seconds: float = 0.05) -> None:
    permit.use()
    await asyncio.sleep(seconds)
    permit.answered()


def test_the_first_process_ever_starts_at_once(play: Play) -> None:
    async def story(stage: Stage) -> None:
        async with stage.limiter() as limiter:
            await limiter.acquire()
            assert stage.now_s < 1000.1

    play(story)


def test_a_process_after_lost_memory_waits_for_what_may_be_on_its_way(play: Play) -> None:
    async def story(stage: Stage) -> None:
        async with stage.limiter() as limiter:
            await send(await limiter.acquire())
            stage.lose_memory()
            lost_s = stage.now_s
            await limiter.acquire()
            assert 42.5 <= stage.now_s - lost_s < 43.0

    play(story)


def test_a_freeze_holds_everybody_and_is_in_the_ledger(play: Play) -> None:
    async def story(stage: Stage) -> None:
        async with stage.limiter() as one, stage.limiter() as other:
            await send(await one.acquire())
            until_us = await one.freeze(retry_after_s=5.0)
            assert stage.in_s(until_us) == pytest.approx(5.0, abs=0.01)
            assert stage.ledger.rows[BUCKET] == (1, until_us)
            permit = await other.acquire()
            assert stage.world.server_now_us() >= until_us
            assert permit.epoch == 1

    play(story)


def test_a_freeze_without_a_usable_retry_after_is_one_window_and_doubles(play: Play) -> None:
    async def story(stage: Stage) -> None:
        async with stage.limiter() as limiter:
            await send(await limiter.acquire())
            first_us = await limiter.freeze(retry_after_s=None)
            assert stage.in_s(first_us) == pytest.approx(30.0, abs=0.01)
            await send(await limiter.acquire())
            second_us = await limiter.freeze(retry_after_s=0.0)
            assert stage.in_s(second_us) == pytest.approx(60.0, abs=0.01)

    play(story)


def test_a_429_to_the_very_first_request_freezes_for_the_buckets_own_window(play: Play) -> None:
    async def story(stage: Stage) -> None:
        stage.ledger.limits = BucketLimits(10, 5.0, 10.0, even=False)
        async with stage.limiter() as limiter:
            permit = await limiter.acquire()
            permit.use()
            permit.answered()
            assert stage.in_s(await limiter.freeze(retry_after_s=None)) == pytest.approx(5.0, abs=0.01)

    play(story)


def test_a_freeze_survives_the_loss_of_redis(play: Play) -> None:
    async def story(stage: Stage) -> None:
        async with stage.limiter() as one:
            await one.acquire()
            until_us = await one.freeze(retry_after_s=72_000.0)
        stage.lose_memory()
        async with stage.limiter() as fresh:
            await fresh.acquire()
            assert stage.world.server_now_us() >= until_us

    play(story)


def test_a_process_that_cannot_record_its_freeze_takes_no_permit_until_it_has(play: Play) -> None:
    async def story(stage: Stage) -> None:
        async with stage.limiter() as limiter:
            await limiter.acquire()
            stage.world.ledger_down_until = down_until_s = stage.now_s + 60.0
            await limiter.freeze(retry_after_s=1.0)
            await limiter.acquire()
            assert down_until_s < stage.now_s < down_until_s + 3.0
            assert stage.ledger.rows[BUCKET][0] == 1

    play(story)


def test_a_freeze_while_redis_is_away_reaches_the_ledger_and_then_redis(play: Play) -> None:
    async def story(stage: Stage) -> None:
        async with stage.limiter() as one, stage.limiter() as other:
            await one.acquire()
            stage.world.redis_down_until = stage.now_s + 20.0
            until_us = await one.freeze(retry_after_s=300.0)
            assert stage.in_s(until_us) == pytest.approx(300.0, abs=0.01)
            await other.acquire()
            await one.acquire()
            assert stage.world.server_now_us() >= until_us

    play(story)


class Refusing(RedisOfWorker):
    """Answers until somebody takes a right away, or the server's keys are of another layout."""

    refusal: Exception | None = None

    async def evalsha(self, digest: str, count: int, *keys_and_args: Any) -> Any:
        if self.refusal is not None:
            raise self.refusal
        return await super().evalsha(digest, count, *keys_and_args)


REFUSED = [
    RedisUnavailableError("down"),
    ConfigurationError("Redis refuses the user"),
    SchemaVersionError("layout 2"),
]


@pytest.mark.parametrize("idle_s", [0.0, RECENT_S + 1.0], ids=["after a grant", "long after a grant"])
@pytest.mark.parametrize("refusal", REFUSED, ids=lambda refusal: type(refusal).__name__)
def test_a_freeze_that_redis_refuses_is_in_the_ledger_before_anything_ends(
    play: Play, refusal: Exception, idle_s: float
) -> None:
    async def story(stage: Stage) -> None:
        stage.redis = redis = Refusing(stage.world, 0.0)
        record = BucketRecord(Bucket(stage.redis, BUCKET), stage.ledger, clock=stage.world.clock)
        async with stage.limiter() as limiter:
            await limiter.acquire()
        await record.synchronize()
        await asyncio.sleep(idle_s)
        redis.refusal = refusal
        if isinstance(refusal, ConfigurationError):
            with pytest.raises(ConfigurationError, match=str(refusal)):
                await record.record_freeze(retry_after_s=86_400.0)
        else:
            await record.record_freeze(retry_after_s=86_400.0)
        epoch, until_us = stage.ledger.rows[BUCKET]
        assert epoch == 1
        assert stage.in_s(until_us) == pytest.approx(86_400.0, abs=1.0)

    play(story)


def test_a_freeze_while_redis_and_ledger_are_away_reaches_the_ledger_as_soon_as_it_is_back(play: Play) -> None:
    async def story(stage: Stage) -> None:
        async with stage.limiter() as limiter:
            await limiter.acquire()
            await asyncio.sleep(RECENT_S + 1.0)
            stage.world.redis_down_until = stage.now_s + 3600.0
            stage.world.ledger_down_until = stage.now_s + 60.0
            await limiter.freeze(retry_after_s=86_400.0)
            await asyncio.sleep(65.0)
            assert stage.ledger.rows[BUCKET][0] == 1

    play(story)


@pytest.mark.parametrize("refusal", REFUSED, ids=lambda refusal: type(refusal).__name__)
def test_a_success_that_redis_does_not_hear_of_costs_no_page(play: Play, refusal: Exception) -> None:
    async def story(stage: Stage) -> None:
        stage.redis = redis = Refusing(stage.world, 0.0)
        async with stage.limiter() as limiter:
            await limiter.acquire()
            redis.refusal = refusal
            await limiter.succeeded(1)
            redis.refusal = None

    play(story)


def test_a_memory_that_forgot_a_freeze_is_reminded(play: Play) -> None:
    """The ledger was away at the 429, and Redis lost its memory: the process that saw the 429 still knows."""

    async def story(stage: Stage) -> None:
        async with stage.limiter() as limiter:
            await limiter.acquire()
            stage.world.ledger_down_until = stage.now_s + 5.0
            until_us = await limiter.freeze(retry_after_s=600.0)
            stage.lose_memory()
            await limiter.acquire()
            assert stage.world.server_now_us() >= until_us

    play(story)


def test_unsent_permits_are_void_once_a_freeze_is_heard_of(play: Play) -> None:
    async def story(stage: Stage) -> None:
        async with stage.limiter() as one, stage.limiter() as other:
            held = await other.acquire()
            await one.acquire()
            await one.freeze(retry_after_s=5.0)
            late = asyncio.create_task(other.acquire())
            await asyncio.sleep(0.1)
            with pytest.raises(PermitExpiredError, match="freeze"):
                held.use()
            late.cancel()

    play(story)


def test_an_operator_lifts_a_freeze_for_everybody(play: Play) -> None:
    async def story(stage: Stage) -> None:
        async with stage.limiter() as limiter:
            await limiter.acquire()
            await limiter.freeze(retry_after_s=72_000.0)
            waiting = asyncio.create_task(limiter.acquire())
            await asyncio.sleep(1.0)
            await unfreeze(stage.redis, stage.ledger, BUCKET)
            lifted_s = stage.now_s
            await waiting
            assert stage.now_s - lifted_s < 10.5
            assert stage.ledger.rows[BUCKET] == (2, 0)

    play(story)


def test_a_freeze_is_lifted_though_redis_does_not_know_the_bucket(play: Play) -> None:
    async def story(stage: Stage) -> None:
        stage.ledger.rows[BUCKET] = (4, stage.world.server_now_us() + 10**12)
        await unfreeze(stage.redis, stage.ledger, BUCKET)
        assert stage.ledger.rows[BUCKET] == (5, 0)

    play(story)


def test_changed_limits_are_in_force_within_ten_seconds(play: Play) -> None:
    async def story(stage: Stage) -> None:
        async with stage.limiter() as limiter:
            await limiter.acquire()
            await asyncio.sleep(0.1)
            stage.ledger.limits = BucketLimits(3, 60.0, 5.0, even=True)
            await asyncio.sleep(10.1)
            assert limiter.state().limits == stage.ledger.limits
            assert (await limiter.acquire()).request_timeout_s == 5.0

    play(story)


def test_limits_that_change_in_two_ways_reach_every_process(play: Play) -> None:
    async def story(stage: Stage) -> None:
        async with stage.limiter() as one, stage.limiter() as other:
            await asyncio.gather(one.acquire(), other.acquire())
            stage.ledger.limits = BucketLimits(4, 30.0, 10.0, even=True)
            await asyncio.sleep(11.0)
            assert one.state().limits == other.state().limits == BucketLimits(4, 30.0, 10.0, even=True)

    play(story)


def test_an_idle_process_confirms_on_its_own(play: Play) -> None:
    async def story(stage: Stage) -> None:
        async with stage.limiter() as limiter:
            await send(await limiter.acquire())
            answered_us = stage.world.server_now_us()
            await asyncio.sleep(2.0)
            scores = [score for _, score in stage.client.zrange(stage.world.server.keys[0], 0, -1, withscores=True)]
            assert max(scores) == pytest.approx(answered_us + 30_000_000, abs=1000)

    play(story)


def test_a_process_that_ends_gives_its_permits_back(play: Play) -> None:
    async def story(stage: Stage) -> None:
        async with stage.limiter() as limiter:
            await limiter.acquire()
            await send(await limiter.acquire())
        held = stage.client.zcount(stage.world.server.keys[0], stage.world.server_now_us() + 35_000_000, "+inf")
        assert held == 1  # Only the one handed out and never told of.

    play(story)


def test_cancelling_waiters_loses_no_permit(play: Play) -> None:
    async def story(stage: Stage) -> None:
        async with stage.limiter() as limiter:
            for _ in range(30):
                waiter = asyncio.create_task(limiter.acquire())
                await asyncio.sleep(0.0003)  # Somewhere between question and answer.
                if not waiter.cancel():
                    waiter.result().unused()
            await asyncio.sleep(1.0)
            assert limiter.state().waiting == 0
            view = await Bucket(stage.redis, BUCKET).look()
            assert getattr(view, "slots_free", None) == 10

    play(story)


def test_tasks_are_served_first_come_first_served(play: Play) -> None:
    async def story(stage: Stage) -> None:
        served: list[int] = []

        async def task(limiter: Limiter, number: int) -> None:
            permit = await limiter.acquire()
            served.append(number)
            await send(permit)

        async with stage.limiter() as limiter:
            await asyncio.gather(*(task(limiter, number) for number in range(25)))
        assert served == list(range(25))

    play(story)


def test_an_unreachable_redis_only_delays(play: Play) -> None:
    async def story(stage: Stage) -> None:
        stage.world.redis_down_until = stage.now_s + 30.0
        async with stage.limiter() as limiter:
            await limiter.acquire()
            assert 1030.0 <= stage.now_s < 1033.0
            assert limiter.state().reachable

    play(story)


def test_an_unreachable_ledger_at_the_beginning_only_delays(play: Play) -> None:
    async def story(stage: Stage) -> None:
        stage.world.ledger_down_until = stage.now_s + 30.0
        async with stage.limiter() as limiter:
            await limiter.acquire()
            assert stage.now_s >= 1030.0

    play(story)


def test_a_known_bucket_needs_no_ledger(play: Play) -> None:
    async def story(stage: Stage) -> None:
        async with stage.limiter() as limiter:
            await send(await limiter.acquire())
            stage.world.ledger_down_until = stage.now_s + 3600.0
            for _ in range(20):
                await send(await limiter.acquire())
            assert stage.now_s < 1100.0

    play(story)


def test_a_slow_redis_is_warned_of(play: Play, caplog: pytest.LogCaptureFixture) -> None:
    async def story(stage: Stage) -> None:
        stage.redis.extra_s = 0.06
        async with stage.limiter() as limiter:
            await limiter.acquire()

    play(story)
    assert [record.levelno for record in caplog.records if "redis is slow" in record.message] == [logging.WARNING]


def test_every_permit_of_a_reply_that_took_too_long_is_given_back(play: Play) -> None:
    async def story(stage: Stage) -> None:
        async with stage.limiter() as limiter:
            await send(await limiter.acquire())
            stage.redis.extra_s = 0.2
            waiting = asyncio.create_task(limiter.acquire())
            await asyncio.sleep(5.0)
            assert not waiting.done()
            stage.redis.extra_s = 0.0
            await waiting
            assert limiter.state().discarded >= 1

    play(story)


def test_another_layout_reaches_everybody_who_waits(play: Play) -> None:
    async def story(stage: Stage) -> None:
        async with stage.limiter() as limiter:
            await limiter.acquire()
            stage.client.hset(stage.world.server.keys[1], "layout", "2")
            with pytest.raises(SchemaVersionError, match="layout 2"):
                await limiter.acquire()
            with pytest.raises(SchemaVersionError, match="layout 2"):
                await limiter.acquire()

    play(story)


def test_an_evicting_redis_is_warned_of(play: Play, caplog: pytest.LogCaptureFixture) -> None:
    class Evicting(RedisOfWorker):
        async def info(self, _: str) -> dict[str, Any]:
            return {"maxmemory_policy": "allkeys-lru"}

    async def story(stage: Stage) -> None:
        stage.redis = Evicting(stage.world, 0.0)
        async with stage.limiter():
            pass

    play(story)
    assert "noeviction" in caplog.text


def test_unfreezing_without_a_ledger_says_so(play: Play) -> None:
    async def story(stage: Stage) -> None:
        stage.world.ledger_down_until = stage.now_s + 5.0
        with pytest.raises(LedgerUnavailableError):
            await unfreeze(stage.redis, stage.ledger, BUCKET)

    play(story)
