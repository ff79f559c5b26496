"""The workers' Deployment: how many there should be, and the one action that brings it there. Pure.

A pod's template and their number change separately: an upgrade of the operator replaces no worker, and neither does
scaling. While what is wanted cannot be known, the Deployment is left alone.
"""

from __future__ import annotations

from datetime import timedelta

from crawl_core.values.capacity import EXPECTED_LATENCY_S, limits_of
from crawl_core.values.limits import BucketLimits
from crawl_operator.decide.digests import template_digest
from crawl_operator.decide.manifests import workers_deployment
from crawl_operator.decide.misconfiguration import MisconfigurationRetry
from crawl_operator.decide.phase import Phase, PhasedCrawl, frozen_until, is_moving
from crawl_operator.decide.scaling import Choice, choose
from crawl_operator.values import reasons
from crawl_operator.values.model import (
    Action,
    AdoptDeployment,
    ApplyDeployment,
    ClearProblem,
    CreateDeployment,
    DeleteDeployment,
    DeploymentView,
    ScaleDeployment,
    WorkerSettings,
)

LONG_FREEZE = timedelta(minutes=2)
"""A freeze that goes on for longer than this has no workers."""
YOUNG = timedelta(seconds=60)
"""A Deployment younger than this is not made smaller for the first latencies measured: none is taken away at once."""
THAW = timedelta(seconds=15)
"""One worker is up again this long before a freeze ends: a pod's start."""


def limits_in_force(crawl: PhasedCrawl) -> BucketLimits:
    """The bucket's limits, the strictest of its jobs; the job's own before there is a bucket."""
    bucket = crawl.observation.bucket
    return limits_of(crawl.job.spec) if bucket is None else bucket.row.limits


def chosen(crawl: PhasedCrawl) -> Choice:
    """How many workers the job could use if nothing kept it."""
    return choose(
        crawl.job.spec,
        limits=limits_in_force(crawl),
        latency_s=_latency_s(crawl),
        current=_current(crawl),
        open_ranges=None if crawl.progress is None else crawl.progress.open_ranges,
    )


def _latency_s(crawl: PhasedCrawl) -> float | None:
    """The measured one; while the workers are young, no less than was expected of it."""
    measured, deployment = crawl.observation.latency_s, crawl.deployment
    created_at = crawl.now if deployment is None else deployment.created_at
    young = created_at is not None and crawl.now - created_at < YOUNG
    return max(measured, EXPECTED_LATENCY_S) if young and measured is not None else measured


def target(crawl: PhasedCrawl, retry: MisconfigurationRetry) -> int | None:
    """How many workers there should be; None where the present number is left alone."""
    match crawl.phase:
        case Phase.INVALID | Phase.OUT_OF_REACH:
            return None
        case Phase.BLOCKED:
            # Workers find their job by its name: here they would crawl somebody else's.
            return 0 if crawl.trouble is not None and crawl.trouble.reason == reasons.NAME_TAKEN else None
        case Phase.FINISHED if crawl.begins_run and crawl.trouble is None:
            return None  # who crawled the last run goes on with the next
        case Phase.FINISHED | Phase.SUSPENDED | Phase.MOVING:
            return 0
        case Phase.MISCONFIGURED:
            return min(1, chosen(crawl).replicas) if retry.begins else 0
        case Phase.FROZEN:
            return min(_frozen(crawl), 1) if retry.single_worker else _frozen(crawl)
        case _:
            return min(chosen(crawl).replicas, 1) if retry.single_worker else chosen(crawl).replicas


def _frozen(crawl: PhasedCrawl) -> int:
    """Workers during a freeze: as they are during a short one, none during a long one, one right before its end."""
    until, current = frozen_until(crawl.observation), _current(crawl)
    left = timedelta(0) if until is None else until - crawl.now
    if left > LONG_FREEZE:
        return 0
    if left <= THAW and not current:
        return min(1, chosen(crawl).replicas)
    return min(current, chosen(crawl).replicas) if crawl.job.spec.workers.replicas is not None else current


def actions(
    crawl: PhasedCrawl, *, wanted: int | None, retry: MisconfigurationRetry, settings: WorkerSettings
) -> tuple[Action, ...]:
    """What brings the Deployment to the wanted number, made from what the spec says."""
    if crawl.phase is Phase.INVALID:
        return ()
    preparation: tuple[Action, ...] = ()
    if retry.begins and crawl.row is not None:
        preparation = (ClearProblem(crawl.row.id),)
    deployment = crawl.deployment
    if deployment is None:
        return preparation + _missing(crawl, wanted=wanted, settings=settings)
    if deployment.deleting:
        return preparation
    if deployment.owner_uid not in ("", crawl.observation.crawljob.uid):
        # An earlier CrawlJob of this name left it; the collector would delete it, later.
        return (*preparation, DeleteDeployment(deployment.uid))
    if is_moving(crawl.observation):
        # In the foreground: the Deployment stays until its pods are gone, and while it is there no other is made. In
        # the background it would go first, and workers of two Redis would each use the whole limit.
        return (DeleteDeployment(deployment.uid),)
    if wanted is None:
        return preparation
    return preparation + _present(crawl, deployment, wanted=wanted, settings=settings)


def _missing(crawl: PhasedCrawl, *, wanted: int | None, settings: WorkerSettings) -> tuple[Action, ...]:
    if not wanted:
        return ()
    view, backends = crawl.observation.crawljob, crawl.observation.backends
    return (CreateDeployment(workers_deployment(view, settings=settings, replicas=wanted, backends=backends)),)


def _present(
    crawl: PhasedCrawl, deployment: DeploymentView, *, wanted: int, settings: WorkerSettings
) -> tuple[Action, ...]:
    backends = crawl.observation.backends or deployment.backends
    if not deployment.labelled:
        return (AdoptDeployment(wanted, backends),)
    if crawl.phase is Phase.FINISHED and deployment.replicas == 0:
        # Only when its pods are gone, and so that a thousand finished jobs cost nothing.
        return () if deployment.ready or not deployment.observed else (DeleteDeployment(deployment.uid),)
    if crawl.phase is not Phase.FINISHED and not is_current(crawl, deployment):
        manifest = workers_deployment(crawl.observation.crawljob, settings=settings, replicas=wanted, backends=backends)
        return (ApplyDeployment(manifest),)
    if backends != deployment.backends and crawl.phase is not Phase.FINISHED:
        # An earlier operator made it, and wrote none: its pods count as where the Secret says now.
        return (AdoptDeployment(wanted, backends),)
    if deployment.replicas != wanted:
        return (ScaleDeployment(wanted),)
    return ()


def is_current(crawl: PhasedCrawl, deployment: DeploymentView) -> bool:
    """Whether the Deployment is ours, and made from the present spec."""
    return deployment.owner_uid == crawl.observation.crawljob.uid and deployment.template == template_digest(
        crawl.observation.crawljob
    )


def ready(crawl: PhasedCrawl) -> int:
    """Workers of this CrawlJob that are up."""
    deployment = _own_deployment(crawl)
    return 0 if deployment is None else deployment.ready


def pods(crawl: PhasedCrawl) -> int:
    """Workers' pods of this CrawlJob that exist."""
    deployment = _own_deployment(crawl)
    return 0 if deployment is None else deployment.pods


def _current(crawl: PhasedCrawl) -> int:
    deployment = _own_deployment(crawl)
    return 0 if deployment is None else deployment.replicas


def _own_deployment(crawl: PhasedCrawl) -> DeploymentView | None:
    """The Deployment, unless an earlier CrawlJob of this name owns it."""
    deployment, uid = crawl.deployment, crawl.observation.crawljob.uid
    return deployment if deployment is not None and deployment.owner_uid in ("", uid) else None
