"""Carries out a plan: its actions in their order, then the status, then the Events.

Every write to the cluster carries the version that was observed. A conflict means that the observation was old: the
actions end, and the next round sees more. The status is written all the same where the CrawlJob is as it was observed:
a Deployment that is in the way for ever must not silence it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, get_args

from crawl_core.errors import ArtistcrawlError
from crawl_core.frontier.frontier import Frontier
from crawl_core.job import lifecycle
from crawl_core.ledger import dead_letters, jobs, runs
from crawl_core.ledger.buckets import BucketRows
from crawl_core.limiter.record import unfreeze
from crawl_core.logs import fields
from crawl_core.metrics.definitions import STEPS
from crawl_core.spec import CrawlJob
from crawl_core.spec.status import Status
from crawl_core.values.jobs import JobRow
from crawl_operator.act.event_recorder import EventRecorder
from crawl_operator.connect.addresses import backends_digest
from crawl_operator.connect.backends import Backends
from crawl_operator.connect.buckets import BucketKey, Buckets
from crawl_operator.connect.secrets import JobSecrets, SecretReader
from crawl_operator.kube.api import ConflictError, ForbiddenError, InvalidError, MissingError
from crawl_operator.kube.cluster import Cluster, status_object
from crawl_operator.values import names
from crawl_operator.values.model import (
    Action,
    AdoptDeployment,
    ApplyDeployment,
    BeginRun,
    ClearProblem,
    CrawlJobView,
    CreateDeployment,
    DeleteCrawlJob,
    DeleteDeployment,
    DeleteRun,
    DeploymentView,
    Feedback,
    MarkDeleted,
    Observation,
    Plan,
    PodTrouble,
    RecordJob,
    ReleaseJob,
    ReplayDeadLetters,
    ScaleDeployment,
    SeedFrontier,
    SetFinalizers,
    SettleJob,
    Unfreeze,
)
from crawl_operator.values.stored_status import parse_stored_status

log = logging.getLogger(__name__)

_WorkersAction = CreateDeployment | ApplyDeployment | ScaleDeployment | AdoptDeployment | DeleteDeployment
_CrawlJobAction = SetFinalizers | DeleteCrawlJob | RecordJob | BeginRun | MarkDeleted
_LedgerAction = RecordJob | SettleJob | BeginRun | DeleteRun | MarkDeleted | ReplayDeadLetters | ClearProblem

# There from the beginning: else the first failure of a step is no increase.
for _step in get_args(Action):
    for _result in ("done", "failed"):
        STEPS.labels(_step.__name__, _result)


@dataclass(frozen=True, slots=True)
class Tools:
    """What acting takes."""

    cluster: Cluster
    backends: Backends
    secrets: SecretReader
    buckets: Buckets
    recorder: EventRecorder


class CrawlJobGoneError(ArtistcrawlError):
    """There is no such CrawlJob any more."""


async def act(observation: Observation, plan: Plan, tools: Tools, *, feedback: Feedback) -> float | None:
    """Take the plan's actions, then write its status, then its Events; what is learnt on the way goes into `feedback`.

    Returns the seconds until the next look (0: at once; None: when something changes). Raises CrawlJobGoneError, and
    what made the round fail, once status and Events are written. An old picture is no failure.
    """
    executor = _PlanExecutor(tools, observation, feedback)
    failure: ArtistcrawlError | None = None
    for action in plan.actions:
        try:
            with _counted(action):
                await executor.do(action)
        except ArtistcrawlError as error:
            if isinstance(error, MissingError) and isinstance(action, _CrawlJobAction):
                raise CrawlJobGoneError(f"CrawlJob {observation.crawljob.key} is gone") from error
            failure = error
            break
    # Ours, or another operator's, or a user's write is on its way through the watch.
    outdated = isinstance(failure, ConflictError | MissingError)
    try:
        await _write_status(executor.crawljob, plan.status, tools.cluster, failed=failure is not None)
    except ConflictError as error:
        outdated, failure = True, failure or error
    except MissingError as error:
        raise CrawlJobGoneError(f"CrawlJob {observation.crawljob.key} is gone") from error
    else:
        for event in (*plan.events, *(plan.events_when_done if failure is None else ())):
            await tools.recorder.record(executor.crawljob, event)
    if outdated:
        extra = fields("round.outdated", crawljob=str(observation.crawljob.key))
        log.debug("the picture was old: %s", failure, extra=extra)
        return 0.0
    if failure is not None:
        raise failure
    return plan.requeue_after_s


@contextmanager
def _counted(action: Action) -> Iterator[None]:
    """Count an action by what came of it. One that the round's time limit cut off is not done either."""
    result = "failed"
    try:
        yield
        result = "done"
    finally:
        STEPS.labels(type(action).__name__, result).inc()


async def _write_status(crawljob: CrawlJobView, status: Status | None, cluster: Cluster, *, failed: bool) -> None:
    if status is None:
        return
    if failed:
        # What a user asked for, or the try that was due, may be what failed: it counts after a round that did all.
        before = parse_stored_status(crawljob.status)
        status = status.model_copy(update={"handled": before.handled, "attempt": before.attempt})
    if status_object(status) != crawljob.status:
        await cluster.apply_status(crawljob, status)


class _PlanExecutor:
    """Carries out the actions of one round, and keeps up with what they change."""

    def __init__(self, tools: Tools, observation: Observation, feedback: Feedback) -> None:
        self.crawljob = observation.crawljob
        self._feedback = feedback
        self._tools = tools
        self._observation = observation
        self._row = observation.row
        self._workers = observation.deployment

    async def do(self, action: Action) -> None:
        """Carry out one action. What it writes is the base of the next: its resourceVersion, its row."""
        extra = fields("crawljob.step", crawljob=str(self.crawljob.key), step=type(action).__name__)
        log.info("%s", type(action).__name__, extra=extra)
        match action:
            case SetFinalizers(finalizers):
                version = await self._tools.cluster.set_finalizers(self.crawljob, finalizers)
                self.crawljob = replace(self.crawljob, finalizers=finalizers, resource_version=version)
            case DeleteCrawlJob():
                await self._tools.cluster.delete_crawljob(self.crawljob)
            case SeedFrontier() | Unfreeze() | ReleaseJob():
                await self._on_redis(action)
            case RecordJob() | SettleJob() | BeginRun() | DeleteRun() | MarkDeleted():
                await self._on_the_ledger(action)
            case ReplayDeadLetters() | ClearProblem():
                await self._on_the_ledger(action)
            case _:
                await self._on_workers(action)

    async def _on_workers(self, action: _WorkersAction) -> None:
        cluster, namespace = self._tools.cluster, self.crawljob.key.namespace
        name = names.workers_of(self.crawljob.key.name)
        try:
            match action:
                case CreateDeployment(manifest):
                    await self._create(manifest)
                case AdoptDeployment(replicas, backends):
                    more = {"labels": names.selector_of(self.crawljob.key.name)}
                    if backends:
                        more["annotations"] = {names.ANNOTATION_BACKENDS: backends}
                    deployment = self._deployment()
                    await cluster.scale_deployment(namespace, name, replicas=replicas, at=deployment, more=more)
                case DeleteDeployment(uid):
                    await cluster.delete_deployment(namespace, name, uid=uid)
                case ApplyDeployment(manifest):
                    deployment = self._deployment()
                    version = await cluster.apply_deployment(namespace, manifest, at=deployment)
                    self._workers = replace(deployment, resource_version=version)
                case ScaleDeployment(replicas):
                    deployment = self._deployment()
                    version = await cluster.scale_deployment(namespace, name, replicas=replicas, at=deployment)
                    self._workers = replace(deployment, resource_version=version, replicas=replicas)
        except (InvalidError, ForbiddenError) as error:
            # The next round's plan hears of it, and with it the status.
            refused = PodTrouble(pod="", reason=type(error).__name__.removesuffix("Error"), message=str(error))
            self._feedback.refused, self._feedback.accepted = refused, False
            raise
        self._feedback.refused, self._feedback.accepted = None, True

    async def _create(self, manifest: Mapping[str, Any]) -> None:
        try:
            await self._tools.cluster.create_deployment(self.crawljob.key.namespace, manifest)
        except ConflictError:
            # The watch may be about to bring it. Where it lacks our labels it never will.
            self._feedback.hidden = True
            raise

    async def _read_secrets(self) -> JobSecrets:
        """What the Secrets say. Where they name other backends than were looked at, the picture is old."""
        secrets = await self._tools.secrets.read(self._job())
        looked_at = self._observation.backends
        if looked_at and backends_digest(secrets.postgres_url, secrets.redis_url) != looked_at:
            raise ConflictError("the Secret names other backends by now")
        return secrets

    async def _on_the_ledger(self, action: _LedgerAction) -> None:
        secrets = await self._read_secrets()
        async with self._tools.backends.ledger(secrets.postgres_url) as ledger:
            if isinstance(action, RecordJob | BeginRun | MarkDeleted):
                await self._tools.cluster.confirm(self.crawljob)
            match action:
                case RecordJob():
                    uid, client_id = self.crawljob.uid, secrets.client_id
                    self._row = await lifecycle.prepare(ledger, self._job(), uid=uid, client_id=client_id)
                    self._invalidate_bucket(secrets)
                case SettleJob():
                    await lifecycle.settle(ledger, self._recorded())
                case BeginRun(job_id, number):
                    await runs.begin(ledger, job_id, number)
                    self._invalidate_bucket(secrets)
                case DeleteRun(job_id, number):
                    await runs.delete(ledger, job_id, number)
                case MarkDeleted(job_id):
                    await jobs.mark_deleted(ledger, job_id)
                case ReplayDeadLetters(job_id, incomplete=True):
                    await dead_letters.replay_incomplete(ledger, job_id)
                case ReplayDeadLetters(job_id):
                    await dead_letters.replay(ledger, job_id)
                case ClearProblem(job_id):
                    await jobs.clear_problem(ledger, job_id)

    async def _on_redis(self, action: SeedFrontier | Unfreeze | ReleaseJob) -> None:
        tools = self._tools
        secrets = await self._read_secrets()
        async with (
            tools.backends.ledger(secrets.postgres_url) as ledger,
            tools.backends.redis(secrets.redis_url) as redis,
        ):
            match action:
                case SeedFrontier(force):
                    row = self._recorded()
                    await lifecycle.reseed(ledger, Frontier(redis, row.uid), row, force=force)
                    if force:
                        self._feedback.seeded = True
                case ReleaseJob():
                    row = self._recorded()
                    await lifecycle.release(ledger, Frontier(redis, row.uid), row)
                case Unfreeze(bucket):
                    await unfreeze(redis, BucketRows(ledger), bucket)
                    tools.buckets.invalidate(BucketKey.of(secrets, bucket))

    def _invalidate_bucket(self, secrets: JobSecrets) -> None:
        """The limits in force may be others now."""
        if self._row is not None and self._row.bucket is not None:
            self._tools.buckets.invalidate(BucketKey.of(secrets, self._row.bucket))

    def _job(self) -> CrawlJob:
        if self.crawljob.job is None:
            raise ValueError(f"an action on the ledger for {self.crawljob.key}, whose spec is invalid")
        return self.crawljob.job

    def _recorded(self) -> JobRow:
        if self._row is None:
            raise ValueError(f"an action on the ledger's job for {self.crawljob.key}, which is not recorded")
        return self._row

    def _deployment(self) -> DeploymentView:
        if self._workers is None:
            raise ValueError(f"an action on the Deployment of {self.crawljob.key}, which was not seen")
        return self._workers
