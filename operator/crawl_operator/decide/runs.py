"""What the status says of a job's last runs. Pure.

The current run stands there with the counts of the status' other fields, so that it costs no write of its own.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from crawl_core.spec.status import RUNS_KEPT, RunRecord
from crawl_core.values.runs import RunRow
from crawl_operator.decide.phase import PhasedCrawl
from crawl_operator.values.instants import instant_text


def last_runs(crawl: PhasedCrawl) -> tuple[RunRecord, ...]:
    """The last runs, the latest first; as they were written last where they cannot be read."""
    ended = crawl.observation.ended_runs
    if crawl.row is None or ended is None:
        return crawl.stored.runs
    before = tuple(_record(run) for run in ended)
    if before and before[0].number == crawl.row.run:
        return before[:RUNS_KEPT]
    return (*_current(crawl), *before)[:RUNS_KEPT]


def uncompared(crawl: PhasedCrawl) -> frozenset[int]:
    """Numbers of runs that have ended and are about to be compared with each other: see `act.upkeep`."""
    ended = crawl.observation.ended_runs or ()
    pairs = [pair for pair in pairwise(ended) if pair[0].added is None]
    return frozenset(run.number for pair in pairs if not any(each.data_deleted_at for each in pair) for run in pair)


def _current(crawl: PhasedCrawl) -> tuple[RunRecord, ...]:
    row, counts = crawl.row, crawl.progress
    if row is None or counts is None:
        return ()
    return (
        RunRecord(
            number=row.run,
            start_time=instant_text(row.started_at),
            requests=counts.requests,
            artists=counts.artists,
        ),
    )


def _record(run: RunRow) -> RunRecord:
    known: dict[str, Any] = {
        "completion_time": None if run.finished_at is None else instant_text(run.finished_at),
        "new": run.added,
        "gone": run.gone,
        "data_deletion_time": None if run.data_deleted_at is None else instant_text(run.data_deleted_at),
    }
    return RunRecord(
        number=run.number,
        start_time=instant_text(run.started_at),
        requests=run.requests,
        artists=run.artists,
        **{name: value for name, value in known.items() if value is not None},
    )
