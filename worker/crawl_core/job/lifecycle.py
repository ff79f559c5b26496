"""What happens to a job around its crawling: recorded, seeded, seeded again, finished.

The operator and the local run both do this, so it lives here once. It refuses to start or stop processes.
"""

from __future__ import annotations

import logging

from crawl_core.backends import keys
from crawl_core.errors import UnknownJobError
from crawl_core.frontier import Frontier
from crawl_core.ledger import JobRow, Ledger, jobs, ranges
from crawl_core.logs import fields
from crawl_core.spec import CrawlJob

log = logging.getLogger(__name__)

SEED_CHUNK = 1_000
"""Ranges a seeding call carries: a few milliseconds of Redis's time."""

SEED_ATTEMPTS = 3
"""Times a seeding begins in one call, where Redis forgets the job while it is seeded."""

RESEED_INTERVAL_S = 60.0
"""Seconds after which a seeding runs even where the counts agree: counts can agree by accident."""


def bucket_of(job: CrawlJob, *, client_id: str) -> str | None:
    """The name of the bucket that the job's requests count against; None where each node has its own."""
    limit = job.spec.rate_limit
    if limit.bucket_name:
        return limit.bucket_name
    match limit.bucket:
        case "Credential":
            return keys.credential_bucket(client_id)
        case "Job":
            return keys.job_bucket(job.metadata.namespace, job.metadata.name)
        case _:
            return None


async def prepare(ledger: Ledger, job: CrawlJob, *, uid: str, client_id: str) -> JobRow:
    """Record the job and all its ranges, or go on with the job of this name. Raises NameTakenError."""
    scope = "Named" if job.spec.rate_limit.bucket_name else str(job.spec.rate_limit.bucket)
    return await jobs.record(ledger, job, uid=uid, bucket=bucket_of(job, client_id=client_id), bucket_scope=scope)


async def reseed(ledger: Ledger, frontier: Frontier, job: JobRow, *, force: bool = False) -> int:
    """Add the ranges that the ledger has open and the frontier has neither pending nor leased; return how many.

    Cheap where nothing is missing. With `force` it looks even where the counts agree, for instance every
    RESEED_INTERVAL_S. A finished or deleted job is never seeded.
    """
    if job.deleted_at is not None or job.finished_at is not None:
        return 0
    if not force and not await _lacks_ranges(ledger, frontier, job):
        return 0
    for attempt in range(SEED_ATTEMPTS):
        try:
            return await _seed(ledger, frontier, job)
        except UnknownJobError:
            # Redis forgot the job between two chunks, so the first ones are gone, too.
            if attempt == SEED_ATTEMPTS - 1:
                raise
    return 0


async def _seed(ledger: Ledger, frontier: Frontier, job: JobRow) -> int:
    added, after, epoch = 0, 0, None
    while True:
        chunk = await ranges.open_ids(ledger, job.id, after=after, limit=SEED_CHUNK)
        if not chunk and epoch is not None:
            break
        epoch, count = await frontier.seed(chunk, epoch=epoch)
        added += count
        if len(chunk) < SEED_CHUNK:
            break
        after = chunk[-1]
    if added:
        log.info("frontier seeded", extra=fields("frontier.seeded", ranges=added, epoch=epoch))
    return added


async def _lacks_ranges(ledger: Ledger, frontier: Frontier, job: JobRow) -> bool:
    try:
        stats = await frontier.stats()
    except UnknownJobError:
        return True
    return await ranges.count_open(ledger, job.id) > stats.pending + stats.leased


async def settle(ledger: Ledger, job: JobRow) -> bool:
    """Declare the job finished where one statement on the ledger finds it so; True where it is finished."""
    return await jobs.finish(ledger, job.id)
