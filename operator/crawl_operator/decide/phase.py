"""Which phase a CrawlJob is in: the one decision that all others follow from. Pure.

What follows from it stands in `ledger_actions`, `workers`, `conditions`, `status` and `events`, each for its part.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from crawl_core.job import deadline
from crawl_core.job.verdicts import misconfigured
from crawl_core.spec import CrawlJob
from crawl_core.spec.status import Status
from crawl_core.values.jobs import JobRow
from crawl_core.values.progress import Progress
from crawl_operator.decide.condition_records import condition
from crawl_operator.values import reasons
from crawl_operator.values.instants import instant_of
from crawl_operator.values.model import DeploymentView, Key, Observation, Trouble, WorkerSettings


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
class PhasedCrawl:
    """What is seen, what was written last, and which case that makes."""

    observation: Observation
    stored: Status
    phase: Phase
    trouble: Trouble | None
    """What keeps us from recording and seeding, if anything does."""
    row: JobRow | None
    """The job in the ledger, where it is this one's."""
    finished_at: datetime | None
    started_at: datetime | None
    """When the ledger recorded the run."""

    @property
    def job(self) -> CrawlJob:
        """The CrawlJob. Misuse in phase INVALID is loud."""
        if self.observation.crawljob.job is None:
            raise ValueError(f"CrawlJob {self.observation.crawljob.key} has no valid spec")
        return self.observation.crawljob.job

    @property
    def key(self) -> Key:
        """The CrawlJob's name in the cluster."""
        return self.observation.crawljob.key

    @property
    def now(self) -> datetime:
        """The time of the look."""
        return self.observation.now

    @property
    def deployment(self) -> DeploymentView | None:
        """The workers' Deployment, whoever owns it."""
        return self.observation.deployment

    @property
    def progress(self) -> Progress | None:
        """The ledger's counts, where the job in it is this one's."""
        return None if self.row is None else self.observation.progress

    @property
    def is_past_deadline(self) -> bool:
        """Whether it is the deadline that suspends it."""
        is_covered = _is_covered(self.observation, row=self.row, stored=self.stored)
        return deadline.passed(self.job.spec, started_at=self.started_at, now=self.now, is_covered=is_covered)

    @property
    def is_later_run(self) -> bool:
        """Whether a later run than the status speaks of is the current one, or is recorded now."""
        if self.finished_at is not None or self.stored.run is None or self.observation.crawljob.job is None:
            return False
        return ((self.job.spec.run or 0) if self.row is None else self.row.run) > self.stored.run

    @property
    def begins_run(self) -> bool:
        """Whether the current run has ended and a later one is wanted."""
        return self.finished_at is not None and (self.job.spec.run or 0) > self.current_run

    @property
    def current_run(self) -> int:
        """The number of the current run, as far as is known."""
        return self.row.run if self.row is not None else self.stored.run or 1

    @property
    def is_unread(self) -> bool:
        """Whether the ledger has the job, and its counts could not be read."""
        return self.row is not None and self.observation.progress is None


def with_phase(observation: Observation, *, stored: Status, settings: WorkerSettings) -> PhasedCrawl:
    """Which case it is."""
    trouble = observation.trouble or _sandbox_missing(observation, settings)
    # The job that has our name is somebody else's: its progress is not ours, and its end neither.
    taken = trouble is not None and trouble.reason == reasons.NAME_TAKEN
    row = None if taken else observation.row
    asked_again = trouble is None and _asked_again(observation.crawljob.job, stored)
    finished_at = _finished_at(row, stored, asked_again=asked_again)
    started_at = row.started_at if row is not None else instant_of(stored.start_time)
    phase = _phase(
        observation,
        trouble=trouble,
        row=row,
        finished=finished_at is not None,
        started_at=started_at,
        is_covered=_is_covered(observation, row=row, stored=stored),
    )
    return PhasedCrawl(
        observation=observation,
        stored=stored,
        phase=phase,
        trouble=trouble,
        row=row,
        finished_at=finished_at,
        started_at=started_at,
    )


def _phase(
    observation: Observation,
    *,
    trouble: Trouble | None,
    row: JobRow | None,
    finished: bool,
    started_at: datetime | None,
    is_covered: bool,
) -> Phase:
    job = observation.crawljob.job
    if job is None:
        return Phase.INVALID
    if finished:
        return Phase.FINISHED
    if deadline.rests(job.spec, started_at=started_at, now=observation.now, is_covered=is_covered):
        return Phase.SUSPENDED
    if is_moving(observation):
        return Phase.MOVING
    if trouble is not None:
        return Phase.BLOCKED if trouble.permanent else Phase.OUT_OF_REACH
    if row is None:
        return Phase.NEW
    ready = 0 if observation.deployment is None else observation.deployment.ready
    if misconfigured(row, observation.progress, now=observation.now, ready=ready):
        return Phase.MISCONFIGURED
    if frozen_until(observation) is not None:
        return Phase.FROZEN
    return Phase.RUNNING


def _is_covered(observation: Observation, *, row: JobRow | None, stored: Status) -> bool:
    """Whether all is covered, by the ledger, else by what was written of the run."""
    if row is not None and observation.progress is not None:
        return observation.progress.is_covered
    of_this_run = row is None or row.run == stored.run
    return of_this_run and 0 < stored.total <= stored.covered


def is_moving(observation: Observation) -> bool:
    """Whether workers may be there that know other backends than the Secret names now.

    Until they are gone nothing begins at the new ones: two Redis would be two limits.
    """
    deployment = observation.deployment
    if deployment is None or deployment.owner_uid not in ("", observation.crawljob.uid):
        return False
    return bool(deployment.backends and observation.backends) and deployment.backends != observation.backends


def is_draining(crawl: PhasedCrawl) -> bool:
    """Whether workers may have requests under way. A pod that ends is not counted as ready, but has its leases."""
    deployment, frontier = crawl.deployment, crawl.observation.frontier
    leased = 0 if frontier is None else frontier.leased - frontier.overdue
    # Where the backends moved, the former leases cannot be seen; what is left of the Deployment can.
    some = deployment is not None and (deployment.replicas > 0 or deployment.ready > 0 or is_moving(crawl.observation))
    return leased > 0 or some


def frozen_until(observation: Observation) -> datetime | None:
    """When the bucket's freeze ends; None where it is not frozen now."""
    until = None if observation.bucket is None else observation.bucket.frozen_until
    return until if until is not None and until > observation.now else None


def _finished_at(row: JobRow | None, stored: Status, *, asked_again: bool) -> datetime | None:
    """When the job finished, by the ledger, else by what was written of it.

    A finished job without a record stays finished: crawling it again, because somebody deleted its record or restored
    an older ledger, could spend weeks of the budget that nobody asked for. A later run is asked for.
    """
    if row is not None:
        return row.finished_at
    if asked_again:
        return None
    succeeded = condition(stored.conditions, "Succeeded")
    if succeeded is None or succeeded.status != "True":
        return None
    return instant_of(stored.completion_time) or instant_of(succeeded.last_transition_time)


def _asked_again(job: CrawlJob | None, stored: Status) -> bool:
    """Whether a later run is wanted than the one that the status speaks of."""
    return job is not None and (job.spec.run or 0) > (stored.run or 1)


def _sandbox_missing(observation: Observation, settings: WorkerSettings) -> Trouble | None:
    job = observation.crawljob.job
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
