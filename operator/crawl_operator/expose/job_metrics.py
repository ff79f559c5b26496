"""The metrics of a CrawlJob, from one look at it and the status that follows. Pure, but for keeping the newest.

A number that could not be read this time is left out, not repeated. So is one that nobody looks at: a paused CrawlJob
shows its state and conditions alone, and one that is being deleted shows nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from crawl_core.job.bucket_name import bucket_of
from crawl_core.job.figures import bucket_figures, frontier_figures
from crawl_core.readings.job import JobFigures
from crawl_core.spec.status import Status, WorkerCounts
from crawl_operator.values import names
from crawl_operator.values.instants import instant_of
from crawl_operator.values.model import Key, Observation
from crawl_operator.values.stored_status import parse_stored_status


def job_figures(observation: Observation, status: Status | None) -> JobFigures:
    """What one look has found. `status` is what it makes of the CrawlJob; None: it stays as it was."""
    view = observation.crawljob
    job = view.job
    written = status or parse_stored_status(view.status)
    paused = view.annotations.get(names.ANNOTATION_PAUSED) == "true"
    planned = status is not None and not paused
    started_at_s = _seconds(written.start_time)
    workers = written.workers if planned else _workers(observation)
    deadline = None if job is None else job.spec.deadline
    return JobFigures(
        namespace=view.key.namespace,
        name=view.key.name,
        state=written.state,
        observed_at_s=observation.now.timestamp(),
        source="" if job is None else job.spec.source.type,
        bucket_name=_bucket_name(observation),
        conditions=tuple((each.type, each.status, each.reason) for each in written.conditions),
        progress=None if paused else observation.progress,
        finished=written.completion_time is not None,
        started_at_s=started_at_s,
        completed_at_s=_seconds(written.completion_time),
        # While something is out of reach the status keeps the last one, which is no news.
        estimated_at_s=_seconds(written.estimated_completion_time) if planned and observation.trouble is None else None,
        deadline_at_s=None if deadline is None or started_at_s is None else started_at_s + deadline.seconds,
        workers_desired=workers.desired,
        workers_ready=workers.ready,
        frontier=None if paused else frontier_figures(observation.frontier),
        bucket=None if paused else bucket_figures(observation.bucket),
    )


def _seconds(instant: str | None) -> float | None:
    moment = instant_of(instant)
    return None if moment is None else moment.timestamp()


def _bucket_name(observation: Observation) -> str:
    """By the spec and the credentials: it stays the same while ledger and Redis are out of reach."""
    job = observation.crawljob.job
    if job is None or not observation.client_id:
        return ""
    return bucket_of(job, client_id=observation.client_id) or ""


def _workers(observation: Observation) -> WorkerCounts:
    """As the Deployment says, where nobody plans how many there should be."""
    deployment = observation.deployment
    if deployment is None or deployment.owner_uid not in ("", observation.crawljob.uid):
        return WorkerCounts()
    return WorkerCounts(desired=deployment.replicas, current=deployment.pods, ready=deployment.ready)


@dataclass(slots=True)
class JobMetrics:
    """The newest of each CrawlJob."""

    _newest: dict[Key, JobFigures] = field(default_factory=dict)

    def update(self, observation: Observation, status: Status | None) -> None:
        """Show what this look has found, until the next one."""
        key = observation.crawljob.key
        if observation.crawljob.deleted_at is not None:
            # What is left of it is no crawl, and nobody is to be called for it.
            self.forget(key)
        else:
            self._newest[key] = job_figures(observation, status)

    def forget(self, key: Key) -> None:
        """A CrawlJob is gone."""
        self._newest.pop(key, None)

    def forget_all(self) -> None:
        """Another operator led since."""
        self._newest.clear()

    def all(self) -> tuple[JobFigures, ...]:
        """Of all CrawlJobs. May be asked from another thread."""
        return tuple(self._newest.values())
