"""Arrivals at a real sandbox, over a jittering network, from real processes that are killed and stopped.

The sandbox enforces the limit itself: an answer of 429 is a window that held too much. The short forms run always, the
long ones are issue-sized (`-m slow`).
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.processes.limiter_crawler import BUCKET, Crew, FileLedger, crew
from support.processes.redis_proxy import delaying_proxy
from support.processes.run_process import wait_until
from support.processes.sandbox_process import SandboxProcess, sandbox
from support.processes.servers import Valkey

from crawl_core.backends.keys import bucket_key
from crawl_core.values.limits import BucketLimits

JITTER = {"latency_in": "lognormal:40ms:0.5+0.01:300ms-1500ms", "latency_out": "lognormal:40ms:0.5"}


class Door:
    """A crew before a sandbox."""

    def __init__(self, api: SandboxProcess, working: Crew, ledger: FileLedger, limits: BucketLimits) -> None:
        self.api, self.crew, self.ledger, self.limits = api, working, ledger, limits

    def crawl(self, requests: int) -> None:
        """Let them crawl until so many more requests have arrived."""
        wanted = self.api.stats()["arrivals"] + requests
        wait_until(lambda: self.api.stats()["arrivals"] >= wanted, f"{requests} requests more")

    def fall_silent(self, seconds: float) -> None:
        """Wait until nothing has arrived for so long."""
        wait_until(lambda: time.time() > self.api.stats()["last_arrival_s"] + seconds, "silence")

    def end(self) -> list[float]:
        """End them. When each request arrived."""
        self.counts = self.crew.end()
        return [request["received_at_s"] for request in self.api.requests()]

    def arrivals(self, seconds: float) -> list[float]:
        """Let them crawl, then end them. When each request arrived."""
        time.sleep(seconds)
        return self.end()

    def kept(self) -> bool:
        """No window held more than the limit, and so nobody was told 429."""
        stats = self.api.stats()
        return (stats["rate_limited"], stats["windows_over_limit"]) == (0, 0) and self.counts["failed"] == 0

    def used_share(self, arrivals: list[float]) -> float:
        """Of W / (W + RTT), from one window after the first arrival on."""
        steady = [at for at in arrivals if at > arrivals[0] + self.limits.window_s]
        seconds = arrivals[-1] - steady[0]
        round_trip_s = self.counts["held_us"] / self.counts["status 200"] / 1e6
        return (len(steady) - 1) / (seconds * self.limits.requests / (self.limits.window_s + round_trip_s))

    def tell(self, **numbers: Any) -> None:
        """For the note: run with -s."""
        stats = {key: value for key, value in self.api.stats().items() if isinstance(value, int | float)}
        print(json.dumps({**stats, **self.counts, **numbers}))


Before = Callable[..., Any]


@pytest.fixture
def before_the_door(tmp_path: Path) -> Before:
    @contextmanager
    def make(
        redis_url: str, requests: int, window_s: float, timeout_s: float = 10.0, *, processes: int, tasks: int = 3,
        even: bool = True,
    ) -> Iterator[Door]:  # fmt: skip
        limits = BucketLimits(requests, window_s, timeout_s, even)
        with (
            sandbox(size=10, limit=f"{requests}/{window_s:g}s", traced=False, **JITTER) as api,
            crew(redis_url, api.url, api.token(), tmp_path, limits, tasks=tasks) as (working, ledger),
        ):
            working.start(processes)
            yield Door(api, working, ledger, limits)

    return make


def test_no_window_holds_too_much_while_workers_are_killed_and_stopped(redis_url: str, before_the_door: Before) -> None:
    with before_the_door(redis_url, 60, 2.0, 2.0, processes=4) as door:
        door.crawl(60)
        door.crew.kill()
        door.crew.stop_for(1.5)
        door.crew.start(1)
        door.crawl(90)
        door.end()
        assert door.kept()


def test_no_window_holds_too_much_after_redis_lost_its_memory(fresh_redis: Valkey, before_the_door: Before) -> None:
    with before_the_door(fresh_redis.url, 30, 1.0, 1.0, processes=3) as door:
        door.crawl(45)
        fresh_redis.flush()
        door.crawl(45)
        fresh_redis.restart(keep_data=False)
        door.crawl(60)
        door.end()
        assert door.kept()


def test_no_window_holds_too_much_after_redis_came_back_with_an_old_snapshot(
    fresh_redis: Valkey, before_the_door: Before
) -> None:
    with before_the_door(fresh_redis.url, 30, 2.0, 1.0, processes=3) as door:
        door.crawl(15)
        with fresh_redis.client() as client:
            assert client.zcard(bucket_key(BUCKET, "slots")) > 0
            client.set("snapshot", "taken")
            client.config_set("appendonly", "no")  # From here on it will remember nothing.
        door.crawl(30)
        fresh_redis.kill()
        fresh_redis.restart(keep_data=True)
        with fresh_redis.client() as client:
            assert client.get("snapshot") == "taken"
        door.crawl(60)
        door.end()
        assert door.kept()


def test_a_redis_that_answers_late_costs_permits_but_no_window(redis_server: Valkey, before_the_door: Before) -> None:
    redis_server.flush()
    with (
        delaying_proxy(redis_server.port) as (url, delay),
        before_the_door(url, 30, 1.0, 1.0, processes=2) as door,
    ):
        door.crawl(30)
        delay.answers_s = 0.4
        door.fall_silent(1.5)
        delay.answers_s = 0.0
        door.crawl(45)
        door.end()
        assert door.kept()
        assert door.counts["discarded"] > 0


@pytest.mark.slow
def test_limits_raised_lowered_and_lengthened_hold_while_crawling(redis_url: str, before_the_door: Before) -> None:
    with before_the_door(redis_url, 20, 2.0, 1.0, processes=3) as door:
        time.sleep(2)
        door.api.control(limit="40/2s")
        door.ledger.write(BucketLimits(40, 2.0, 1.0, even=True))
        time.sleep(13)
        door.ledger.write(BucketLimits(10, 4.0, 1.0, even=True))
        time.sleep(11)
        changed_s = time.time()
        door.api.control(limit="10/4s")
        time.sleep(6)
        door.crew.end()
        arrivals = [request["received_at_s"] for request in door.api.requests() if request["received_at_s"] > changed_s]
        assert door.api.stats()["rate_limited"] == 0
        assert 5 < len(arrivals) <= 20


@pytest.mark.slow
@pytest.mark.parametrize(
    ("requests", "window_s", "seconds", "used"), [(100, 10.0, 1050, 0.985), (10, 30.0, 600, 0.0), (50, 1.0, 210, 0.0)]
)
def test_the_limit_is_kept_and_used_for_long(
    redis_url: str, before_the_door: Before, requests: int, window_s: float, seconds: float, used: float
) -> None:
    with before_the_door(redis_url, requests, window_s, processes=8) as door:
        arrivals = door.arrivals(seconds)
        share = door.used_share(arrivals)
        door.tell(limit=f"{requests}/{window_s:g}s", arrivals=len(arrivals), used=round(share, 4))
        assert door.kept()
        assert share >= used


@pytest.mark.slow
def test_the_limit_is_kept_for_long_while_workers_are_killed_and_stopped(
    redis_url: str, before_the_door: Before
) -> None:
    kills, tasks = 0, 3
    with before_the_door(redis_url, 100, 10.0, processes=8, tasks=tasks) as door:
        begun_s = time.time()
        while time.time() - begun_s < 1050:
            time.sleep(10)
            door.crew.kill()
            kills += 1
            door.crew.start(1)
            door.crew.stop_for(15)
        arrivals = door.arrivals(1)
        share = door.used_share(arrivals)
        ideal = (arrivals[-1] - arrivals[0]) * 100 / (10 + door.counts["held_us"] / door.counts["status 200"] / 1e6)
        lost = ideal - len(arrivals)
        door.tell(kills=kills, arrivals=len(arrivals), used=round(share, 4), lost=round(lost))
        assert door.kept()
        # A kill costs what was in flight or reserved, and a stop the same, each for a timeout longer than a window.
        assert lost <= 0.015 * ideal + 2 * kills * 2 * tasks * (1 + 10 / 10)


@pytest.mark.slow
def test_when_28_of_32_workers_vanish_nothing_stands_still(redis_url: str, before_the_door: Before) -> None:
    with before_the_door(redis_url, 20, 10.0, processes=32, tasks=2) as door:
        time.sleep(30)
        door.crew.kill(28)
        killed_s = time.time()
        arrivals = door.arrivals(60)
        late = [at for at in arrivals if at > killed_s - 2]
        gap_s = max(b - a for a, b in itertools.pairwise(late))
        door.tell(longest_gap_s=round(gap_s, 3))
        assert door.kept()
        assert gap_s < 5.0
