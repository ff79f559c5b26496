"""Does what was planned, in its order; then writes the status, then the notes. It refuses to decide.

Every write to the cluster carries the version that was seen. A conflict means that the picture was old: the steps end,
and the next round sees more. The status is written all the same where the CrawlJob is as it was seen: a Deployment that
is in the way for ever must not silence it.
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
from crawl_core.ledger import dead_letters, jobs
from crawl_core.ledger.buckets import BucketRows
from crawl_core.limiter.record import unfreeze
from crawl_core.logs import fields
from crawl_core.metrics.definitions import STEPS
from crawl_core.spec import CrawlJob
from crawl_core.spec.status import Status
from crawl_core.values.jobs import JobRow
from crawl_operator.act.event_recorder import Notes
from crawl_operator.connect.addresses import backends_digest
from crawl_operator.connect.backends import Backends
from crawl_operator.connect.buckets import BucketKey, Buckets
from crawl_operator.connect.secrets import Given, Secrets
from crawl_operator.kube.api import ApiError, ConflictError, ForbiddenError, InvalidError, MissingError
from crawl_operator.kube.cluster import Cluster, status_object
from crawl_operator.values import names
from crawl_operator.values.model import (
    AdoptDeployment,
    ApplyDeployment,
    ClearProblem,
    CrawlJobView,
    CreateDeployment,
    DeleteCrawlJob,
    DeleteDeployment,
    DeploymentView,
    Feedback,
    MarkDeleted,
    Observation,
    Plan,
    PodTrouble,
    RecordJob,
    ReplayDeadLetters,
    ScaleDeployment,
    SeedFrontier,
    SetFinalizers,
    SettleJob,
    Step,
    Unfreeze,
)
from crawl_operator.values.stored_status import last_status

log = logging.getLogger(__name__)

_Workers = CreateDeployment | ApplyDeployment | ScaleDeployment | AdoptDeployment | DeleteDeployment
_OnCrawlJob = SetFinalizers | DeleteCrawlJob | RecordJob | MarkDeleted
_Ledger = RecordJob | SettleJob | MarkDeleted | ReplayDeadLetters | ClearProblem

# There from the beginning: else the first failure of a step is no increase.
for _step in get_args(Step):
    for _result in ("done", "failed"):
        STEPS.labels(_step.__name__, _result)


@dataclass(frozen=True, slots=True)
class Tools:
    """What acting takes."""

    cluster: Cluster
    backends: Backends
    secrets: Secrets
    buckets: Buckets
    notes: Notes


@dataclass(frozen=True, slots=True)
class ActResult:
    """What came of a plan."""

    again_s: float | None
    """Seconds until the next look; 0: at once; None: when something changes."""
    feedback: Feedback
    failure: ArtistcrawlError | None = None
    """What made the round fail: raise it when the feedback is passed on. An old picture is no failure."""


class GoneError(ArtistcrawlError):
    """There is no such CrawlJob any more."""


async def act(seen: Observation, plan: Plan, tools: Tools) -> ActResult:
    """Take the plan's steps, then write its status, then its Events. Raises GoneError.

    A failure is returned and not raised, since what was learnt until then must reach the observer all the same.
    """
    executor = _PlanExecutor(tools, seen)
    failure: ArtistcrawlError | None = None
    for step in plan.steps:
        try:
            with _counted(step):
                await executor.do(step)
        except ArtistcrawlError as error:
            if isinstance(error, MissingError) and isinstance(step, _OnCrawlJob):
                raise GoneError(f"CrawlJob {seen.crawljob.key} is gone") from error
            failure = error
            break
    # Ours, or another operator's, or a user's write is on its way through the watch.
    outdated = isinstance(failure, ConflictError | MissingError)
    try:
        await _write_status(executor.crawljob, plan.status, tools.cluster, failed=failure is not None)
    except ConflictError as error:
        outdated, failure = True, failure or error
    except MissingError as error:
        raise GoneError(f"CrawlJob {seen.crawljob.key} is gone") from error
    except ApiError as error:
        return ActResult(None, executor.feedback, failure=error)
    else:
        for note in (*plan.notes, *(plan.done if failure is None else ())):
            await tools.notes.write(executor.crawljob, note)
    if outdated:
        log.debug("the picture was old: %s", failure, extra=fields("round.outdated", crawljob=str(seen.crawljob.key)))
        return ActResult(0.0, executor.feedback)
    return ActResult(plan.again_s, executor.feedback, failure=failure)


@contextmanager
def _counted(step: Step) -> Iterator[None]:
    """Count a step by what came of it. One that the round's end cut off is not done either."""
    result = "failed"
    try:
        yield
        result = "done"
    finally:
        STEPS.labels(type(step).__name__, result).inc()


async def _write_status(crawljob: CrawlJobView, status: Status | None, cluster: Cluster, *, failed: bool) -> None:
    if status is None:
        return
    if failed:
        # What a user asked for, or the try that was due, may be what failed: it counts after a round that did all.
        before = last_status(crawljob.status)
        status = status.model_copy(update={"handled": before.handled, "attempt": before.attempt})
    if status_object(status) != crawljob.status:
        await cluster.apply_status(crawljob, status)


class _PlanExecutor:
    """The steps of one round, and what they change in the picture."""

    def __init__(self, tools: Tools, seen: Observation) -> None:
        self.crawljob = seen.crawljob
        self.feedback = Feedback()
        self._tools = tools
        self._seen = seen
        self._row = seen.row
        self._workers = seen.deployment

    async def do(self, step: Step) -> None:
        """One step."""
        extra = fields("crawljob.step", crawljob=str(self.crawljob.key), step=type(step).__name__)
        log.info("%s", type(step).__name__, extra=extra)
        match step:
            case SetFinalizers(finalizers):
                version = await self._tools.cluster.set_finalizers(self.crawljob, finalizers)
                self.crawljob = replace(self.crawljob, finalizers=finalizers, resource_version=version)
            case DeleteCrawlJob():
                await self._tools.cluster.delete_crawljob(self.crawljob)
            case SeedFrontier() | Unfreeze():
                await self._on_redis(step)
            case RecordJob() | SettleJob() | MarkDeleted() | ReplayDeadLetters() | ClearProblem():
                await self._on_the_ledger(step)
            case _:
                await self._on_workers(step)

    async def _on_workers(self, step: _Workers) -> None:
        cluster, namespace = self._tools.cluster, self.crawljob.key.namespace
        name, seen = names.workers_of(self.crawljob.key.name), self._workers
        try:
            match step:
                case CreateDeployment(manifest):
                    await self._create(manifest)
                case AdoptDeployment(replicas, backends):
                    more = {"labels": names.selector_of(self.crawljob.key.name)}
                    if backends:
                        more["annotations"] = {names.ANNOTATION_BACKENDS: backends}
                    there = _there(seen)
                    await cluster.scale_deployment(namespace, name, replicas=replicas, seen=there, more=more)
                case DeleteDeployment(uid):
                    await cluster.delete_deployment(namespace, name, uid=uid)
                case ApplyDeployment(manifest):
                    version = await cluster.apply_deployment(namespace, manifest, seen=_there(seen))
                    self._workers = replace(_there(seen), resource_version=version)
                case ScaleDeployment(replicas):
                    version = await cluster.scale_deployment(namespace, name, replicas=replicas, seen=_there(seen))
                    self._workers = replace(_there(seen), resource_version=version, replicas=replicas)
        except (InvalidError, ForbiddenError) as error:
            # The next round's plan hears of it, and with it the status.
            refused = PodTrouble(pod="", reason=type(error).__name__.removesuffix("Error"), message=str(error))
            self.feedback = replace(self.feedback, refused=refused, accepted=False)
            raise
        self.feedback = replace(self.feedback, refused=None, accepted=True)

    async def _create(self, manifest: Mapping[str, Any]) -> None:
        try:
            await self._tools.cluster.create_deployment(self.crawljob.key.namespace, manifest)
        except ConflictError:
            # The watch may be about to bring it. Where it lacks our labels it never will.
            self.feedback = replace(self.feedback, hidden=True)
            raise

    async def _given(self) -> Given:
        """What the Secrets say. Where they name other backends than were looked at, the picture is old."""
        given = await self._tools.secrets.given(self._job())
        looked_at = self._seen.backends
        if looked_at and backends_digest(given.postgres_url, given.redis_url) != looked_at:
            raise ConflictError("the Secret names other backends by now")
        return given

    async def _on_the_ledger(self, step: _Ledger) -> None:
        given = await self._given()
        async with self._tools.backends.ledger(given.postgres_url) as ledger:
            if isinstance(step, RecordJob | MarkDeleted):
                await self._tools.cluster.confirm(self.crawljob)
            match step:
                case RecordJob():
                    uid, client_id = self.crawljob.uid, given.client_id
                    self._row = await lifecycle.prepare(ledger, self._job(), uid=uid, client_id=client_id)
                    self._doubt_bucket(given)
                case SettleJob():
                    await lifecycle.settle(ledger, self._recorded())
                case MarkDeleted(job_id):
                    await jobs.mark_deleted(ledger, job_id)
                case ReplayDeadLetters(job_id):
                    await dead_letters.replay(ledger, job_id)
                case ClearProblem(job_id):
                    await jobs.clear_problem(ledger, job_id)

    async def _on_redis(self, step: SeedFrontier | Unfreeze) -> None:
        tools = self._tools
        given = await self._given()
        async with tools.backends.ledger(given.postgres_url) as ledger, tools.backends.redis(given.redis_url) as redis:
            match step:
                case SeedFrontier(force):
                    row = self._recorded()
                    await lifecycle.reseed(ledger, Frontier(redis, row.uid), row, force=force)
                    if force:
                        self.feedback = replace(self.feedback, seeded=True)
                case Unfreeze(bucket):
                    await unfreeze(redis, BucketRows(ledger), bucket)
                    tools.buckets.doubt(BucketKey.of(given, bucket))

    def _doubt_bucket(self, given: Given) -> None:
        """The spec's limits may have changed."""
        if self._row is not None and self._row.bucket is not None:
            self._tools.buckets.doubt(BucketKey.of(given, self._row.bucket))

    def _job(self) -> CrawlJob:
        if self.crawljob.job is None:
            raise ValueError(f"a step on the ledger for {self.crawljob.key}, whose spec is invalid")
        return self.crawljob.job

    def _recorded(self) -> JobRow:
        if self._row is None:
            raise ValueError(f"a step on the ledger's job for {self.crawljob.key}, which is not recorded")
        return self._row


def _there(seen: DeploymentView | None) -> DeploymentView:
    if seen is None:
        raise ValueError("a step that changes a Deployment that was not seen")
    return seen
