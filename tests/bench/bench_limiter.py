"""What a permit costs Redis and the client, beside `limits` moving window and a script that does nothing; and arrivals
at a real sandbox from eight processes.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from limits import RateLimitItemPerSecond
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis.asyncio import Redis
from support.processes.limiter_crawler import BUCKET, crew
from support.processes.sandbox_process import sandbox
from support.processes.servers import Valkey, server_folder

from crawl_core.backends.scripts import connect_redis
from crawl_core.limiter.bucket import Bucket, Grant, Unknown
from crawl_core.values.limits import BucketLimits, BucketRow
from tests.bench.rows import Row, at_least, at_most, stated

CALLS = 5_000
ROUNDS = 4
UNBOUNDED = BucketLimits(10_000, 0.1, 0.1, even=False)
PROCESSES, DOOR_S = 8, 20


def run() -> list[Row]:
    with server_folder() as folder:
        server = Valkey(folder / "valkey", appendonly="no")
        try:
            return [*_server_cost(server), *asyncio.run(_client_rate(server)), *_door(server)]
        finally:
            server.stop()


def _server_cost(server: Valkey) -> list[Row]:
    """Microseconds of the server a grant, interleaved so that a noisy moment hits all alike."""
    theirs, ours, batched = [], [], []
    limiter = MovingWindowRateLimiter(RedisStorage(server.url))
    item = RateLimitItemPerSecond(100_000, 30)
    asyncio.run(_permits(server, 1))  # Makes the bucket, which is not what is measured.
    for _ in range(ROUNDS):
        theirs.append(_script_us(server, lambda: [limiter.hit(item, "key") for _ in range(CALLS)]))
        ours.append(_script_us(server, lambda: asyncio.run(_permits(server, 1))))
        batched.append(_script_us(server, lambda: asyncio.run(_permits(server, 10))) / 10)
    # The least of each: what disturbs a measurement only adds.
    reference, one, ten = min(theirs), min(ours), min(batched)
    return [
        stated("server time of a `limits` moving window", reference, "us"),
        stated("server time of a permit, its confirmation included", one, "us"),
        # A moving window is four commands, this is seven; what one costs shows only above some 10,000 permits a second.
        at_most("the same, beside `limits`", one / reference, 4.0),
        at_most("the same, 10 permits a call", ten / reference, 1.0),
    ]


def _script_us(server: Valkey, work: Callable[[], Any]) -> float:
    with server.client() as client:
        client.config_resetstat()
        work()
        stats = client.info("commandstats")["cmdstat_evalsha"]
    return float(stats["usec"] / stats["calls"])


async def _permits(server: Valkey, count: int) -> None:
    """Take permits, and confirm those of the call before with each call."""
    connection = connect_redis(server.url)
    bucket = Bucket(connection, BUCKET)
    await _make(bucket)
    answered: list[tuple[str, int]] = []
    for _ in range(CALLS // count):
        grant = await bucket.request_permits(count, answered=answered)
        assert isinstance(grant, Grant)
        answered = [(permit_id, 100) for permit_id in grant.permits[::3]]
    await connection.aclose()


async def _make(bucket: Bucket) -> None:
    look = await bucket.look()
    if isinstance(look, Unknown):
        await bucket.init(BucketRow(bucket.name, UNBOUNDED, 0, 0), asked=look, fresh=True)


async def _client_rate(server: Valkey) -> list[Row]:
    """Grants a second of eight tasks on one connection pool, beside a script that does nothing."""
    connection = connect_redis(server.url)
    bucket = Bucket(connection, BUCKET)
    await _make(bucket)
    digest = await connection.script_load("return 1")

    async def noop() -> None:
        await connection.evalsha(digest, 1, "key")  # type: ignore[misc]

    async def one() -> None:
        await bucket.request_permits(1)

    async def ten() -> None:
        await bucket.request_permits(10)

    rates = [[await _rate(connection, work) for work in (noop, one, ten)] for _ in range(ROUNDS)]
    nothing, single, tenfold = (sorted(column)[ROUNDS // 2] for column in zip(*rates, strict=True))
    await connection.aclose()
    return [
        stated("a script that does nothing", nothing, "calls/s"),
        at_least("permits a second, one a call, beside it", single / nothing, 0.75),
        at_least("permits a second, ten a call, beside it", 10 * tenfold / nothing, 4.0),
    ]


async def _rate(connection: Redis, work: Callable[[], Awaitable[None]]) -> float:
    async def task() -> None:
        for _ in range(CALLS // 16):
            await work()

    begun_s = time.perf_counter()
    await asyncio.gather(*(task() for _ in range(8)))
    return CALLS / 2 / (time.perf_counter() - begun_s)


def _door(server: Valkey) -> list[Row]:
    """50 requests a second from eight processes over a jittering network, as the sandbox sees them arrive."""
    limits = BucketLimits(50, 1.0, 5.0, even=True)
    server.flush()
    with (
        tempfile.TemporaryDirectory(prefix="acr-") as folder,
        sandbox(size=10, limit="50/1s", traced=False, latency_in="lognormal:10ms:0.5", latency_out="10ms") as api,
        crew(server.url, api.url, api.token(), Path(folder), limits, tasks=2) as (working, _),
    ):
        working.start(PROCESSES)
        begun_s = time.time() + 2.0  # All are there.
        time.sleep(DOOR_S + 2.0)
        counts = working.end()
        arrivals = sum(begun_s <= request["received_at_s"] < begun_s + DOOR_S for request in api.requests())
        most = api.stats()["max_in_window"]
        shares = [count["grants"] for count in working.counts]
    round_trip_s = counts["held_us"] / counts["status 200"] / 1e6
    ideal = DOOR_S * limits.requests / (limits.window_s + round_trip_s)
    return [
        at_most("arrivals in the fullest second, limit 50, 8 processes", most, limits.requests, "arrivals"),
        at_least("used share of W/(W+RTT), 50 a second", arrivals / ideal, 0.9),
        at_most("Redis calls a permit, 8 processes", counts["calls"] / counts["grants"], 1 + PROCESSES, "calls"),
        at_least(
            "fairness of 8 processes (Jain)", sum(shares) ** 2 / len(shares) / sum(s * s for s in shares), 0.95, ""
        ),
    ]
