"""How a CrawlJob goes: with its data or without, by itself after its time, and never held up for long. Pure.

Only dataPolicy Delete has a finalizer. Nothing is waited for longer than PATIENCE after the deletion, also when the
operator was down meanwhile: a ledger that is gone must not keep a namespace Terminating.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from crawl_operator.decide.condition_records import condition
from crawl_operator.decide.phase import PhasedCrawl
from crawl_operator.values import reasons
from crawl_operator.values.model import (
    Action,
    CrawlJobView,
    DeleteDeployment,
    Event,
    MarkDeleted,
    Observation,
    Plan,
    SetFinalizers,
)
from crawl_operator.values.names import FINALIZER

PATIENCE = timedelta(seconds=30)
"""How long the workers' pods may take to go, and a ledger out of reach to come back."""
LAST_CALL = timedelta(seconds=60)
"""From then on the finalizer goes first: a step before it that fails again and again would keep it."""
LOOK_AGAIN_S = 2.0


def finalizers(view: CrawlJobView) -> tuple[str, ...] | None:
    """The finalizers that a living CrawlJob should have; None where they are right, or its spec is invalid."""
    if view.job is None:
        return None
    wanted = view.job.spec.data_policy == "Delete"
    if wanted == (FINALIZER in view.finalizers):
        return None
    return (*view.finalizers, FINALIZER) if wanted else _without_ours(view)


def _without_ours(view: CrawlJobView) -> tuple[str, ...]:
    return tuple(each for each in view.finalizers if each != FINALIZER)


def leave(observation: Observation) -> Plan:
    """What a CrawlJob needs that is being deleted."""
    view = observation.crawljob
    if view.deleted_at is None or FINALIZER not in view.finalizers:
        return Plan()
    if view.job is not None and view.job.spec.data_policy == "Retain":
        return Plan(actions=(SetFinalizers(_without_ours(view)),))
    waited = observation.now - view.deleted_at
    workers = _workers(observation)
    if waited < PATIENCE and (_works(observation) or _may_come_back(observation)):
        return Plan(actions=workers, requeue_after_s=LOOK_AGAIN_S)
    return _with_data(observation, workers, last_call=waited >= LAST_CALL)


def _workers(observation: Observation) -> tuple[Action, ...]:
    deployment = observation.deployment
    if deployment is None or deployment.deleting or deployment.owner_uid not in ("", observation.crawljob.uid):
        return ()
    return (DeleteDeployment(deployment.uid),)


def _works(observation: Observation) -> bool:
    """Whether workers may still commit."""
    leased = 0 if observation.frontier is None else observation.frontier.leased - observation.frontier.overdue
    return observation.deployment is not None or leased > 0


def _may_come_back(observation: Observation) -> bool:
    return observation.trouble is not None and not observation.trouble.permanent and observation.row is None


def _with_data(observation: Observation, workers: tuple[Action, ...], *, last_call: bool) -> Plan:
    view, row = observation.crawljob, observation.row
    last = SetFinalizers(_without_ours(view))
    if row is None and (observation.trouble is not None or view.job is None):
        why = reasons.INVALID_SPEC if observation.trouble is None else observation.trouble.reason
        message = f"The job's rows stay in the ledger ({why}). When it can be used: artistcrawl delete {view.key}"
        return Plan(actions=(*workers, last), events_when_done=(Event("Warning", reasons.DATA_NOT_DELETED, message),))
    if row is None or row.uid != view.uid:
        # Never recorded, or the ledger's job of this name is another CrawlJob's by now, perhaps in another cluster.
        return Plan(actions=(*workers, last))
    message = "The job's name is free; its rows are being deleted from the ledger. Artists stay."
    mark_deleted = MarkDeleted(row.id)
    return Plan(
        actions=(*workers, last, mark_deleted) if last_call else (*workers, mark_deleted, last),
        events_when_done=(Event("Normal", reasons.DATA_DELETED, message),),
    )


def expires_at(crawl: PhasedCrawl) -> datetime | None:
    """When a finished CrawlJob is deleted; None: never, or it is not finished.

    Its time counts from its creation, too: one that is applied again after its end is not gone at once.
    """
    if crawl.finished_at is None or crawl.observation.crawljob.job is None:
        return None
    keep = crawl.job.spec.ttl_after_finished
    if keep is None:
        return None
    try:
        return max(crawl.finished_at, crawl.observation.crawljob.created_at) + timedelta(seconds=keep.seconds)
    except OverflowError:
        return None


def is_expired(crawl: PhasedCrawl) -> bool:
    """Whether a finished CrawlJob's time is over, people could see that it had finished, and it is not to go on."""
    due, told = expires_at(crawl), condition(crawl.stored.conditions, "Succeeded")
    expired = due is not None and crawl.now >= due and not crawl.begins_run
    return expired and told is not None and told.status == "True"
