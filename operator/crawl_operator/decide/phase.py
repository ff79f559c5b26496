"""Which case a CrawlJob is: the one decision that all others follow from. Pure.

It refuses to say what is done about it: `workers`, `recording`, `aspects` and `notes` each do for their part.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from crawl_core.job.verdicts import misconfigured
from crawl_core.spec import CrawlJob
from crawl_core.spec.status import Status
from crawl_core.values.jobs import JobRow
from crawl_core.values.progress import Progress
from crawl_operator.decide.condition_records import condition
from crawl_operator.values import reasons
from crawl_operator.values.instants import instant_of
from crawl_operator.values.model import Observation, Trouble, WorkerSettings


class Phase(StrEnum):
    """What governs a CrawlJob now. The first that applies."""

    INVALID = "invalid"
    """Its spec cannot be understood."""
    FINISHED = "finished"
    SUSPENDED = "suspended"
    MOVING = "moving"
    """Its backends are elsewhere by now, and workers of the former ones are not all gone."""
    BLOCKED = "blocked"
    """A person must act before the ledger and the frontier can be used."""
    OUT_OF_REACH = "out of reach"
    """A backend does not answer. Nothing is known, so nothing is changed."""
    NEW = "new"
    """The ledger does not know it."""
    MISCONFIGURED = "misconfigured"
    FROZEN = "frozen"
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class Case:
    """What is seen, what was written last, and which case that makes."""

    seen: Observation
    old: Status
    phase: Phase
    trouble: Trouble | None
    """What keeps us from recording and seeding, if anything does."""
    row: JobRow | None
    """The job in the ledger, where it is this one's."""
    finished_at: datetime | None

    @property
    def job(self) -> CrawlJob:
        """The CrawlJob. Misuse in phase INVALID is loud."""
        if self.seen.crawljob.job is None:
            raise ValueError(f"CrawlJob {self.seen.crawljob.key} has no valid spec")
        return self.seen.crawljob.job

    @property
    def progress(self) -> Progress | None:
        """The ledger's counts, where the job in it is this one's."""
        return None if self.row is None else self.seen.progress

    @property
    def is_unread(self) -> bool:
        """Whether the ledger has the job, and its counts could not be read."""
        return self.row is not None and self.seen.progress is None


def judge(seen: Observation, *, old: Status, settings: WorkerSettings) -> Case:
    """Which case it is."""
    trouble = seen.trouble or _sandbox_missing(seen, settings)
    # The job that has our name is somebody else's: its progress is not ours, and its end neither.
    taken = trouble is not None and trouble.reason == reasons.NAME_TAKEN
    row = None if taken else seen.row
    finished_at = _finished_at(row, old)
    phase = _phase(seen, trouble=trouble, row=row, finished=finished_at is not None)
    return Case(seen=seen, old=old, phase=phase, trouble=trouble, row=row, finished_at=finished_at)


def _phase(seen: Observation, *, trouble: Trouble | None, row: JobRow | None, finished: bool) -> Phase:
    job = seen.crawljob.job
    if job is None:
        return Phase.INVALID
    if finished:
        return Phase.FINISHED
    if job.spec.suspend:
        return Phase.SUSPENDED
    if is_moving(seen):
        return Phase.MOVING
    if trouble is not None:
        return Phase.BLOCKED if trouble.permanent else Phase.OUT_OF_REACH
    if row is None:
        return Phase.NEW
    ready = 0 if seen.deployment is None else seen.deployment.ready
    if misconfigured(row, seen.progress, now=seen.now, ready=ready):
        return Phase.MISCONFIGURED
    if frozen_until(seen) is not None:
        return Phase.FROZEN
    return Phase.RUNNING


def is_moving(seen: Observation) -> bool:
    """Whether workers may be there that know other backends than the Secret names now.

    Until they are gone nothing begins at the new ones: two Redis would be two limits.
    """
    there = seen.deployment
    ours = there is not None and there.owner_uid in ("", seen.crawljob.uid)
    return ours and there is not None and bool(there.backends and seen.backends) and there.backends != seen.backends


def frozen_until(seen: Observation) -> datetime | None:
    """When the bucket's freeze ends; None where it is not frozen now."""
    until = None if seen.bucket is None else seen.bucket.frozen_until
    return until if until is not None and until > seen.now else None


def _finished_at(row: JobRow | None, old: Status) -> datetime | None:
    """When the job finished, by the ledger, else by what was written of it.

    A finished job without a record stays finished: crawling it again, because somebody deleted its record or restored
    an older ledger, could spend weeks of the budget that nobody asked for.
    """
    if row is not None:
        return row.finished_at
    succeeded = condition(old.conditions, "Succeeded")
    if succeeded is None or succeeded.status != "True":
        return None
    return instant_of(old.completion_time) or instant_of(succeeded.last_transition_time)


def _sandbox_missing(seen: Observation, settings: WorkerSettings) -> Trouble | None:
    job = seen.crawljob.job
    if job is None or job.spec.source.type != "Sandbox" or job.spec.source.base_url or settings.sandbox_url:
        return None
    return Trouble(
        reason=reasons.SANDBOX_MISSING,
        message=(
            "The source is the sandbox, and there is none in this cluster. Install one, with the release, chart and "
            "namespace of the operator: helm upgrade RELEASE CHART -n NAMESPACE --reset-then-reuse-values --set "
            "sandbox.enabled=true; or write its address into a new CrawlJob's spec.source.baseURL."
        ),
        permanent=True,
    )
