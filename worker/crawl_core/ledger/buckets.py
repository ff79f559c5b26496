"""The ledger's bucket rows: the limits and freezes of buckets, which outlive Redis's memory.

Requests are counted in Redis alone.
"""

from __future__ import annotations

from crawl_core.errors import ConfigurationError
from crawl_core.ledger.ledger import Ledger
from crawl_core.values.limits import Binder, BucketLimits, BucketRow


class BucketRows:
    """The rows as the limiter asks for them: a `BucketLedger`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def ensure(self, name: str) -> tuple[BucketRow, bool]:
        """(the row, whether this call inserted it). Who inserted it knows that nobody ever had a permit of it.

        Raises ConfigurationError where no job uses such a bucket.
        """
        inserted = await self._ledger.row("buckets.insert", {"name": name}, into=_bucket)
        if inserted is not None:
            return inserted, True
        return await self._read(name), False

    async def merge_freeze(self, name: str, *, epoch: int, frozen_until_us: int) -> BucketRow:
        """Merge a freeze into the row: the higher epoch wins, on a tie the later end. Returns the merged row.

        Its limits are the strictest of the jobs that bind it now; where there is none, the last ones.
        """
        arguments = {"name": name, "epoch": epoch, "frozen_until_us": frozen_until_us}
        await self._ledger.run("buckets.merge_freeze", arguments)
        if await self._ledger.row("buckets.read", {"name": name}, into=_bucket) is None:
            # This Redis knows the bucket from another ledger, or from before a restore of this one.
            await self.ensure(name)
            await self._ledger.run("buckets.merge_freeze", arguments)
        return await self._read(name)

    async def _read(self, name: str) -> BucketRow:
        row = await self._ledger.row("buckets.read", {"name": name}, into=_bucket)
        if row is None:
            raise ConfigurationError(
                f"the ledger knows no bucket {name!r} and no job that uses one: apply a CrawlJob first"
            )
        return row


async def all(ledger: Ledger) -> list[BucketRow]:
    """All buckets, by name."""
    return await ledger.rows("buckets.all", into=_bucket)


async def binders(ledger: Ledger, job_id: int) -> tuple[Binder, ...]:
    """The other jobs whose limits count on a job's bucket now, the strictest first."""
    return tuple(await ledger.rows("buckets.binders", {"job_id": job_id}, into=Binder))


def _bucket(
    *,
    name: str,
    requests: int,
    window_s: float,
    timeout_s: float,
    even: bool,
    epoch: int,
    frozen_until_us: int,
    longest_timeout_s: float,
) -> BucketRow:
    limits = BucketLimits(requests=requests, window_s=window_s, request_timeout_s=timeout_s, even=even)
    return BucketRow(
        name=name,
        limits=limits,
        frozen_until_us=frozen_until_us,
        epoch=epoch,
        longest_timeout_s=longest_timeout_s,
    )
