"""The CrawlJob's status: one word for people, counts from the ledger, times, and what to remember. Pure.

Counts that cannot be read stay as they were written last. An estimate that only wavers is not written anew.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

from crawl_core.job.time_left import estimated_end, percentage, seconds_left
from crawl_core.job.verdicts import Verdict, running_state
from crawl_core.spec.status import Handled, State, Status, WorkerCounts
from crawl_operator.decide import stalls
from crawl_operator.decide.condition_records import ConditionValue, condition_records
from crawl_operator.decide.conditions import condition_values, limited_by
from crawl_operator.decide.misconfiguration import MisconfigurationRetry
from crawl_operator.decide.phase import Phase, PhasedCrawl, frozen_until
from crawl_operator.decide.runs import last_runs
from crawl_operator.decide.workers import pods, ready
from crawl_operator.values import reasons
from crawl_operator.values.instants import instant_of, instant_text
from crawl_operator.values.names import selector_text


def status_of(
    crawl: PhasedCrawl, *, wanted: int | None, retry: MisconfigurationRetry, handled: Handled | None
) -> Status:
    """The whole status, as it is to be written."""
    estimated = estimate(crawl)
    conditions = condition_values(crawl, wanted=wanted, retry=retry, estimated=estimated)
    view, deployment = crawl.observation.crawljob, crawl.deployment
    frozen = instant_of(crawl.stored.frozen_until) if crawl.phase is Phase.OUT_OF_REACH else _frozen_until(crawl)
    start = crawl.started_at
    # Only what differs from nothing: an absent field is absent, not null.
    whole: dict[str, Any] = {
        **_counts(crawl),
        "state": state_of(crawl, conditions["Progressing"], retry=retry),
        "frozen_until": instant_text(frozen) if frozen else None,
        "estimated_completion_time": instant_text(estimated) if estimated else None,
        "time_left": time_left(estimated - crawl.now) if estimated and crawl.phase is Phase.RUNNING else None,
        "start_time": instant_text(start) if start else None,
        "completion_time": instant_text(crawl.finished_at) if crawl.finished_at else None,
        "workers": WorkerCounts(
            desired=(0 if deployment is None else deployment.replicas) if wanted is None else wanted,
            current=pods(crawl),
            ready=ready(crawl),
        ),
        "limited_by": limited_by(crawl, conditions["RateLimited"]),
        "run": crawl.stored.run if crawl.row is None else crawl.row.run,
        "runs": last_runs(crawl),
        **_page_size(crawl),
        "selector": selector_text(view.key.name),
        "handled": handled,
        "attempt": retry.attempt,
        "observed_generation": view.generation,
        "conditions": condition_records(
            conditions, before=crawl.stored.conditions, now=crawl.now, generation=view.generation
        ),
    }  # fmt: skip
    return Status(**{name: value for name, value in whole.items() if value is not None})


def _frozen_until(crawl: PhasedCrawl) -> datetime | None:
    return None if crawl.phase is Phase.FINISHED else frozen_until(crawl.observation)


def _page_size(crawl: PhasedCrawl) -> dict[str, Any]:
    """What the API was found to allow, where the job asks for more, and when it did last."""
    row = crawl.row
    if row is None:
        return {"page_size": crawl.stored.page_size, "page_size_tried_at": crawl.stored.page_size_tried_at}
    if row.page_size is None or row.page_size >= crawl.job.spec.source.page_size:
        return {}
    tried_at = row.page_size_tried_at
    return {"page_size": row.page_size, "page_size_tried_at": instant_text(tried_at) if tried_at else None}


def state_of(crawl: PhasedCrawl, progressing: ConditionValue, *, retry: MisconfigurationRetry) -> State:
    """One word for people."""
    before = crawl.stored.state
    match crawl.phase:
        case Phase.INVALID:
            return "Succeeded" if before == "Succeeded" else "Stalled"
        case Phase.FINISHED:
            # Not before it can be told what was found.
            return before if crawl.is_unread else "Succeeded"
        case Phase.SUSPENDED:
            return "Suspended"
        case Phase.BLOCKED | Phase.MISCONFIGURED:
            return "Stalled"
        case Phase.OUT_OF_REACH:
            return "Pending" if before in ("Suspended", "Succeeded") else before
        case Phase.NEW | Phase.MOVING:
            return "Pending"
        case Phase.FROZEN:
            return "Frozen"
        case _:
            return "Stalled" if retry.single_worker else _running_state(crawl, progressing)


def _running_state(crawl: PhasedCrawl, progressing: ConditionValue) -> State:
    if progressing.reason == reasons.WORKERS_UNAVAILABLE:
        return "Pending" if stalls.is_passing(crawl) else "Stalled"
    if progressing.reason == reasons.NO_WORKERS:
        return "Pending"
    verdict = Verdict(progressing.status, progressing.reason)
    return running_state(verdict, crawl.progress, now=crawl.now, ready=ready(crawl), before=crawl.stored.state)


def _counts(crawl: PhasedCrawl) -> dict[str, Any]:
    """What the ledger counts, else what it counted last."""
    progress, stored = crawl.progress, crawl.stored
    if progress is None:
        names = (
            "progress",
            "covered",
            "total",
            "searches",
            "requests",
            "artists",
            "artists_new",
            "truncated",
            "dead_letters",
            "incomplete",
        )
        quiet = crawl.phase in (Phase.FINISHED, Phase.SUSPENDED)
        return {
            **{name: getattr(stored, name) for name in names},
            "requests_per_minute": 0 if quiet else stored.requests_per_minute,
        }
    return {
        "progress": percentage(covered=progress.covered, total=progress.total, finished=crawl.finished_at is not None),
        "covered": progress.covered,
        "total": progress.total,
        "searches": progress.searches,
        "requests": progress.requests,
        "artists": progress.artists,
        "artists_new": progress.artists_new,
        "truncated": progress.truncated,
        "dead_letters": progress.dead_letters,
        "incomplete": progress.incomplete,
        "requests_per_minute": 0 if crawl.phase is Phase.FINISHED else progress.requests_last_minute,
    }


def estimate(crawl: PhasedCrawl) -> datetime | None:
    """When all is covered if it goes on as it does; None where nothing goes on."""
    before = instant_of(crawl.stored.estimated_completion_time)
    if crawl.phase is Phase.OUT_OF_REACH:
        return before
    left_s = _left_s(crawl)
    if crawl.phase is not Phase.RUNNING or left_s is None:
        return None
    return estimated_end(left_s, now=crawl.now, before=before)


def _left_s(crawl: PhasedCrawl) -> float | None:
    progress, row = crawl.progress, crawl.row
    if progress is None or row is None:
        return None
    age = crawl.now - row.started_at
    return seconds_left(progress, covered_per_s=crawl.observation.memory.covered_per_s, age=age)


def time_left(left: timedelta) -> str:
    """A time to go as a column shows it, such as 57d4h, 3h20m or 40s: coarser where longer, and so rarely written."""
    seconds = max(left.total_seconds(), 0.0)
    if seconds < 60:
        return f"{math.ceil(seconds / 10) * 10}s"
    minutes = math.ceil(seconds / 60)
    if minutes < 60:
        return f"{minutes}m"
    if minutes < 12 * 60:
        hours, rest = divmod(math.ceil(minutes / 10) * 10, 60)
        return f"{hours}h{rest}m" if rest else f"{hours}h"
    days, hours = divmod(math.ceil(minutes / 60), 24)
    return f"{days}d{hours}h" if days and hours else f"{days}d" if days else f"{hours}h"
