"""The frontier: one job's pending ranges and leases, in Redis. Fast, and rebuildable from the ledger at any time.

Nothing here is ever the only copy of anything, so every operation may be lost or repeated. Redis knows ranges by their
ids alone. Each operation is one Lua script; see `lua/frontier_*.lua`.

A lease decides nothing: it only keeps workers from the same work. Who may commit is decided by the range's fence in
the ledger, since a Redis that failed over can hand out a range twice
(test_racing_claimers_never_own_a_range_together).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

from crawl_core.backends import keys
from crawl_core.backends.scripts import Argument, Script
from crawl_core.errors import SchemaVersionError, UnknownJobError
from crawl_core.values.frontier import Empty, FrontierStats, Lease

LAYOUT = "1"
"""Version of the keys' layout. A process that meets another version drains and says so."""

LEASE_TTL_S = 30.0
"""Seconds that a lease lives without renewal: so long a killed worker's range waits, and a paused worker keeps it."""

_SEED = Script("frontier_seed")
_CLAIM = Script("frontier_claim")
_RENEW = Script("frontier_renew")
_COMPLETE = Script("frontier_complete")
_RELEASE = Script("frontier_release")
_STATS = Script("frontier_stats")


class Frontier:
    """The frontier of the job whose CrawlJob has `uid`.

    Every method raises RedisUnavailableError when Redis does not answer and SchemaVersionError when the keys are of
    another version; all but `seed` raise UnknownJobError when Redis does not know the job.
    """

    def __init__(self, redis: Redis, uid: str, *, lease_ttl_s: float = LEASE_TTL_S) -> None:
        self.uid = uid
        self.lease_ttl_s = lease_ttl_s
        self._redis = redis
        self._keys = [keys.job_key(uid, part) for part in ("pending", "leases", "tokens", "meta")]

    async def seed(self, range_ids: Sequence[int], *, epoch: str | None = None) -> tuple[str, int]:
        """Add open ranges; return (epoch, how many were added). Without `epoch` the job is created where missing.

        With `epoch` ranges are added to that frontier alone. A later chunk, or child ranges, pushed into a Redis that
        lost its memory would otherwise pass for the whole frontier
        (test_a_push_into_a_frontier_that_lost_its_memory_is_refused).
        """
        drawn = epoch or secrets.token_hex(8)
        answer = await self._call(_SEED, "0" if epoch else "1", drawn, *range_ids)
        return str(answer[1]), int(answer[2])

    async def claim(self) -> Lease | Empty:
        """Lease the first pending range."""
        token = secrets.token_hex(8)
        answer = await self._call(_CLAIM, self._lease_ttl_us, token)
        if answer[0] == "lease":
            return Lease(range_id=int(answer[1]), token=token, epoch=str(answer[2]))
        next_us = int(answer[1])
        return Empty(next_expiry_s=None if next_us < 0 else next_us / 1e6)

    async def renew(self, leases: Sequence[Lease]) -> list[bool]:
        """Prolong leases by the full TTL; for each, whether it is still held."""
        pairs = [argument for lease in leases for argument in (lease.range_id, lease.token)]
        answer = await self._call(_RENEW, self._lease_ttl_us, *pairs)
        return [bool(int(still_held)) for still_held in answer[1:]]

    async def complete(self, lease: Lease) -> bool:
        """Forget a range that the ledger has done; False where the lease is lost."""
        answer = await self._call(_COMPLETE, lease.range_id, lease.token)
        return bool(int(answer[1]))

    async def release(self, lease: Lease) -> bool:
        """Give a range back, for anybody to claim at once; False where the lease is lost."""
        answer = await self._call(_RELEASE, lease.range_id, lease.token)
        return bool(int(answer[1]))

    async def stats(self) -> FrontierStats:
        """Count what is pending and leased."""
        _, epoch, *counts = await self._call(_STATS)
        pending, leased, overdue, completed, expired = map(int, counts)
        return FrontierStats(
            epoch=str(epoch), pending=pending, leased=leased, overdue=overdue, completed=completed, expired=expired
        )

    @property
    def _lease_ttl_us(self) -> int:
        return int(self.lease_ttl_s * 1e6)

    async def _call(self, script: Script, *args: Argument) -> Any:
        answer = await script(self._redis, self._keys, [keys.JOB_TTL_S, LAYOUT, *args])
        if answer[0] == "unknown":
            raise UnknownJobError(f"the frontier does not know job {self.uid}: it must be seeded (again)")
        if answer[0] == "layout":
            raise SchemaVersionError(
                f"the frontier of job {self.uid} has layout {answer[1]}, this process works with {LAYOUT}: "
                "run workers and operator of one release"
            )
        return answer
