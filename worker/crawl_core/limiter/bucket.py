"""The bucket's scripts, typed: one method a script, one round trip a call.

Nothing is tried again here. A call that timed out may have run, and a repeated one would take a second permit.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from redis.asyncio import Redis

from crawl_core.backends import keys
from crawl_core.backends.scripts import Argument, Script
from crawl_core.errors import ArtistcrawlError, SchemaVersionError
from crawl_core.values.limits import BucketLimits, BucketRow

LAYOUT = "1"
"""Version of the bucket's keys. A process that meets another version drains: it would misread the slots."""
MICROSECONDS = 1_000_000

_ACQUIRE = Script("bucket_acquire")
_INIT = Script("bucket_init")
_FREEZE = Script("bucket_freeze")
_SUCCEEDED = Script("bucket_succeeded")
_UNFREEZE = Script("bucket_unfreeze")
_RECONCILE = Script("bucket_reconcile")


@dataclass(frozen=True, slots=True)
class Unknown:
    """The answer of a Redis that cannot be trusted with this bucket: it has none, lost part of it, or is another run of
    the server than the one that made it. `BucketRecord.introduce` makes the bucket with what the answer says."""

    now_us: int
    run_id: str


class Grant(NamedTuple):
    """Permits that were granted: `permits` is flat, three values each: id, delay_us until its instant, free_us when its
    slot was free before. Instants are Redis's TIME, in us since 1970."""

    now_us: int
    epoch: int
    frozen_until_us: int
    configured_us: int
    """When the limits were set last. Where it equals a view's, the view's limits are still in force."""
    window_us: int
    timeout_us: int
    horizon_us: int
    wait_us: int
    """How long to wait before asking for the rest; -1 where everything asked for was granted."""
    permits: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Freeze:
    """A bucket's freeze. Each 429 and each unfreeze raises the epoch, so the higher epoch is the newer word."""

    now_us: int
    epoch: int
    frozen_until_us: int


@dataclass(frozen=True, slots=True)
class BucketView:
    """A bucket as Redis has it. Instants are Redis's TIME, in us since 1970."""

    now_us: int
    epoch: int
    frozen_until_us: int
    configured_us: int
    limits: BucketLimits
    slots_free: int


class Bucket:
    """One bucket of one Redis."""

    def __init__(self, redis: Redis, name: str) -> None:
        self.name = name
        self._redis = redis
        self._keys = (keys.bucket_key(name, "slots"), keys.bucket_key(name, "state"))

    async def request_permits(
        self, count: int, *, answered: Sequence[tuple[str, int]] = (), unsent: Sequence[tuple[str, int, int]] = ()
    ) -> Grant | Unknown:
        """Ask for up to `count` permits, and tell what became of earlier ones.

        answered: (permit id, age of the answer in us). unsent: (permit id, free_us, window_us) of permits that were
        never used, as they were granted.
        """
        args: list[Argument] = [LAYOUT, count, len(answered)]
        for answer in answered:
            args.extend(answer)
        for permit in unsent:
            args.extend(permit)
        reply = await self._run(_ACQUIRE, args)
        if isinstance(reply, Unknown):
            return reply
        return Grant._make((*reply[1:9], reply[9:]))

    async def init(self, row: BucketRow, *, asked: Unknown, fresh: bool) -> bool:
        """Make the bucket from its row. False where another process made it, or `asked` is too old to stand on.

        fresh: this process inserted the row, so no permit can be on its way and the bucket starts without a floor.
        """
        reply = await self._run(
            _INIT,
            [
                LAYOUT, keys.JOB_TTL_S, asked.now_us, asked.run_id, secrets.token_hex(6), *_limits_args(row.limits),
                row.epoch, row.frozen_until_us, int(fresh), round(row.longest_timeout_s * MICROSECONDS),
            ],
        )  # fmt: skip
        return bool(reply[0] == "made")

    async def write_freeze(
        self, *, asked_us: int, first_us: int, longest_us: int, epoch: int, sent_epoch: int
    ) -> Freeze | Unknown:
        """Pause the bucket for asked_us, or where that is 0 or was too short for first_us, doubling up to longest_us.

        Raises its epoch above `epoch`. `sent_epoch` is that of the refused request's permit.
        """
        reply = await self._run(_FREEZE, [LAYOUT, asked_us, first_us, longest_us, epoch, sent_epoch])
        return reply if isinstance(reply, Unknown) else Freeze(*reply[1:])

    async def note_success(self, *, epoch: int) -> None:
        """A request with a permit of this epoch was answered: where that is the newest, 429s are in a row no more."""
        await self._run(_SUCCEEDED, [LAYOUT, epoch])

    async def lift_freeze(self, *, epoch: int) -> Freeze | Unknown:
        """Lift the bucket's freeze, and raise its epoch above `epoch`."""
        reply = await self._run(_UNFREEZE, [LAYOUT, epoch])
        return reply if isinstance(reply, Unknown) else Freeze(*reply[1:])

    async def look(self) -> BucketView | Unknown:
        """The bucket as it stands. Renews the life of its keys."""
        return _view(await self._run(_RECONCILE, [LAYOUT, keys.JOB_TTL_S]))

    async def floor_s(self) -> float:
        """Seconds since 1970 until which no permit is granted, since Redis lost its memory; 0 where there is none.

        Also 0 where it cannot be read: it is only for people, who see by then that Redis is out of reach.
        """
        with suppress(ArtistcrawlError, ValueError):
            floor_us = await self._redis.hget(self._keys[1], "floor_us")
            return int(floor_us or 0) / MICROSECONDS
        return 0.0

    async def apply_row(self, row: BucketRow, *, read_us: int) -> BucketView | Unknown:
        """Bring the ledger's row into the bucket. read_us: Redis's TIME of a look before the row was read."""
        args = [read_us, row.epoch, row.frozen_until_us, *_limits_args(row.limits)]
        return _view(await self._run(_RECONCILE, [LAYOUT, keys.JOB_TTL_S, *args]))

    async def _run(self, script: Script, args: list[Argument]) -> Any:
        reply = await script(self._redis, self._keys, args)
        if reply[0] == "unknown":
            return Unknown(*reply[1:])
        if reply[0] == "layout":
            raise SchemaVersionError(
                f"bucket {self.name} in Redis has layout {reply[1]}, this process works with {LAYOUT}: "
                "update the older of the two, then delete the bucket's keys while nothing crawls"
            )
        return reply


def _limits_args(limits: BucketLimits) -> list[int]:
    return [
        limits.requests,
        round(limits.window_s * MICROSECONDS),
        round(limits.request_timeout_s * MICROSECONDS),
        int(limits.even),
    ]


def _view(reply: Any) -> BucketView | Unknown:
    if isinstance(reply, Unknown):
        return reply
    now_us, epoch, frozen_until_us, configured_us, requests, window_us, timeout_us, even, free = reply[1:]
    limits = BucketLimits(
        requests=requests,
        window_s=window_us / MICROSECONDS,
        request_timeout_s=timeout_us / MICROSECONDS,
        even=bool(even),
    )
    return BucketView(now_us, epoch, frozen_until_us, configured_us, limits, free)
