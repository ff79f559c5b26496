"""One look at all that matters for a CrawlJob: its Secrets, ledger, frontier, bucket and pods.

What cannot be read is a Trouble, in words for people, beside what could be. It refuses to change anything, but that a
bucket and its row are brought together and that a ledger's schema is brought up to date; and to decide.
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
from crawl_core.job.look import counted, frontier_view
from crawl_core.job.throughput import Throughput
from crawl_core.ledger import buckets, jobs
from crawl_core.ledger.ledger import Ledger
from crawl_core.logs import fields
from crawl_core.readings.backends import count_given_up
from crawl_core.spec import CrawlJob, differences, identity, in_words
from crawl_core.values.capacity import limits_of
from crawl_core.values.jobs import JobRow, as_recorded
from crawl_core.values.progress import Progress
from crawl_operator.connect.addresses import backends_digest
from crawl_operator.connect.backends import Backends
from crawl_operator.connect.buckets import BucketKey, Buckets
from crawl_operator.connect.secrets import Given, SecretError, Secrets
from crawl_operator.kube.api import ApiError, ForbiddenError, MissingError
from crawl_operator.kube.cluster import Cluster
from crawl_operator.kube.views import deployment_view
from crawl_operator.values import names
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
from crawl_operator.values.stored_status import last_status

log = logging.getLogger(__name__)

LOOK_S = 8.0
"""Seconds for the reads of one server: a round must end in time to write down that it does not answer."""


@dataclass(slots=True)
class _Remembered:
    """Of one CrawlJob, between two rounds."""

    uid: str
    throughput: Throughput = field(default_factory=Throughput)
    seeded_at: datetime | None = None
    """When the frontier was last seeded with force."""
    refused: PodTrouble | None = None
    """Why the API server refused what workers need, until it takes it."""
    hidden: bool = False
    """Whether a Deployment of the workers' name exists that the watch did not bring."""

    def memory(self) -> Memory:
        """For the plan."""
        return Memory(seeded_at=self.seeded_at, covered_per_s=self.throughput.covered_per_s)


class Observer:
    """Looks, and remembers between two looks what the ledger does not say. Nothing depends on the memory."""

    def __init__(
        self, cluster: Cluster, backends: Backends, secrets: Secrets, bucket_records: Buckets, clock: Clock
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
        kept = self._keep(crawljob)
        seen = Observation(now=now, crawljob=crawljob, deployment=deployment, memory=kept.memory())
        job = crawljob.job
        going = crawljob.deleted_at is not None
        if job is None or (going and names.FINALIZER not in crawljob.finalizers):
            return seen
        seen, conflict = await self._with_workers(seen, kept)
        seen = replace(seen, pods=await self._pods(seen, kept))
        try:
            given = await self._secrets.given(job)
        except SecretError as error:
            return replace(seen, secrets=error.versions, trouble=error.trouble)
        backends = backends_digest(given.postgres_url, given.redis_url)
        seen = replace(seen, secrets=given.versions, client_id=given.client_id, backends=backends)
        seen = await self._with_backends(seen, job, given)
        if not going:
            seen = replace(seen, trouble=seen.trouble or conflict)
        if seen.progress is not None:
            _measure(kept.throughput, seen, seen.progress)
        return replace(seen, memory=kept.memory())

    def forget(self, key: Key) -> None:
        """A CrawlJob is gone."""
        self._remembered.pop(key, None)

    def learn(self, seen: Observation, feedback: Feedback) -> None:
        """Remember, for the looks that follow, what acting on this one brought to light."""
        remembered = self._keep(seen.crawljob)
        if feedback.seeded:
            remembered.seeded_at = seen.now
        if feedback.hidden:
            remembered.hidden = True
        if feedback.accepted or feedback.refused is not None:
            remembered.refused = feedback.refused

    async def _with_workers(self, seen: Observation, kept: _Remembered) -> tuple[Observation, Trouble | None]:
        """The Deployment by its name, where it should be there and the watch did not bring it: it selects by labels."""
        if seen.deployment is not None:
            kept.hidden = False
            return seen, None
        key = seen.crawljob.key
        name = names.workers_of(key.name)
        if not kept.hidden and not last_status(seen.crawljob.status).workers.desired:
            return seen, None
        try:
            found = deployment_view(await self._cluster.get_deployment(key.namespace, name))
        except MissingError:
            kept.hidden = False
            return seen, None
        except ForbiddenError as error:
            return seen, Trouble("Forbidden", str(error), permanent=True)
        if found.owner_uid == seen.crawljob.uid or found.labelled:
            return replace(seen, deployment=found), None
        kept.hidden = True
        said = f"The Deployment {name} exists and is not this CrawlJob's"
        remedy = (
            f"delete or rename it: kubectl -n {key.namespace} delete deployment {name}, or name the CrawlJob otherwise"
        )
        return seen, Trouble("NameConflict", f"{said}; {remedy}", permanent=True)

    def _keep(self, crawljob: CrawlJobView) -> _Remembered:
        kept = self._remembered.get(crawljob.key)
        if kept is None or kept.uid != crawljob.uid:
            kept = self._remembered[crawljob.key] = _Remembered(crawljob.uid)
        return kept

    async def _pods(self, seen: Observation, kept: _Remembered) -> tuple[PodTrouble, ...]:
        found = [kept.refused] if kept.refused is not None else []
        deployment = seen.deployment
        if deployment is None or deployment.deleting or deployment.ready >= deployment.replicas:
            return tuple(found)
        if deployment.failure:
            found.append(PodTrouble(pod="", reason="FailedCreate", message=deployment.failure))
        try:
            found += await self._cluster.pod_troubles(seen.crawljob.key, now=seen.now)
        except ApiError as error:
            # They only explain; what counts is in the Deployment.
            extra = fields("pods.unread", crawljob=str(seen.crawljob.key))
            log.warning("workers' pods cannot be read: %s", error, extra=extra)
        return tuple(found)

    async def _with_backends(self, seen: Observation, job: CrawlJob, given: Given) -> Observation:
        try:
            async with self._backends.ledger(given.postgres_url) as ledger:
                async with _limited(LedgerUnavailableError):
                    seen = await _with_row(seen, job, ledger)
                row = seen.row
                if row is None or seen.trouble is not None or seen.crawljob.deleted_at is not None:
                    return seen
                if row.finished_at is None:
                    seen = await self._with_redis(seen, job, given, ledger)
                async with _limited(LedgerUnavailableError):
                    return await _with_counts(seen, row, ledger)
        except (UnavailableError, ConfigurationError) as error:
            return replace(seen, trouble=trouble_of(error, job, names.POSTGRES_URL))

    async def _with_redis(self, seen: Observation, job: CrawlJob, given: Given, ledger: Ledger) -> Observation:
        """What Redis says; a trouble with it is noted, and does not keep us from what the ledger says."""
        row = seen.row
        try:
            async with self._backends.redis(given.redis_url) as redis, _limited(RedisUnavailableError):
                seen = replace(seen, frontier=await frontier_view(redis, seen.crawljob.uid))
                if row is None or row.bucket is None:
                    return seen
                status = await self._buckets.status(BucketKey.of(given, row.bucket), ledger, redis)
                if status is not None and status.row.limits != limits_of(job.spec):
                    status = replace(status, strictest_job=await buckets.stricter_job(ledger, row.id) or "")
                return replace(seen, bucket=status)
        except LedgerUnavailableError:
            raise
        except (UnavailableError, ConfigurationError) as error:
            return replace(seen, trouble=trouble_of(error, job, names.REDIS_URL))


def _measure(throughput: Throughput, seen: Observation, progress: Progress) -> None:
    job = seen.crawljob.job
    if job is not None and job.spec.suspend:
        throughput.pause()
    elif seen.trouble is not None or (seen.bucket is not None and seen.bucket.frozen_until is not None):
        throughput.hold()
    else:
        throughput.see(progress, at_s=seen.now.timestamp())


async def _with_row(seen: Observation, job: CrawlJob, ledger: Ledger) -> Observation:
    row = await jobs.find(ledger, job.metadata.namespace, job.metadata.name)
    if row is None:
        return seen
    return replace(seen, row=row, trouble=_name_taken(row, job))


async def _with_counts(seen: Observation, row: JobRow, ledger: Ledger) -> Observation:
    try:
        progress, missing = await counted(ledger, row.id, frontier=seen.frontier)
    except KeyError:
        return replace(seen, row=None)  # deleted and reaped in this very moment
    return replace(seen, progress=progress, latency_s=progress.latency_s, open_missing=missing)


def _name_taken(row: JobRow, job: CrawlJob) -> Trouble | None:
    """Whether the ledger's job of this name crawls something else."""
    if row.spec == as_recorded(job.spec):
        return None  # nearly always, and reading the row's spec costs more than all else that a look computes
    full_name = f"{row.namespace}/{row.name}"
    try:
        told_apart = differences(identity(row.crawl_job.spec), job.spec)
    except SpecError as error:
        said = f"The ledger's job {full_name} was recorded by another version of artistcrawl ({error})"
        return Trouble("NameTaken", f"{said}; upgrade the operator, or write another metadata.name", permanent=True)
    if not told_apart:
        return None
    said = f"The ledger has a job {full_name} that crawls something else ({in_words(told_apart)})"
    remedies = "apply it with another metadata.name, or with the recorded values to go on with that crawl"
    return Trouble("NameTaken", f"{said}; {remedies}", permanent=True)


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
    server = "Ledger" if key == names.POSTGRES_URL else "Redis"
    said = f"{str(error)[:1].upper()}{str(error)[1:]}"
    if isinstance(error, SchemaVersionError):
        return Trouble("VersionMismatch", f"{said}; {where}", permanent=True)
    if isinstance(error, ConfigurationError):
        return Trouble(f"{server}Misconfigured", f"{said}; {where}", permanent=True)
    return Trouble(f"{server}Unavailable", f"{said}; it is tried again until it answers; {where}", permanent=False)
