"""One look of a local run at its job: what the operator sees of a CrawlJob, but for what only a cluster has."""

from __future__ import annotations

from datetime import UTC, datetime

from crawl_core.clock import Clock
from crawl_core.errors import ConfigurationError, RedisUnavailableError
from crawl_core.job.look import BucketLook, counted, frontier_view, with_binders
from crawl_core.ledger import jobs
from crawl_core.limiter.bucket import Bucket
from crawl_core.values.capacity import limits_of
from crawl_core.values.jobs import JobRow
from crawl_worker.local.job_look import JobLook
from crawl_worker.local.opened import Opened


async def look_at(opened: Opened, bucket: BucketLook, *, clock: Clock) -> JobLook:
    """Look. Raises LedgerUnavailableError, and ConfigurationError where somebody has deleted the job."""
    row = await jobs.get(opened.ledger, opened.row.id)
    if row is None or row.deleted_at is not None:
        raise _deleted(opened.row)
    frontier = bucket_status = redis_error = None
    floor_s = 0.0
    try:
        frontier = await frontier_view(opened.redis, row.uid)
        bucket_status = await with_binders(
            await bucket.status(opened.ledger), opened.ledger, job_id=row.id, own=limits_of(row.crawl_job.spec)
        )
        floor_s = await Bucket(opened.redis, opened.bucket).floor_s()
    except RedisUnavailableError as error:
        # The ledger's counts are true all the same, and may say that all is done.
        redis_error = error
    try:
        progress, _ = await counted(opened.ledger, row.id, frontier=frontier)
    except KeyError:
        raise _deleted(row) from None
    now = datetime.fromtimestamp(clock.time(), UTC)
    return JobLook(now, row, progress, frontier, bucket_status, floor_s, redis_error)


def _deleted(row: JobRow) -> ConfigurationError:
    return ConfigurationError(f"job {row.namespace}/{row.name} was deleted while it ran; run it again to begin anew")
