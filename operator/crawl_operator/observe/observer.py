"""One look at all that matters for a CrawlJob: its Secrets, ledger, frontier, bucket, Deployment and pods.

What cannot be read becomes a Trouble, in words for people, beside what could be. A look changes two things only: a
bucket and its row are brought into agreement, and a ledger's schema is brought up to date.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from crawl_core.clock import Clock
from crawl_core.errors import (
    ArtistcrawlError,
    ConfigurationError,
    LedgerUnavailableError,
    RedisUnavailableError,
    SchemaVersionError,
    SpecError,
    UnavailableError,
)
from crawl_core.job.deadline import rests
from crawl_core.job.look import counted, frontier_view, with_binders
from crawl_core.job.throughput import Throughput
from crawl_core.ledger import jobs, runs
from crawl_core.ledger.ledger import Ledger
from crawl_core.logs import fields
from crawl_core.readings.backends import count_given_up
from crawl_core.spec import CrawlJob, differences, identity, in_words, remedy
from crawl_core.spec.status import RUNS_KEPT
from crawl_core.values.capacity import limits_of
from crawl_core.values.jobs import JobRow, as_recorded
from crawl_core.values.progress import Progress
from crawl_operator.connect.addresses import backends_digest
from crawl_operator.connect.backends import Backends
from crawl_operator.connect.buckets import BucketKey, Buckets
from crawl_operator.connect.secrets import JobSecrets, SecretError, SecretReader
from crawl_operator.kube.api import ApiError, ForbiddenError, MissingError
from crawl_operator.kube.cluster import Cluster
from crawl_operator.kube.views import deployment_view
from crawl_operator.values import names, reasons
from crawl_operator.values.model import (
    CrawlJobView,
    DeploymentView,
    Feedback,
    Key,
    Memory,
    Observation,
    PodTrouble,
    Trouble,
)
from crawl_operator.values.stored_status import parse_stored_status

log = logging.getLogger(__name__)

LOOK_S = 8.0
"""Seconds for the reads of one server: a round must end in time to write down that it does not answer."""


@dataclass(slots=True)
class _Remembered:
    """Of one CrawlJob, between two rounds."""

    uid: str
    run_id: int | None = None
    """Of the run that throughput and seeding are of."""
    throughput: Throughput = field(default_factory=Throughput)
    seeded_at: datetime | None = None
    """When the frontier was last seeded with force."""
    refused: PodTrouble | None = None
    """Why the API server refused what workers need, until it takes it."""
    hidden: bool = False
    """Whether a Deployment of the workers' name exists that the watch did not bring."""

    def follow(self, row: JobRow) -> None:
        """Forget what was of an earlier run."""
        if self.run_id not in (None, row.run_id):
            self.throughput, self.seeded_at = Throughput(), None
        self.run_id = row.run_id

    def memory(self) -> Memory:
        """For the plan."""
        return Memory(seeded_at=self.seeded_at, covered_per_s=self.throughput.covered_per_s)


class Observer:
    """Looks, and remembers between two looks what the ledger does not say. Nothing depends on the memory."""

    def __init__(
        self, cluster: Cluster, backends: Backends, secrets: SecretReader, bucket_records: Buckets, clock: Clock
    ) -> None:
        self._cluster = cluster
        self._backends = backends
        self._secrets = secrets
        self._buckets = bucket_records
        self._clock = clock
        self._remembered: dict[Key, _Remembered] = {}

    async def observe(self, crawljob: CrawlJobView, deployment: DeploymentView | None) -> Observation:
        """One look. Raises an ApiError where the API server is out of reach."""
        now = datetime.fromtimestamp(self._clock.time(), UTC)
        remembered = self._remember(crawljob)
        observation = Observation(now=now, crawljob=crawljob, deployment=deployment, memory=remembered.memory())
        job = crawljob.job
        deleting = crawljob.deleted_at is not None
        if job is None or (deleting and names.FINALIZER not in crawljob.finalizers):
            return observation
        observation, conflict = await self._with_workers(observation, remembered)
        observation = replace(observation, pods=await self._pods(observation, remembered))
        try:
            secrets = await self._secrets.read(job)
        except SecretError as error:
            return replace(observation, secrets=error.versions, trouble=error.trouble)
        backends = backends_digest(secrets.postgres_url, secrets.redis_url)
        observation = replace(observation, secrets=secrets.versions, client_id=secrets.client_id, backends=backends)
        observation = await self._with_backends(observation, job, secrets)
        if not deleting:
            observation = replace(observation, trouble=observation.trouble or conflict)
        if observation.row is not None:
            remembered.follow(observation.row)
        if observation.progress is not None:
            _measure(remembered.throughput, observation, observation.progress)
        return replace(observation, memory=remembered.memory())

    def forget(self, key: Key) -> None:
        """A CrawlJob is gone."""
        self._remembered.pop(key, None)

    def learn(self, observation: Observation, feedback: Feedback) -> None:
        """Remember, for the looks that follow, what acting on this one brought to light."""
        remembered = self._remember(observation.crawljob)
        if feedback.seeded:
            remembered.seeded_at = observation.now
        if feedback.hidden:
            remembered.hidden = True
        if feedback.accepted or feedback.refused is not None:
            remembered.refused = feedback.refused

    async def _with_workers(
        self, observation: Observation, remembered: _Remembered
    ) -> tuple[Observation, Trouble | None]:
        """The Deployment by its name, where it should be there and the watch did not bring it: it selects by labels."""
        if observation.deployment is not None:
            remembered.hidden = False
            return observation, None
        key = observation.crawljob.key
        name = names.workers_of(key.name)
        if not remembered.hidden and not parse_stored_status(observation.crawljob.status).workers.desired:
            return observation, None
        try:
            deployment = deployment_view(await self._cluster.get_deployment(key.namespace, name))
        except MissingError:
            remembered.hidden = False
            return observation, None
        except ForbiddenError as error:
            return observation, Trouble(reasons.FORBIDDEN, str(error), permanent=True)
        if deployment.owner_uid == observation.crawljob.uid or deployment.labelled:
            return replace(observation, deployment=deployment), None
        remembered.hidden = True
        problem = f"The Deployment {name} exists and is not this CrawlJob's"
        remedy = (
            f"delete or rename it: kubectl -n {key.namespace} delete deployment {name}, or name the CrawlJob otherwise"
        )
        return observation, Trouble(reasons.NAME_CONFLICT, f"{problem}; {remedy}", permanent=True)

    def _remember(self, crawljob: CrawlJobView) -> _Remembered:
        remembered = self._remembered.get(crawljob.key)
        if remembered is None or remembered.uid != crawljob.uid:
            remembered = self._remembered[crawljob.key] = _Remembered(crawljob.uid)
        return remembered

    async def _pods(self, observation: Observation, remembered: _Remembered) -> tuple[PodTrouble, ...]:
        pod_troubles = [remembered.refused] if remembered.refused is not None else []
        deployment = observation.deployment
        if deployment is None or deployment.deleting or deployment.ready >= deployment.replicas:
            return tuple(pod_troubles)
        if deployment.failure:
            pod_troubles.append(PodTrouble(pod="", reason="FailedCreate", message=deployment.failure))
        try:
            pod_troubles += await self._cluster.pod_troubles(observation.crawljob.key, now=observation.now)
        except ApiError as error:
            # They only explain; what counts is in the Deployment.
            extra = fields("pods.unread", crawljob=str(observation.crawljob.key))
            log.warning("workers' pods cannot be read: %s", error, extra=extra)
        return tuple(pod_troubles)

    async def _with_backends(self, observation: Observation, job: CrawlJob, secrets: JobSecrets) -> Observation:
        try:
            async with self._backends.ledger(secrets.postgres_url) as ledger:
                async with _limited(LedgerUnavailableError):
                    observation = await _with_row(observation, job, ledger)
                row = observation.row
                if row is None or observation.trouble is not None or observation.crawljob.deleted_at is not None:
                    return observation
                if row.finished_at is None:
                    observation = await self._with_redis(observation, job, secrets, ledger)
                async with _limited(LedgerUnavailableError):
                    return await _with_counts(observation, row, ledger)
        except (UnavailableError, ConfigurationError) as error:
            return replace(observation, trouble=trouble_of(error, job, names.POSTGRES_URL))

    async def _with_redis(
        self, observation: Observation, job: CrawlJob, secrets: JobSecrets, ledger: Ledger
    ) -> Observation:
        """What Redis says; a trouble with it is noted, and does not keep us from what the ledger says."""
        row = observation.row
        try:
            async with self._backends.redis(secrets.redis_url) as redis, _limited(RedisUnavailableError):
                observation = replace(observation, frontier=await frontier_view(redis, observation.crawljob.uid))
                if row is None or row.bucket is None:
                    return observation
                status = await self._buckets.status(BucketKey.of(secrets, row.bucket), ledger, redis)
                own = limits_of(job.spec)
                return replace(observation, bucket=await with_binders(status, ledger, job_id=row.id, own=own))
        except LedgerUnavailableError:
            raise
        except (UnavailableError, ConfigurationError) as error:
            return replace(observation, trouble=trouble_of(error, job, names.REDIS_URL))


def _measure(throughput: Throughput, observation: Observation, progress: Progress) -> None:
    job = observation.crawljob.job
    started_at = None if observation.row is None else observation.row.started_at
    now, is_covered = observation.now, progress.is_covered
    if job is not None and rests(job.spec, started_at=started_at, now=now, is_covered=is_covered):
        throughput.pause()
    elif observation.trouble is not None or _is_frozen(observation):
        throughput.hold()
    else:
        throughput.see(progress, at_s=observation.now.timestamp())


def _is_frozen(observation: Observation) -> bool:
    return observation.bucket is not None and observation.bucket.frozen_until is not None


async def _with_row(observation: Observation, job: CrawlJob, ledger: Ledger) -> Observation:
    row = await jobs.find(ledger, job.metadata.namespace, job.metadata.name)
    if row is None:
        return observation
    return replace(observation, row=row, trouble=_name_taken(row, job))


async def _with_counts(observation: Observation, row: JobRow, ledger: Ledger) -> Observation:
    try:
        progress, missing = await counted(ledger, row.id, frontier=observation.frontier)
        ended = await runs.ended(ledger, row.id, limit=RUNS_KEPT)
    except KeyError:
        return replace(observation, row=None)  # deleted and reaped in this very moment
    return replace(
        observation,
        progress=progress,
        ended_runs=tuple(ended),
        latency_s=progress.latency_s,
        open_missing=missing,
    )


def _name_taken(row: JobRow, job: CrawlJob) -> Trouble | None:
    """Whether the ledger's job of this name crawls something else."""
    if row.spec == as_recorded(job.spec):
        return None  # nearly always, and reading the row's spec costs more than all else that a look computes
    full_name = f"{row.namespace}/{row.name}"
    try:
        told_apart = differences(identity(row.crawl_job.spec), job.spec)
    except SpecError as error:
        problem = f"The ledger's job {full_name} was recorded by another version of artistcrawl ({error})"
        message = f"{problem}; upgrade the operator, or write another metadata.name"
        return Trouble(reasons.NAME_TAKEN, message, permanent=True)
    if not told_apart:
        return None
    problem = f"The ledger has a job {full_name} that crawls something else ({in_words(told_apart)})"
    return Trouble(reasons.NAME_TAKEN, f"{problem}; {remedy(told_apart)}", permanent=True)


@asynccontextmanager
async def _limited(unavailable: type[UnavailableError]) -> AsyncIterator[None]:
    """Give what stands inside LOOK_S seconds; a server that takes longer counts as one that is down."""
    limit = asyncio.timeout(LOOK_S)
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        count_given_up(unavailable)
        raise unavailable(f"no answer within {LOOK_S:.0f} s") from None


def trouble_of(error: ArtistcrawlError, job: CrawlJob, key: str) -> Trouble:
    """What went wrong with a backend, in words that name the Secret to correct."""
    namespace, name = job.metadata.namespace, job.spec.backends_secret_ref.name
    where = f"see {key} in the Secret {name} of namespace {namespace}"
    of_ledger = key == names.POSTGRES_URL
    problem = f"{str(error)[:1].upper()}{str(error)[1:]}"
    if isinstance(error, SchemaVersionError):
        return Trouble(reasons.VERSION_MISMATCH, f"{problem}; {where}", permanent=True)
    if isinstance(error, ConfigurationError):
        misconfigured = reasons.LEDGER_MISCONFIGURED if of_ledger else reasons.REDIS_MISCONFIGURED
        return Trouble(misconfigured, f"{problem}; {where}", permanent=True)
    unavailable = reasons.LEDGER_UNAVAILABLE if of_ledger else reasons.REDIS_UNAVAILABLE
    return Trouble(unavailable, f"{problem}; it is tried again until it answers; {where}", permanent=False)
