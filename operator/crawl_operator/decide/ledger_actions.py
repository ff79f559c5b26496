"""The job in the ledger and its frontier in Redis: recorded, seeded, seeded again, settled, released, begun again.
Pure.

A job that finished once and is gone from the ledger is not recorded again; see `_finished_at` in `phase`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from crawl_core.job.bucket_name import bucket_of
from crawl_core.job.runs import to_begin
from crawl_core.job.schedule import RESEED_INTERVAL_S
from crawl_core.values.jobs import JobRow, as_recorded
from crawl_operator.decide.phase import Phase, PhasedCrawl, is_draining, is_moving
from crawl_operator.values.model import Action, BeginRun, RecordJob, ReleaseJob, SeedFrontier, SettleJob


def actions(crawl: PhasedCrawl) -> tuple[Action, ...]:
    """What the ledger and the frontier lack."""
    if crawl.phase is Phase.INVALID or crawl.trouble is not None or is_moving(crawl.observation):
        return ()
    row = crawl.row
    if row is None:
        return () if crawl.phase is Phase.FINISHED else (RecordJob(), SeedFrontier(force=False))
    record: tuple[Action, ...] = (RecordJob(),) if _differs(crawl, row) else ()
    if row.finished_at is not None:
        number = to_begin(crawl.job.spec, row)
        return record if number is None else (*record, BeginRun(row.id, number))
    return record + _settle(crawl) + _seed(crawl) + _release(crawl, row)


def _differs(crawl: PhasedCrawl, row: JobRow) -> bool:
    """Whether the row says something else than the CrawlJob."""
    bucket = bucket_of(crawl.job, client_id=crawl.observation.client_id)
    return (row.uid, row.spec, row.bucket) != (crawl.observation.crawljob.uid, as_recorded(crawl.job.spec), bucket)


def _settle(crawl: PhasedCrawl) -> tuple[Action, ...]:
    progress = crawl.progress
    done = progress is not None and progress.open_ranges == 0 and progress.covered == progress.total
    return (SettleJob(),) if done else ()


def _release(crawl: PhasedCrawl, row: JobRow) -> tuple[Action, ...]:
    """Once its workers have ended, a suspended job's limits bind nobody. Recording it again lets them bind."""
    pods = 0 if crawl.deployment is None else crawl.deployment.pods
    rests = crawl.phase is Phase.SUSPENDED and row.released_at is None and not pods and not is_draining(crawl)
    return (ReleaseJob(),) if rests and not _differs(crawl, row) else ()


def _seed(crawl: PhasedCrawl) -> tuple[Action, ...]:
    if lacks_ranges(crawl):
        return (SeedFrontier(force=False),)
    return (SeedFrontier(force=True),) if _due(crawl.observation.memory.seeded_at, crawl.now) else ()


def lacks_ranges(crawl: PhasedCrawl) -> bool:
    """Whether the frontier is seen to lack what the ledger has open."""
    frontier = crawl.observation.frontier
    return crawl.observation.open_missing or (frontier is not None and not frontier.known)


def _due(seeded_at: datetime | None, now: datetime) -> bool:
    return seeded_at is None or now - seeded_at >= timedelta(seconds=RESEED_INTERVAL_S)
