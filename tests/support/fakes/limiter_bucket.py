"""One bucket on a real server whose clock the test turns: each script as one call, in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import redis
from support.fakes.limiter_world import SteeredServer

START_US = 1_800_000_000_000_000

NEWEST = 2**40
"""As the epoch of a request: none is newer."""


@dataclass
class Granted:
    """A permit: when, and what cancelling it needs."""

    id: str
    at_s: float
    free_us: int
    window_us: int


@dataclass
class Reply:
    kind: str
    permits: list[Granted]
    wait_s: float | None
    epoch: int = 0
    frozen_s: float = 0.0

    @property
    def at_s(self) -> list[float]:
        return [permit.at_s for permit in self.permits]


class SteeredBucket:
    """All instants are seconds since the test began."""

    def __init__(self, client: redis.Redis) -> None:
        client.flushdb()
        self.server = SteeredServer(client)
        self.client = client
        self.now_s = 0.0
        self.made = 0

    @property
    def now_us(self) -> int:
        return START_US + round(self.now_s * 1e6)

    def call(self, name: str, *args: Any) -> Any:
        return self.server.run_script(name, self.now_us, "1", *args)

    def init(
        self, requests: int, window_s: float, timeout_s: float = 10.0, *, even: bool = False, fresh: bool = True,
        epoch: int = 0, frozen_s: float | None = None, asked_s: float | None = None, run: str | None = None,
        longest_s: float = 0.0,
    ) -> str:  # fmt: skip
        self.made += 1
        asked_us = START_US + round((self.now_s if asked_s is None else asked_s) * 1e6)
        frozen_us = 0 if frozen_s is None else START_US + round(frozen_s * 1e6)
        limits = (requests, round(window_s * 1e6), round(timeout_s * 1e6), int(even))
        asked = (604800, asked_us, run or self.server.run, f"n{self.made}")
        lost = (epoch, frozen_us, int(fresh), round(longest_s * 1e6))
        return str(self.call("bucket_init", *asked, *limits, *lost)[0])

    def acquire(
        self, count: int = 1, *, answered: list[tuple[str, float]] | None = None, unsent: list[Granted] | None = None
    ) -> Reply:
        """answered: (id, age in seconds)."""
        args: list[Any] = [count, len(answered or [])]
        for permit_id, age_s in answered or []:
            args += [permit_id, round(age_s * 1e6)]
        for permit in unsent or []:
            args += [permit.id, permit.free_us, permit.window_us]
        reply = self.call("bucket_acquire", *args)
        if reply[0] != "ok":
            return Reply(reply[0], [], None)
        now_us, epoch, frozen_us, _, window_us, _, _, wait_us = reply[1:9]
        assert now_us == self.now_us
        permits = [
            Granted(permit_id, self.now_s + delay_us / 1e6, free_us, window_us)
            for permit_id, delay_us, free_us in zip(*[iter(reply[9:])] * 3, strict=True)
        ]
        return Reply("ok", permits, None if wait_us < 0 else wait_us / 1e6, epoch, (frozen_us - START_US) / 1e6)

    def bring(
        self, requests: int, window_s: float, timeout_s: float = 10.0, *, even: bool = False, epoch: int = 0,
        frozen_s: float | None = None, read_s: float | None = None,
    ) -> Any:  # fmt: skip
        """Reconcile with a row, read now unless said otherwise."""
        read_us = START_US + round((self.now_s if read_s is None else read_s) * 1e6)
        frozen_us = 0 if frozen_s is None else START_US + round(frozen_s * 1e6)
        limits = (requests, round(window_s * 1e6), round(timeout_s * 1e6), int(even))
        return self.call("bucket_reconcile", 604800, read_us, epoch, frozen_us, *limits)

    def freeze(self, asked_s: float = 0.0, *, epoch: int = 0, sent_epoch: int = NEWEST) -> tuple[int, float]:
        """(epoch, until when) after a 429 that asks for so many seconds, or of 0 for none: then for 30 s to an hour."""
        reply = self.call("bucket_freeze", round(asked_s * 1e6), 30_000_000, 3_600_000_000, epoch, sent_epoch)
        return reply[2], (reply[3] - START_US) / 1e6

    def free_at_s(self) -> list[float]:
        """When each slot is free, those that nobody took yet included."""
        client: Any = self.client
        unused, floor_us = client.hmget(self.server.keys[1], "unused", "floor_us")
        scores = [score for _, score in client.zrange(self.server.keys[0], 0, -1, withscores=True)]
        return sorted(round((score - START_US) / 1e6, 6) for score in [*scores, *[float(floor_us)] * int(unused)])
