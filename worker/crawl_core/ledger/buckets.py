"""The ledger's bucket rows: what outlives Redis's memory of a rate limit.

It refuses to be a limiter: nothing here counts requests.
"""

from __future__ import annotations

from crawl_core.errors import ConfigurationError
from crawl_core.ledger.ledger import Ledger
from crawl_core.values.limits import BucketLimits, BucketRow


class BucketRows:
    """Bucket rows as the limiter wants them: its `BucketLedger`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def ensure(self, name: str) -> tuple[BucketRow, bool]:
        """The row, inserted where it was missing. True: this call inserted it, so nobody ever had a permit."""
        inserted = await self._ledger.row("buckets.insert", {"name": name}, into=_bucket)
        if inserted is not None:
            return inserted, True
        return await self._read(name), False

    async def merge_freeze(self, name: str, *, epoch: int, frozen_until_us: int) -> BucketRow:
        """Merge a freeze into the row: the higher epoch wins, on a tie the later instant. The merged row.

        Its limits are the strictest of the jobs that are unfinished now; the last ones when there is none.
        """
        arguments = {"name": name, "epoch": epoch, "frozen_until_us": frozen_until_us}
        await self._ledger.run("buckets.merge_freeze", arguments)
        if await self._ledger.row("buckets.read", {"name": name}, into=_bucket) is None:
            # The ledger is another one, or older, than the Redis that knows the bucket.
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


async def stricter_job(ledger: Ledger, job_id: int) -> str | None:
    """The unfinished job, as NAMESPACE/NAME, that holds a job's bucket to less than the job itself would; or None."""
    full_name: str | None = await ledger.value("buckets.stricter_job", {"job_id": job_id})
    return full_name


def _bucket(
    *, name: str, requests: int, window_s: float, timeout_s: float, even: bool, epoch: int, frozen_until_us: int
) -> BucketRow:
    limits = BucketLimits(requests=requests, window_s=window_s, request_timeout_s=timeout_s, even=even)
    return BucketRow(name=name, limits=limits, frozen_until_us=frozen_until_us, epoch=epoch)
