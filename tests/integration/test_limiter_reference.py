"""The bucket's scripts against a brute-force model of the same promise, answer for answer, over random stories."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.fakes.limiter_bucket import START_US, SteeredBucket

S = 1_000_000


@dataclass
class Reference:
    """A bucket, written down as slowly and plainly as possible. All instants in microseconds."""

    limit: int
    window: int
    timeout: int
    even: bool
    slots: dict[str, int] = field(default_factory=dict)
    floor: int = 0
    last: int = 0
    frozen: int = 0
    epoch: int = 0
    counter: int = 0

    def __post_init__(self) -> None:
        self.slots = {f"!{i}": 0 for i in range(self.limit)}  # "!" sorts before every permit: unused slots go first.

    def free(self, permit_id: str, at: int) -> None:
        if permit_id in self.slots:
            self.slots[permit_id] = min(self.slots[permit_id], max(at, self.floor))

    def drop_surplus(self, now: int) -> None:
        for permit_id in sorted(self.slots, key=lambda one: (self.slots[one], one.encode())):
            if len(self.slots) > self.limit and self.slots[permit_id] <= now:
                del self.slots[permit_id]

    def instant(self, now: int) -> int:
        """The first instant at which fewer than `limit` slots are taken, and everything else allows a grant."""
        spacing = math.ceil(0.9 * self.window / self.limit) if self.even else 0
        earliest = max(now, self.floor, self.frozen, self.last + spacing)
        candidates = [earliest, *(at for at in self.slots.values() if at > earliest)]
        return min(at for at in candidates if sum(free > at for free in self.slots.values()) < self.limit)

    def acquire(self, now: int, count: int) -> tuple[list[tuple[str, int, int]], int]:
        if count:
            self.drop_surplus(now)
        horizon = min(2 * S, self.window // 10)
        permits: list[tuple[str, int, int]] = []
        for _ in range(min(count, self.limit)):
            at = self.instant(now)
            if at - now > horizon:
                return permits, min(at - horizon - now, self.window // 2, 10 * S)
            taken = min(self.slots, key=lambda one: (self.slots[one], one.encode()))
            self.counter += 1
            self.last = at
            permits.append((f"n1.{self.counter}", at - now, self.slots.pop(taken)))
            self.slots[permits[-1][0]] = at + self.timeout + self.window + S // 2
        return permits, -1

    def bring(self, now: int, limit: int, window: int, timeout: int, even: bool) -> None:
        if (limit, window, timeout, even) == (self.limit, self.window, self.timeout, self.even):
            return
        self.drop_surplus(now)
        by = window - self.window
        self.floor += max(by, 0)
        if by:
            self.slots = {one: max(at + by, self.floor) for one, at in self.slots.items()}
        self.limit, self.window, self.timeout, self.even = limit, window, timeout, even
        while len(self.slots) < limit:
            self.counter += 1
            self.slots[f"n1.{self.counter}"] = max(now + window, self.floor)


LIMITS = st.tuples(
    st.integers(1, 4), st.sampled_from([S, 3 * S, 30 * S]), st.sampled_from([S // 2, 5 * S]), st.booleans()
)
STEPS = st.one_of(
    st.tuples(st.just("pass"), st.integers(1, 40 * S)),
    st.tuples(st.just("pass"), st.integers(1, S)),
    st.tuples(st.just("pass"), st.sampled_from([S // 2, S, 2 * S, 5 * S, 30 * S])),
    st.tuples(
        st.just("acquire"),
        st.integers(0, 8),
        st.lists(st.tuples(st.integers(0, 50), st.integers(-S // 4, 5 * S)), max_size=4),
        st.lists(st.integers(0, 50), max_size=3),
    ),
    st.tuples(st.just("bring"), LIMITS),
    st.tuples(st.just("freeze"), st.integers(1, 20 * S)),
    st.tuples(st.just("unfreeze")),
)


def replay(bucket: SteeredBucket, limits: tuple[int, int, int, bool], steps: list[tuple[Any, ...]]) -> None:
    server, now = bucket.server, START_US
    server.client.flushdb()
    reference = Reference(*limits)
    arguments = (*limits[:3], int(limits[3]))
    assert server.run_script("bucket_init", now, "1", 600, now, server.run, "n1", *arguments, 0, 0, 1, 0)[0] == "made"
    granted: list[tuple[str, int, int]] = []
    for kind, *rest in steps:
        if kind == "pass":
            now += rest[0]
        elif kind == "bring":
            limit, window, timeout, even = rest[0]
            server.run_script("bucket_reconcile", now, "1", 600, now, 0, 0, limit, window, timeout, int(even))
            reference.bring(now, limit, window, timeout, even)
        elif kind == "freeze":
            reference.frozen = max(reference.frozen, now + rest[0])
            # Of a request sent before the freeze: what comes of 429s in a row has tests of its own.
            reply = server.run_script("bucket_freeze", now, "1", rest[0], rest[0], rest[0], 0, -1)
            assert reply[3] == reference.frozen
        elif kind == "unfreeze":
            server.run_script("bucket_unfreeze", now, "1", 0)
            reference.frozen = 0
        else:
            count, answers, unsent = rest
            answered = [(granted[index % len(granted)][0], age) for index, age in answers if granted]
            returned = [granted[index % len(granted)] for index in unsent if granted]
            reply = server.run_script(
                "bucket_acquire", now, "1", count, len(answered), *sum(answered, ()), *sum(returned, ())
            )
            for permit_id, age in answered:
                reference.free(permit_id, now - age + reference.window)
            for permit_id, free, window in returned:
                reference.free(permit_id, free + reference.window - window)
            permits, wait = reference.acquire(now, count)
            flat = [value for permit in permits for value in permit]
            assert reply[8:] == [wait, *flat]
            granted += [(permit_id, free, reference.window) for permit_id, _, free in permits]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limits=LIMITS, steps=st.lists(STEPS, min_size=10, max_size=40))
def test_the_scripts_answer_as_the_model_does(
    redis_url: str, limits: tuple[int, int, int, bool], steps: list[tuple[Any, ...]]
) -> None:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        replay(SteeredBucket(client), limits, steps)
