"""The workers' Deployment: how many there should be, and the one step that brings it there. Pure.

A pod's template and their number change separately: an upgrade of the operator replaces no worker, and scaling replaces
none. It refuses to touch a Deployment while what is wanted cannot be known.
"""

from __future__ import annotations

from datetime import timedelta

from crawl_core.values.capacity import EXPECTED_LATENCY_S, limits_of
from crawl_core.values.limits import BucketLimits
from crawl_operator.decide.digests import template_digest
from crawl_operator.decide.manifests import deployment
from crawl_operator.decide.misconfiguration import Trial
from crawl_operator.decide.phase import Case, Phase, frozen_until, is_moving
from crawl_operator.decide.scaling import Choice, choose
from crawl_operator.values import reasons
from crawl_operator.values.model import (
    AdoptDeployment,
    ApplyDeployment,
    ClearProblem,
    CreateDeployment,
    DeleteDeployment,
    DeploymentView,
    ScaleDeployment,
    Step,
    WorkerSettings,
)

LONG_FREEZE = timedelta(minutes=2)
"""A freeze that goes on for longer than this has no workers."""
YOUNG = timedelta(seconds=60)
"""A Deployment younger than this is not made smaller for the first latencies measured: none is taken away at once."""
THAW = timedelta(seconds=15)
"""One worker is up again this long before a freeze ends: a pod's start."""


def limits_in_force(case: Case) -> BucketLimits:
    """The bucket's limits, the strictest of its jobs; the job's own before there is a bucket."""
    bucket = case.seen.bucket
    return limits_of(case.job.spec) if bucket is None else bucket.row.limits


def chosen(case: Case) -> Choice:
    """How many workers the job could use if nothing kept it."""
    return choose(
        case.job.spec,
        limits=limits_in_force(case),
        latency_s=_latency_s(case),
        current=_current(case),
        open_ranges=None if case.progress is None else case.progress.open_ranges,
    )


def _latency_s(case: Case) -> float | None:
    """The measured one; while the workers are young, no less than was expected of it."""
    measured, there = case.seen.latency_s, case.seen.deployment
    created_at = case.seen.now if there is None else there.created_at
    young = created_at is not None and case.seen.now - created_at < YOUNG
    return max(measured, EXPECTED_LATENCY_S) if young and measured is not None else measured


def target(case: Case, trial: Trial) -> int | None:
    """How many workers there should be; None where the present number is left alone."""
    match case.phase:
        case Phase.INVALID | Phase.OUT_OF_REACH:
            return None
        case Phase.BLOCKED:
            # Workers find their job by its name: here they would crawl somebody else's.
            return 0 if case.trouble is not None and case.trouble.reason == reasons.NAME_TAKEN else None
        case Phase.FINISHED | Phase.SUSPENDED | Phase.MOVING:
            return 0
        case Phase.MISCONFIGURED:
            return min(1, chosen(case).replicas) if trial.begins else 0
        case Phase.FROZEN:
            return min(_frozen(case), 1) if trial.alone else _frozen(case)
        case _:
            return min(chosen(case).replicas, 1) if trial.alone else chosen(case).replicas


def _frozen(case: Case) -> int:
    """Workers during a freeze: as they are during a short one, none during a long one, one right before its end."""
    until, current = frozen_until(case.seen), _current(case)
    left = timedelta(0) if until is None else until - case.seen.now
    if left > LONG_FREEZE:
        return 0
    if left <= THAW and not current:
        return min(1, chosen(case).replicas)
    return min(current, chosen(case).replicas) if case.job.spec.workers.replicas is not None else current


def steps(case: Case, *, wanted: int | None, trial: Trial, settings: WorkerSettings) -> tuple[Step, ...]:
    """What brings the Deployment to the wanted number, made from what the spec says."""
    if case.phase is Phase.INVALID:
        return ()
    found: tuple[Step, ...] = ()
    if trial.begins and case.row is not None:
        found = (ClearProblem(case.row.id),)
    seen = case.seen.deployment
    if seen is None:
        return found + _missing(case, wanted=wanted, settings=settings)
    if seen.deleting:
        return found
    if seen.owner_uid not in ("", case.seen.crawljob.uid):
        # An earlier CrawlJob of this name left it; the collector would delete it, later.
        return (*found, DeleteDeployment(seen.uid))
    if is_moving(case.seen):
        # In the foreground: it is gone when its pods are, and only then others are made.
        return (DeleteDeployment(seen.uid),)
    if wanted is None:
        return found
    return found + _present(case, seen, wanted=wanted, settings=settings)


def _missing(case: Case, *, wanted: int | None, settings: WorkerSettings) -> tuple[Step, ...]:
    if not wanted:
        return ()
    view, backends = case.seen.crawljob, case.seen.backends
    return (CreateDeployment(deployment(view, settings=settings, replicas=wanted, backends=backends)),)


def _present(case: Case, seen: DeploymentView, *, wanted: int, settings: WorkerSettings) -> tuple[Step, ...]:
    backends = case.seen.backends or seen.backends
    if not seen.labelled:
        return (AdoptDeployment(wanted, backends),)
    if case.phase is Phase.FINISHED and seen.replicas == 0:
        # Only when its pods are gone, and so that a thousand finished jobs cost nothing.
        return () if seen.ready or not seen.observed else (DeleteDeployment(seen.uid),)
    if case.phase is not Phase.FINISHED and not is_current(case, seen):
        manifest = deployment(case.seen.crawljob, settings=settings, replicas=wanted, backends=backends)
        return (ApplyDeployment(manifest),)
    if backends != seen.backends and case.phase is not Phase.FINISHED:
        # An earlier operator made it, and wrote none: its pods count as where the Secret says now.
        return (AdoptDeployment(wanted, backends),)
    if seen.replicas != wanted:
        return (ScaleDeployment(wanted),)
    return ()


def is_current(case: Case, seen: DeploymentView) -> bool:
    """Whether the Deployment is ours, and made from the present spec."""
    return seen.owner_uid == case.seen.crawljob.uid and seen.template == template_digest(case.seen.crawljob)


def ready(case: Case) -> int:
    """Workers of this CrawlJob that are up."""
    seen = case.seen.deployment
    return 0 if seen is None or seen.owner_uid not in ("", case.seen.crawljob.uid) else seen.ready


def _current(case: Case) -> int:
    seen = case.seen.deployment
    return 0 if seen is None or seen.owner_uid not in ("", case.seen.crawljob.uid) else seen.replicas
