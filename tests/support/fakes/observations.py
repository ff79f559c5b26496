"""Observations as the operator's plan reads them, and what a plan's steps make of one: the cluster, as a sentence.

It refuses to stand in for a server: it only shows whether plans come to rest, and where.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from crawl_core.job.bucket_name import bucket_of
from crawl_core.job.views import BucketStatus, FrontierView
from crawl_core.spec import CrawlJob, crawljob_of
from crawl_core.spec.status import Condition, Status
from crawl_core.values.jobs import JobRow
from crawl_core.values.limits import Binder, BucketLimits, BucketRow
from crawl_core.values.progress import Progress
from crawl_operator.decide.digests import template_digest
from crawl_operator.decide.plan import plan
from crawl_operator.values import names
from crawl_operator.values.condition_list import REASONS
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
    Event,
    Key,
    MarkDeleted,
    Memory,
    Observation,
    Plan,
    RecordJob,
    ReleaseJob,
    ReplayDeadLetters,
    ScaleDeployment,
    SeedFrontier,
    SetFinalizers,
    SettleJob,
    Unfreeze,
    WorkerSettings,
)
from crawl_operator.values.stored_status import parse_stored_status

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
STARTED = NOW - timedelta(hours=1)
SETTINGS = WorkerSettings(image="artistcrawl/worker:dev", sandbox_url="http://sandbox:8080")
CLIENT_ID = "sandbox"


def job_of(spec: Mapping[str, Any] | None = None, *, name: str = "artists", namespace: str = "music") -> CrawlJob:
    metadata = {"name": name, "namespace": namespace}
    data = {"apiVersion": "artistcrawl.dev/v1alpha1", "kind": "CrawlJob", "metadata": metadata, "spec": spec or {}}
    return crawljob_of(data, origin="test")


def view_of(spec: Mapping[str, Any] | None = None, **more: Any) -> CrawlJobView:
    job = job_of(spec, name=more.pop("name", "artists"))
    finalizers = (names.FINALIZER,) if job.spec.data_policy == "Delete" else ()
    view = CrawlJobView(
        key=Key("music", job.metadata.name),
        uid="uid-1",
        resource_version="7",
        generation=2,
        created_at=STARTED,
        annotations={},
        labels={},
        finalizers=finalizers,
        deleted_at=None,
        status={},
        job=job,
    )
    return replace(view, **more)


def row_of(view: CrawlJobView, **more: Any) -> JobRow:
    assert view.job is not None
    spec = view.job.spec
    row = JobRow(
        id=1,
        namespace=view.key.namespace,
        name=view.key.name,
        uid=view.uid,
        spec=spec.model_dump(mode="json", by_alias=True, exclude_none=True),
        total=spec.keyspace.to_keyspace().total,
        bucket=bucket_of(view.job, client_id=CLIENT_ID),
        bucket_scope="Credential",
        page_size=None,
        problem_reason=None,
        problem_message=None,
        started_at=STARTED,
        finished_at=None,
        deleted_at=None,
    )
    return replace(row, **more)


def progress_of(row: JobRow, **more: Any) -> Progress:
    counts = Progress(
        covered=row.total // 4,
        total=row.total,
        open_ranges=100,
        done_ranges=20,
        searches=420,
        requests=430,
        artists=900,
        artists_new=800,
        truncated=1,
        dead_letters=0,
        retries=2,
        rate_limited=0,
        last_commit_at=NOW - timedelta(seconds=5),
        requests_last_minute=20,
    )
    return replace(counts, **more)


def bucket(
    row: JobRow, *, frozen_s: float | None = None, binders: tuple[Binder, ...] = (), **limits: Any
) -> BucketStatus:
    spec = row.crawl_job.spec
    own = BucketLimits(
        requests=spec.rate_limit.requests,
        window_s=spec.rate_limit.window.seconds,
        request_timeout_s=spec.source.request_timeout.seconds,
        even=True,
    )
    until = None if frozen_s is None else NOW + timedelta(seconds=frozen_s)
    stands = BucketRow(row.bucket or "", replace(own, **limits), 0, 1)
    return BucketStatus(row=stands, frozen_until=until, binders=binders)


def workers_of(view: CrawlJobView, *, replicas: int = 1, ready: int | None = None, **more: Any) -> DeploymentView:
    stands = DeploymentView(
        uid="deployment-1",
        resource_version="70",
        owner_uid=view.uid,
        template=template_digest(view),
        replicas=replicas,
        ready=replicas if ready is None else ready,
        pods=replicas,
        image=SETTINGS.image,
        deleting=False,
        observed=True,
        created_at=STARTED,
    )
    return replace(stands, **more)


def crawling(
    spec: Mapping[str, Any] | None = None,
    *,
    row: Mapping[str, Any] | None = None,
    progress: Mapping[str, Any] | None = None,
    workers: Mapping[str, Any] | None = None,
    limits: Mapping[str, Any] | None = None,
    view: Mapping[str, Any] | None = None,
    **more: Any,
) -> Observation:
    """A CrawlJob that crawls as it should, with whatever is said to differ."""
    stands = view_of(spec, **(view or {}))
    recorded = row_of(stands, **(row or {}))
    seen = Observation(
        now=NOW,
        crawljob=stands,
        deployment=workers_of(stands, **(workers or {})),
        secrets="11,12",
        client_id=CLIENT_ID,
        row=recorded,
        progress=progress_of(recorded, **(progress or {})),
        frontier=FrontierView(True, pending=96, leased=4),
        bucket=bucket(recorded, **(limits or {})) if recorded.bucket else None,
        memory=Memory(seeded_at=NOW - timedelta(seconds=10)),
    )
    return replace(seen, **more)


def fresh(spec: Mapping[str, Any] | None = None, **more: Any) -> Observation:
    """A CrawlJob that was just applied."""
    return Observation(now=NOW, crawljob=view_of(spec, **more), deployment=None, secrets="11", client_id=CLIENT_ID)


_LISTED = {(kind, each.status, each.reason) for each in REASONS for kind in each.conditions}


def planned(seen: Observation, settings: WorkerSettings = SETTINGS) -> Plan:
    """The plan. Whatever its conditions say must stand in the list of all reasons."""
    made = plan(seen, settings=settings)
    conditions = () if made.status is None else made.status.conditions
    before = {(each.type, each.reason) for each in parse_stored_status(seen.crawljob.status).conditions}
    said = {(each.type, each.status, each.reason) for each in conditions if (each.type, each.reason) not in before}
    assert said <= _LISTED
    return made


def status_of(seen: Observation) -> Status:
    status = planned(seen).status
    assert status is not None
    return status


def said(seen_or_status: Observation | Status, kind: str) -> Condition:
    """A condition of the status that is to be written."""
    status = seen_or_status if isinstance(seen_or_status, Status) else status_of(seen_or_status)
    return next(each for each in status.conditions if each.type == kind)


def actions_of(seen: Observation) -> list[str]:
    return [type(action).__name__ for action in planned(seen).actions]


def written_events(made: Plan) -> tuple[Event, ...]:
    """All that are written where each step succeeds."""
    return (*made.events, *made.events_when_done)


def event_reasons(seen: Observation) -> list[str]:
    return [event.reason for event in written_events(planned(seen))]


def told(seen: Observation) -> Observation:
    """The same, with the status that its plan writes."""
    return after(seen, Plan(status=planned(seen).status))


def later(seen: Observation, seconds: float) -> Observation:
    return replace(seen, now=seen.now + timedelta(seconds=seconds))


def respec(seen: Observation, spec: Mapping[str, Any], **more: Any) -> Observation:
    """The same CrawlJob with another spec, recorded so."""
    view = replace(seen.crawljob, job=job_of(spec, name=seen.crawljob.key.name), **more)
    row = None if seen.row is None else replace(seen.row, spec=row_of(view).spec)
    return replace(seen, crawljob=view, row=row)


def settled(seen: Observation, *, rounds: int = 8) -> Observation:
    """What is there once plans come to rest. Fails where they do not."""
    for _ in range(rounds):
        made = planned(seen)
        quiet = not [action for action in made.actions if not isinstance(action, SeedFrontier)]
        again = after(seen, made)
        if quiet and again == seen:
            return seen
        seen = again
    raise AssertionError(f"no rest after {rounds} rounds: {planned(seen).actions}")


def after(seen: Observation, made: Plan) -> Observation:
    """What is seen after a plan was acted on, the pods being as quick as can be."""
    for action in made.actions:
        seen = _acted(seen, action)
    if made.status is None:
        return seen
    written = made.status.model_dump(mode="json", by_alias=True, exclude_none=True)
    return replace(seen, crawljob=replace(seen.crawljob, status=written))


def _acted(seen: Observation, action: Action) -> Observation:
    view, row, deployment = seen.crawljob, seen.row, seen.deployment
    match action:
        case SetFinalizers(finalizers):
            return replace(seen, crawljob=replace(view, finalizers=finalizers))
        case DeleteCrawlJob():
            return replace(seen, crawljob=replace(view, deleted_at=seen.now))
        case RecordJob():
            assert view.job is not None
            kept = ("started_at", "finished_at", "run", "run_id")
            known = {"run": view.job.spec.run or 1} if row is None else {name: getattr(row, name) for name in kept}
            recorded = row_of(view, **known)
            counted = seen.progress or progress_of(recorded, covered=0, searches=0, last_commit_at=None)
            return replace(seen, row=recorded, progress=counted, bucket=bucket(recorded) if recorded.bucket else None)
        case SeedFrontier():
            known_now = FrontierView(True, pending=100)
            return replace(
                seen,
                frontier=seen.frontier if seen.frontier and seen.frontier.known else known_now,
                open_missing=False,
                memory=replace(seen.memory, seeded_at=seen.now),
            )
        case SettleJob():
            assert row is not None
            return replace(seen, row=replace(row, finished_at=seen.now))
        case ReleaseJob():
            assert row is not None
            return replace(seen, row=replace(row, released_at=seen.now + timedelta(seconds=12.75)))
        case BeginRun(_, number):
            assert row is not None
            return begun(seen, number)
        case DeleteRun(_, number):
            before = tuple(
                replace(run, data_deleted_at=seen.now) if run.number == number else run for run in seen.ended_runs or ()
            )
            return replace(seen, ended_runs=before)
        case CreateDeployment(manifest) | ApplyDeployment(manifest):
            backends = manifest["metadata"]["annotations"].get(names.ANNOTATION_BACKENDS, "")
            made = workers_of(view, replicas=manifest["spec"]["replicas"], backends=backends)
            return replace(seen, deployment=made)
        case AdoptDeployment(replicas, backends):
            assert deployment is not None
            adopted = replace(deployment, replicas=replicas, ready=replicas, backends=backends, labelled=True)
            return replace(seen, deployment=adopted)
        case ScaleDeployment(replicas):
            assert deployment is not None
            return replace(seen, deployment=replace(deployment, replicas=replicas, ready=replicas, pods=replicas))
        case DeleteDeployment():
            return replace(seen, deployment=None)
        case MarkDeleted():
            return replace(seen, row=None, progress=None)
        case ReplayDeadLetters():
            assert row is not None
            counts = seen.progress
            if counts is None or not counts.dead_letters:
                return seen
            replayed = replace(counts, open_ranges=counts.dead_letters)
            return replace(seen, row=replace(row, finished_at=None), progress=replayed)
        case Unfreeze():
            return replace(seen, bucket=None if seen.bucket is None else replace(seen.bucket, frozen_until=None))
        case ClearProblem():
            assert row is not None
            return replace(seen, row=replace(row, problem_reason=None, problem_message=None, problem_at=None))


def begun(seen: Observation, number: int) -> Observation:
    """The next run has begun: what Redis has is of the one before."""
    assert seen.row is not None
    row = replace(seen.row, run=number, run_id=seen.row.run_id + 1, started_at=seen.now, finished_at=None)
    counts = progress_of(row, covered=0, searches=0, requests=0, artists=0, artists_new=0, last_commit_at=None)
    return replace(seen, row=row, progress=counts, open_missing=True, memory=Memory())
