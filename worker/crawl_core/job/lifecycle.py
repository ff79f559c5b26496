"""What happens to a job around its crawling: recorded, seeded, seeded again, released, finished.

The operator and the local run both do this. Processes are theirs to start and stop.
"""

from __future__ import annotations

import logging

from crawl_core.errors import UnknownJobError
from crawl_core.frontier.frontier import Frontier
from crawl_core.job.bucket_name import bucket_of, bucket_scope_of
from crawl_core.ledger import jobs, ranges
from crawl_core.ledger.ledger import Ledger
from crawl_core.logs import fields
from crawl_core.spec import CrawlJob
from crawl_core.values.jobs import JobRow

log = logging.getLogger(__name__)

SEED_CHUNK = 1_000
"""Ranges that one call carries: a few milliseconds of Redis's time."""

SEED_ATTEMPTS = 3
"""Times that `reseed` begins anew where Redis forgets the job while it is seeded."""


async def prepare(ledger: Ledger, job: CrawlJob, *, uid: str, client_id: str) -> JobRow:
    """Record the job and all its ranges, or go on with the job of this name. Raises NameTakenError."""
    bucket = bucket_of(job, client_id=client_id)
    return await jobs.record(ledger, job, uid=uid, bucket=bucket, bucket_scope=bucket_scope_of(job))


async def reseed(ledger: Ledger, frontier: Frontier, job: JobRow, *, force: bool = False) -> int:
    """Add the ranges that the ledger has open and the frontier has neither pending nor leased; return how many.

    Cheap where nothing is missing: then two counts are compared. With `force` it looks even where they agree; callers
    do so every schedule.RESEED_INTERVAL_S. A finished or deleted job is never seeded.
    """
    if job.deleted_at is not None or job.finished_at is not None:
        return 0
    if not force and not await _lacks_ranges(ledger, frontier, job):
        return 0
    for attempt in range(SEED_ATTEMPTS):
        try:
            return await _seed(ledger, frontier, job)
        except UnknownJobError:
            # Redis forgot the job between two chunks, so the first chunks are gone, too: begin with the first one.
            if attempt == SEED_ATTEMPTS - 1:
                raise
    return 0


async def _seed(ledger: Ledger, frontier: Frontier, job: JobRow) -> int:
    added, after, epoch = 0, 0, None
    # The first chunk creates the job's epoch. Later ones carry it and are refused by a Redis that forgot it: a job with
    # a marker and half of its ranges would look seeded.
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


async def release(ledger: Ledger, frontier: Frontier, job: JobRow, *, alone: bool = False) -> bool:
    """Let the job's limits bind nobody any more, once its workers have ended; False where one may still send.

    First nothing can be claimed any more, then it is seen that nothing is leased: a worker that claims in between is
    either seen, or binds the job again. `alone`: all who ever knew this frontier have ended, whatever they left leased.
    """
    await jobs.close(ledger, job.id)
    if not alone and await _may_send(frontier):
        return False
    released = await jobs.release(ledger, job.id)
    if released:
        log.info("the job's limits bind nobody any more", extra=fields("job.released"))
    return released


async def _may_send(frontier: Frontier) -> bool:
    try:
        stats = await frontier.stats()
    except UnknownJobError:
        return True  # Redis lost its memory, and with it who holds what
    return stats.leased > stats.overdue


async def settle(ledger: Ledger, job: JobRow) -> bool:
    """Declare the job finished where one statement on the ledger finds it so; True where it is finished."""
    return await jobs.finish(ledger, job.id)
