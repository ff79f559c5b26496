"""When a worker is tried again after a configuration error. Pure.

A worker that cannot work as configured notes so in the ledger and exits 78. All are then taken away; one is tried when
a Secret or the spec changed, and every RETRY_EVERY, since what was wrong may stand outside the cluster. Until it
commits something, it stays alone: whether a change was a remedy shows by a commit, and by nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from crawl_core.spec.status import Attempt
from crawl_operator.decide.digests import inputs_digest
from crawl_operator.decide.phase import Phase, PhasedCrawl
from crawl_operator.values.instants import instant_of, instant_text

RETRY_EVERY = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class MisconfigurationRetry:
    """What follows for the workers: none, one, or as many as useful."""

    attempt: Attempt | None = None
    """To be remembered: the last one, until one succeeded."""
    begins: bool = False
    """One worker is tried now: what was noted is forgotten."""
    single_worker: bool = False
    """At most one worker."""
    next_attempt_s: float | None = None
    """Seconds until the next one."""


def misconfiguration_retry(crawl: PhasedCrawl) -> MisconfigurationRetry:
    """Where the job stands between two tries."""
    if crawl.phase in (Phase.FINISHED, Phase.NEW):
        return MisconfigurationRetry()
    last = crawl.stored.attempt
    if crawl.phase is Phase.INVALID:
        return MisconfigurationRetry(attempt=last)
    if crawl.phase is not Phase.MISCONFIGURED:
        if last is None or _committed_since(crawl, last):
            return MisconfigurationRetry()
        return MisconfigurationRetry(attempt=last, single_worker=True)
    now, inputs = crawl.now, inputs_digest(crawl.observation)
    if last is None:
        noted_at = crawl.row.problem_at if crawl.row is not None else None
        last = Attempt(at=instant_text(noted_at or now), inputs=inputs)
    tried_at = instant_of(last.at) or now
    left_s = (tried_at + RETRY_EVERY - now).total_seconds()
    if inputs != last.inputs or left_s <= 0:
        this = Attempt(at=instant_text(now), inputs=inputs)
        return MisconfigurationRetry(attempt=this, begins=True, single_worker=True)
    return MisconfigurationRetry(attempt=last, single_worker=True, next_attempt_s=left_s)


def _committed_since(crawl: PhasedCrawl, last: Attempt) -> bool:
    tried_at = instant_of(last.at)
    committed_at = None if crawl.progress is None else crawl.progress.last_commit_at
    return tried_at is None or (committed_at is not None and committed_at > tried_at)
