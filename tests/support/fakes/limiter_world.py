"""The limiter's whole protocol in virtual time: the real Limiter and the real scripts on a real server, but network,
upstream, ledger and every clock are simulated, so that days pass in seconds and each fault is one seed.

The scripts run as they are but for two lines: TIME and run_id come from a key that the world sets (`steered`).
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import random
import selectors
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import redis

from crawl_core.backends import keys
from crawl_core.backends.scripts import source
from crawl_core.errors import LedgerUnavailableError, RedisUnavailableError
from crawl_core.limiter.limiter import Limiter
from crawl_core.limiter.permit import Permit, PermitExpiredError
from crawl_core.values.limits import BucketLimits, BucketRow

SCRIPTS = ("bucket_acquire", "bucket_init", "bucket_freeze", "bucket_succeeded", "bucket_unfreeze", "bucket_reconcile")
EPOCH_S = 1_800_000_000
BUCKET = "model"
_TIME = 'redis.call("TIME")'
_INFO = 'redis.call("INFO", "server")'


def steered(name: str, mutation: tuple[str, str] | None = None) -> str:
    """The script's own text with its clock and its run_id under our control, and nothing else changed."""
    text = source(name)
    assert text.count(_TIME) == 1
    assert text.count(_INFO) == 1
    text = text.replace(_TIME, 'redis.call("HMGET", "steer", "s", "us")').replace(
        _INFO, 'redis.call("HGET", "steer", "info")'
    )
    if mutation and mutation[0] in text:
        text = text.replace(*mutation)
    return text


class SteeredServer:
    """Runs steered scripts at any instant, as any incarnation of the server."""

    def __init__(self, client: redis.Redis, *, mutation: tuple[str, str] | None = None) -> None:
        self.client = client
        self.run = "run1"
        self._digests: dict[str, str] = {}
        self.names: dict[str, str] = {}
        changed = False
        for name in SCRIPTS:
            text = steered(name, mutation)
            changed = changed or text != steered(name)
            original = hashlib.sha1(source(name).encode(), usedforsecurity=False).hexdigest()
            self._digests[original] = client.script_load(text)
            self.names[original] = name
        assert changed or not mutation, "the mutation changes nothing"
        self.keys = (keys.bucket_key(BUCKET, "slots"), keys.bucket_key(BUCKET, "state"))

    def call(self, digest: str, now_us: int, *keys_and_args: Any) -> Any:
        with self.client.pipeline(transaction=False) as pipe:
            steer: dict[Any, Any] = {"s": now_us // 1_000_000, "us": now_us % 1_000_000, "info": f"run_id:{self.run}"}
            pipe.hset("steer", mapping=steer)
            pipe.evalsha(self._digests[digest], 2, *keys_and_args)
            return pipe.execute()[1]

    def run_script(self, name: str, now_us: int, *args: Any) -> Any:
        digest = next(one for one, known in self.names.items() if known == name)
        return self.call(digest, now_us, *self.keys, *args)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer instead of waiting for it."""

    def __init__(self) -> None:
        self._virtual_s = 1000.0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self._virtual_s

    def jump(self, seconds: float) -> None:
        self._virtual_s += seconds


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "nothing is left to happen: somebody waits for ever"
        if timeout > 0:
            self._loop.jump(timeout)
        return super().select(0)


@contextmanager
def virtual_loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        yield runner


class LoopClock:
    """The world's clock, as a process sees it."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def time(self) -> float:
        return EPOCH_S + self.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


@dataclass
class Faults:
    """How often things go wrong: per second of virtual time unless it says otherwise."""

    kill: float = 0.0
    flush: float = 0.0
    evict: float = 0.0
    snapshot_restore: float = 0.0
    redis_outage: float = 0.0
    redis_spike: float = 0.0
    """Of calls."""
    clock_back: float = 0.0
    ledger_outage: float = 0.0
    ledger_spike: float = 0.0
    """Of calls."""
    limits: float = 0.0
    too_many: float = 0.0
    """Of requests."""
    slow_send: float = 0.0
    """Of requests: stopped, or connecting, between permit and write."""
    not_sent: float = 0.0
    """Of requests."""
    no_answer: float = 0.0
    """Of requests: they arrive at the latest instant they can."""
    closed: float = 0.0
    """Of requests."""
    jitter: bool = True


ALL_FAULTS = Faults(
    kill=0.01, flush=0.003, evict=0.002, snapshot_restore=0.003, redis_outage=0.005, redis_spike=0.01,
    clock_back=0.003, ledger_outage=0.005, ledger_spike=0.05, limits=0.01, too_many=0.001, slow_send=0.02,
    not_sent=0.01, no_answer=0.01, closed=0.01,
)  # fmt: skip


class MemoryLedger:
    """Bucket rows in memory, with the answers a database may give: late, or none."""

    def __init__(self, limits: BucketLimits, delay: Callable[[], Awaitable[None]] | None = None) -> None:
        self.limits = limits
        self.longest_timeout_s = 0.0
        self.rows: dict[str, tuple[int, int]] = {}
        self._delay = delay

    async def ensure(self, name: str) -> tuple[BucketRow, bool]:
        inserted = name not in self.rows
        self.rows.setdefault(name, (0, 0))
        row = self._row(name)
        await self._wait()
        return row, inserted

    async def merge_freeze(self, name: str, *, epoch: int, frozen_until_us: int) -> BucketRow:
        await self._wait()
        self.rows[name] = max(self.rows.get(name, (0, 0)), (epoch, frozen_until_us))
        row = self._row(name)
        await self._wait()
        return row

    def _row(self, name: str) -> BucketRow:
        epoch, frozen_until_us = self.rows[name]
        self.longest_timeout_s = max(self.longest_timeout_s, self.limits.request_timeout_s)
        return BucketRow(name, self.limits, frozen_until_us, epoch, self.longest_timeout_s)

    async def _wait(self) -> None:
        if self._delay:
            await self._delay()


@dataclass
class Result:
    """What happened."""

    arrivals: list[tuple[float, str]] = field(default_factory=list)
    limits: list[tuple[float, BucketLimits]] = field(default_factory=list)
    """The limits in force from each instant on."""
    calls: int = 0
    grants: int = 0
    early: list[str] = field(default_factory=list)
    """Grants inside a freeze."""
    permits_of: dict[int, int] = field(default_factory=dict)
    faults: int = 0
    held_s: list[float] = field(default_factory=list)
    """From each permit's instant to its answer."""

    @property
    def instants(self) -> list[float]:
        return sorted(at for at, _ in self.arrivals)

    def used_share(self, begin: float, end: float) -> float:
        """Of what N slots allow that are each busy for a round trip and a window."""
        inside = sum(begin <= at < end for at in self.instants)
        limits, round_trip_s = self.limits[0][1], sum(self.held_s) / len(self.held_s)
        return inside / ((end - begin) * limits.requests / (limits.window_s + round_trip_s))

    def fairness(self) -> float:
        """Jain's index of the permits of each worker: 1 is equal shares."""
        shares = list(self.permits_of.values())
        return sum(shares) ** 2 / len(shares) / sum(share * share for share in shares)

    def violations(self) -> list[str]:
        """Windows that hold more arrivals than the limit in force allows.

        A window of length W that begins at x: the largest limit since the oldest permit that may arrive at x was
        granted; the shortest window in force while it lasts.
        """
        instants, found = self.instants, []
        for index, begin in enumerate(instants):
            at = self._limits_between(begin, begin)
            window_s = min(one.window_s for one in self._limits_between(begin, begin + at[0].window_s))
            timeout_s = max(one.request_timeout_s for one in self._limits_between(begin - 100, begin))
            allowed = max(one.requests for one in self._limits_between(begin - timeout_s - 2.5, begin))
            # A microsecond of leave: the bucket counts in whole ones.
            count = bisect_left(instants, begin + window_s - 2e-6) - index
            if count > allowed:
                found.append(f"{count} of {allowed} in {window_s} s from {begin:.6f}")
        return found

    def _limits_between(self, begin: float, end: float) -> list[BucketLimits]:
        known = [limits for at, limits in self.limits if begin < at <= end]
        before = [limits for at, limits in self.limits if at <= begin]
        return [*known, before[-1]] if before else [*known, self.limits[0][1]]

    def longest_gap_s(self, begin: float, end: float) -> float:
        inside = [begin, *(at for at in self.instants if begin <= at <= end), end]
        return max(b - a for a, b in itertools.pairwise(inside))


class World:
    """Workers, a Redis, a ledger and an upstream."""

    def __init__(
        self, server: SteeredServer, limits: BucketLimits, *, seed: int, workers: int, tasks: int, faults: Faults
    ) -> None:
        self.rng = random.Random(seed)
        random.seed(seed)
        self.server = server
        self.faults = faults
        self.workers = workers
        self.tasks = tasks
        self.result = Result()
        self.clock = LoopClock()
        self.ledger = MemoryLedger(limits, self._ledger_delay)
        self.steps_back_s = 0.0
        self.redis_down_until = self.ledger_down_until = 0.0
        self.alive: list[Worker] = []
        self._base_limits = limits
        self._snapshots: list[list[Any]] = []
        self._frozen = (0, 0)
        server.client.flushdb()

    @property
    def now(self) -> float:
        return self.clock.monotonic()

    def server_now_us(self) -> int:
        return round((EPOCH_S + self.now - self.steps_back_s) * 1e6)

    async def run(self, seconds: float, *, then: Callable[[World], Awaitable[None]] | None = None) -> Result:
        self.result.limits.append((0.0, self._base_limits))
        await asyncio.gather(*(self.start_worker() for _ in range(self.workers)))
        troubles = [asyncio.create_task(one) for one in self._troubles()]
        await asyncio.sleep(seconds)
        if then:
            await then(self)
        for trouble in troubles:
            trouble.cancel()
        for worker in tuple(self.alive):
            worker.kill()
        await asyncio.sleep(200)  # Whatever is on its way arrives.
        return self.result

    async def start_worker(self, *, redis_s: float = 0.0) -> Worker:
        """redis_s: how much longer each way to Redis is for this one."""
        worker = Worker(self, len(self.result.permits_of), redis_s)
        self.result.permits_of[worker.number] = 0
        self.alive.append(worker)
        await worker.start()
        return worker

    # Redis, as each worker reaches it.

    async def call_redis(self, digest: str, keys_and_args: tuple[Any, ...], extra_s: float) -> Any:
        """A call whose server side happens whether or not anybody still waits for the answer."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        there_s, back_s = self._redis_delay() + extra_s, self._redis_delay() + extra_s

        def arrive() -> None:
            if self.now < self.redis_down_until:
                _settle(answer, error=RedisUnavailableError("down"))
                return
            reply = self._execute(digest, keys_and_args)
            lost = self.now + back_s < self.redis_down_until or self.rng.random() < self.faults.redis_outage
            if lost:
                loop.call_later(0.5, _settle, answer, None, RedisUnavailableError("answer lost"))
            else:
                loop.call_later(back_s, _settle, answer, reply)

        loop.call_later(there_s, arrive)
        return await answer

    def _execute(self, digest: str, keys_and_args: tuple[Any, ...]) -> Any:
        name = self.server.names[digest]
        now_us = self.server_now_us()
        reply = self.server.call(digest, now_us, *keys_and_args)
        self.result.calls += 1
        if name == "bucket_acquire" and reply[0] == "ok":
            self.result.grants += len(reply[9:]) // 3
            for permit_id, delay_us, _ in zip(*[iter(reply[9:])] * 3, strict=True):
                if now_us + delay_us < self._frozen[1]:
                    self.result.early.append(f"{permit_id} {(self._frozen[1] - now_us - delay_us) / 1e6} s early")
        elif name in ("bucket_freeze", "bucket_unfreeze") and reply[0] == "ok":
            self._frozen = (reply[2], reply[3])
        elif name == "bucket_reconcile" and reply[0] == "ok":
            self._frozen = max(self._frozen, (reply[2], reply[3]))
            limits = BucketLimits(reply[5], reply[6] / 1e6, reply[7] / 1e6, bool(reply[8]))
            if limits != self.result.limits[-1][1]:
                self.result.limits.append((self.now, limits))
        elif name == "bucket_init" and reply[0] == "made":
            args = keys_and_args[2:]
            limits = BucketLimits(int(args[5]), int(args[6]) / 1e6, int(args[7]) / 1e6, args[8] == 1)
            if limits != self.result.limits[-1][1]:
                self.result.limits.append((self.now, limits))
        return reply

    def _redis_delay(self) -> float:
        if self.rng.random() < self.faults.redis_spike:
            return self.rng.uniform(0.05, 0.6)
        return self.rng.expovariate(1 / 0.0004) if self.faults.jitter else 0.0002

    async def _ledger_delay(self) -> None:
        if self.rng.random() < self.faults.ledger_spike:
            await asyncio.sleep(self.rng.uniform(0.1, 3.0))
        else:
            await asyncio.sleep(0.001)
        if self.now < self.ledger_down_until:
            raise LedgerUnavailableError("down")

    # The upstream.

    def latency_s(self) -> float:
        if not self.faults.jitter:
            return 0.02
        slow = self.rng.uniform(0.3, 1.5) if self.rng.random() < 0.01 else 0.0
        return self.rng.lognormvariate(-3.2, 0.5) + slow

    def arrive(self, permit: Permit) -> None:
        self.result.arrivals.append((self.now, permit.id))

    # Troubles.

    def _troubles(self) -> Iterator[Any]:
        faults = self.faults
        for rate, trouble in (
            (faults.kill, self._kill),
            (faults.flush, self.lose_memory),
            (faults.evict, self._evict),
            (faults.snapshot_restore, self._restore),
            (faults.redis_outage, self._redis_outage),
            (faults.clock_back, self._clock_back),
            (faults.ledger_outage, self._ledger_outage),
            (faults.limits, self._change_limits),
        ):
            if rate:
                yield self._now_and_then(rate, trouble)
        if faults.snapshot_restore:
            yield self._now_and_then(0.2, self._snapshot)

    async def _now_and_then(self, rate: float, trouble: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(self.rng.expovariate(rate))
            self.result.faults += 1
            await trouble()

    async def _kill(self) -> None:
        self.rng.choice(self.alive).kill()
        await self.start_worker()

    def _memory_lost(self) -> None:
        self._frozen = self.ledger.rows.get(BUCKET, (0, 0))

    async def lose_memory(self) -> None:
        """Redis forgets everything."""
        self.server.client.flushdb()
        self._memory_lost()

    async def _evict(self) -> None:
        self.server.client.delete(self.rng.choice(self.server.keys))
        self._memory_lost()

    async def _snapshot(self) -> None:
        dump: Any = self.server.client.execute_command
        self._snapshots.append([dump("DUMP", key, NEVER_DECODE=True) for key in self.server.keys])

    async def _restore(self) -> None:
        """The server dies, and comes back with what an older snapshot holds, or with all it had."""
        self.redis_down_until = self.now + self.rng.uniform(0.05, 3.0)
        self.server.run = f"run{self.rng.random()}"[:14].replace(".", "x")
        if self._snapshots and self.rng.random() < 0.8:
            for key, dump in zip(self.server.keys, self.rng.choice(self._snapshots[-8:]), strict=True):
                self.server.client.delete(key)
                if dump:
                    self.server.client.restore(key, 0, dump, replace=True)
        self._memory_lost()

    async def _redis_outage(self) -> None:
        self.redis_down_until = self.now + self.rng.uniform(0.2, 8.0)

    async def _clock_back(self) -> None:
        self.steps_back_s += self.rng.choice([0.01, 0.5, 5.0, 60.0]) * self.rng.random()

    async def _ledger_outage(self) -> None:
        self.ledger_down_until = self.now + self.rng.uniform(0.2, 20.0)

    async def _change_limits(self) -> None:
        base = self._base_limits
        self.ledger.limits = BucketLimits(
            requests=max(1, round(base.requests * self.rng.choice([0.2, 0.5, 1, 1, 2]))),
            window_s=base.window_s * self.rng.choice([0.5, 1, 1, 2]),
            request_timeout_s=base.request_timeout_s * self.rng.choice([0.5, 1, 1, 2]),
            even=self.rng.random() < 0.7 if self.rng.random() < 0.3 else base.even,
        )


def _settle(answer: asyncio.Future[Any], reply: Any = None, error: BaseException | None = None) -> None:
    if answer.done():
        return
    if error:
        answer.set_exception(error)
    else:
        answer.set_result(reply)


@dataclass
class RedisOfWorker:
    """What a Limiter needs of a Redis client."""

    world: World
    extra_s: float

    async def evalsha(self, digest: str, _: int, *keys_and_args: Any) -> Any:
        return await self.world.call_redis(digest, keys_and_args, self.extra_s)

    async def info(self, _: str) -> dict[str, Any]:
        return {}


class Worker:
    """One process: a real Limiter, and tasks that send.

    Of three workers one hears of another request timeout before the bucket does, one never (it is of a version that
    reads it once), and one crawls for another job of the bucket, whose timeout is the shorter one.
    """

    def __init__(self, world: World, number: int, redis_s: float) -> None:
        self.world = world
        self.number = number
        redis_of_worker: Any = RedisOfWorker(world, redis_s)
        self.limiter = Limiter(redis_of_worker, BUCKET, world.ledger, clock=world.clock)
        self._crawling: list[asyncio.Task[None]] = []
        self._first_timeout_s = world.ledger.limits.request_timeout_s

    def _own_timeout_s(self) -> float:
        live_s = self.world.ledger.limits.request_timeout_s
        return (live_s, self._first_timeout_s, live_s / 2)[self.number % 3]

    async def start(self) -> None:
        await self.limiter.__aenter__()
        self._crawling = [asyncio.create_task(self._crawl()) for _ in range(self.world.tasks)]

    def kill(self) -> None:
        """Die at once. What is on the wire stays there."""
        for task in (*self._crawling, *self.limiter._tasks):
            task.cancel()
        self.world.alive.remove(self)

    async def _crawl(self) -> None:
        while True:
            permit = await self.limiter.acquire()
            await self._send(permit)

    async def _send(self, permit: Permit) -> None:
        world, faults, rng = self.world, self.world.faults, self.world.rng
        if rng.random() < faults.slow_send:
            await asyncio.sleep(rng.uniform(0.0, 0.5))
        if rng.random() < faults.not_sent:
            permit.unused()
            return
        try:
            permit.use()
        except PermitExpiredError:
            permit.unused()
            return
        world.result.permits_of[self.number] += 1
        loop = asyncio.get_running_loop()
        timeout_s = permit.may_take_s(self._own_timeout_s())
        if rng.random() < faults.no_answer:
            # At the very latest: written at the deadline's end, on its way until nothing is sent again, and a margin.
            loop.call_later(rng.uniform(0.9, 1.0) * (timeout_s + 0.25), world.arrive, permit)
            await asyncio.sleep(timeout_s)
            return
        there_s, back_s = min(world.latency_s(), timeout_s), world.latency_s()
        loop.call_later(there_s, world.arrive, permit)
        if rng.random() < faults.closed:
            # The peer's end crosses our request on the wire.
            await asyncio.sleep(max(0.0, there_s - rng.uniform(0.0, 0.25)))
            permit.answered(closed=True)
            return
        if there_s + back_s > timeout_s:
            await asyncio.sleep(timeout_s)
            return
        await asyncio.sleep(there_s + back_s)
        permit.answered()
        world.result.held_s.append(world.now - permit.not_before_s)
        if rng.random() < faults.too_many:
            with suppress(RedisUnavailableError):
                await self.limiter.freeze(retry_after_s=rng.choice([None, 0.0, 1.0, 5.0]))


def simulate(
    client: redis.Redis,
    limits: BucketLimits,
    *,
    seed: int,
    seconds: float,
    workers: int = 4,
    tasks: int = 3,
    faults: Faults | None = None,
    mutation: tuple[str, str] | None = None,
    then: Callable[[World], Awaitable[None]] | None = None,
) -> Result:
    """One run. The same seed is the same run."""
    with virtual_loop() as runner:

        async def run() -> Result:
            world = World(
                SteeredServer(client, mutation=mutation),
                limits,
                seed=seed,
                workers=workers,
                tasks=tasks,
                faults=faults or Faults(),
            )
            return await world.run(seconds, then=then)

        return runner.run(run())
