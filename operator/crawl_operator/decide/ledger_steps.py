"""The job in the ledger and its frontier in Redis: recorded, seeded, seeded again, settled. Pure.

It refuses to record a job that was done once and is gone from the ledger; see `case`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from crawl_core.job.bucket_name import bucket_of
from crawl_core.job.schedule import RESEED_INTERVAL_S
from crawl_core.values.jobs import JobRow, as_recorded
from crawl_operator.decide.phase import Case, Phase, is_moving
from crawl_operator.values.model import RecordJob, SeedFrontier, SettleJob, Step


def steps(case: Case) -> tuple[Step, ...]:
    """What the ledger and the frontier lack."""
    if case.phase is Phase.INVALID or case.trouble is not None or is_moving(case.seen):
        return ()
    row = case.row
    if row is None:
        return () if case.phase is Phase.FINISHED else (RecordJob(), SeedFrontier(force=False))
    found: tuple[Step, ...] = (RecordJob(),) if _differs(case, row) else ()
    if row.finished_at is not None:
        return found
    return found + _settle(case) + _seed(case)


def _differs(case: Case, row: JobRow) -> bool:
    """Whether the row says something else than the CrawlJob."""
    bucket = bucket_of(case.job, client_id=case.seen.client_id)
    return (row.uid, row.spec, row.bucket) != (case.seen.crawljob.uid, as_recorded(case.job.spec), bucket)


def _settle(case: Case) -> tuple[Step, ...]:
    progress = case.progress
    done = progress is not None and progress.open_ranges == 0 and progress.covered == progress.total
    return (SettleJob(),) if done else ()


def _seed(case: Case) -> tuple[Step, ...]:
    if lacks_ranges(case):
        return (SeedFrontier(force=False),)
    return (SeedFrontier(force=True),) if _due(case.seen.memory.seeded_at, case.seen.now) else ()


def lacks_ranges(case: Case) -> bool:
    """Whether the frontier is seen to lack what the ledger has open."""
    frontier = case.seen.frontier
    return case.seen.open_missing or (frontier is not None and not frontier.known)


def _due(seeded_at: datetime | None, now: datetime) -> bool:
    return seeded_at is None or now - seeded_at >= timedelta(seconds=RESEED_INTERVAL_S)
