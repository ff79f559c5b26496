"""From what is observed of a CrawlJob to what is done about it: one pure function, the same answer each time.

It asks no clock and no server. Each rule stands in the module of its concern beside this one.
"""

from __future__ import annotations

import math

from crawl_core.job.deadline import due_at
from crawl_core.spec.status import Status
from crawl_operator.decide import deletion, ledger_actions, runs, stalls, workers
from crawl_operator.decide.annotations import annotation_actions, has_unhandled_annotation
from crawl_operator.decide.condition_records import ConditionValue, condition_records, condition_value
from crawl_operator.decide.events import events_between
from crawl_operator.decide.misconfiguration import MisconfigurationRetry, misconfiguration_retry
from crawl_operator.decide.phase import Phase, PhasedCrawl, frozen_until, is_draining, is_moving, with_phase
from crawl_operator.decide.status import status_of
from crawl_operator.decide.workers import THAW
from crawl_operator.values import reasons
from crawl_operator.values.model import (
    Action,
    ApplyDeployment,
    BeginRun,
    ClearProblem,
    DeleteCrawlJob,
    DeleteDeployment,
    DeleteRun,
    Event,
    Observation,
    Plan,
    RecordJob,
    ReleaseJob,
    ReplayDeadLetters,
    SeedFrontier,
    SetFinalizers,
    SettleJob,
    Unfreeze,
    WorkerSettings,
)
from crawl_operator.values.names import ANNOTATION_PAUSED, ANNOTATION_RESTART
from crawl_operator.values.stored_status import parse_stored_status

ACTIVE_S = 5.0
"""Seconds between two looks at a CrawlJob that crawls, or is about to."""
RESTING_S = 30.0
"""Seconds between two looks at one that waits for somebody, or for a freeze's end."""
SOON_S = 1.0
"""Seconds until the effect of a step is looked at that may have had none."""

_AT_ONCE = (RecordJob, SettleJob, BeginRun, DeleteRun, ReplayDeadLetters, Unfreeze, ClearProblem)
_SOON = (SeedFrontier, DeleteDeployment, ReleaseJob)


def plan(observation: Observation, *, settings: WorkerSettings) -> Plan:
    """What to do now about one CrawlJob, what to write, and when to look again."""
    view = observation.crawljob
    if view.deleted_at is not None:
        return deletion.leave(observation)
    if view.annotations.get(ANNOTATION_PAUSED) == "true":
        return _paused(observation)
    if (finalizers := deletion.finalizers(view)) is not None:
        # Alone: it changes the resourceVersion that everything else is written at.
        return Plan(actions=(SetFinalizers(finalizers),), requeue_after_s=0.0)
    crawl = with_phase(observation, stored=parse_stored_status(view.status), settings=settings)
    if deletion.is_expired(crawl):
        return Plan(actions=(DeleteCrawlJob(),), events_when_done=(_expired(crawl),))
    return _reconciled(crawl, settings)


def _reconciled(crawl: PhasedCrawl, settings: WorkerSettings) -> Plan:
    retry = misconfiguration_retry(crawl)
    requested = annotation_actions(crawl)
    wanted = workers.target(crawl, retry)
    actions = (
        *requested.actions,
        *ledger_actions.actions(crawl),
        *workers.actions(crawl, wanted=wanted, retry=retry, settings=settings),
    )
    status = status_of(crawl, wanted=wanted, retry=retry, handled=requested.handled)
    return Plan(
        actions=actions,
        status=status,
        events=events_between(crawl.stored, status),
        events_when_done=(*requested.events, *_restarted(crawl, actions), *_moved(crawl, actions)),
        requeue_after_s=_requeue_after_s(crawl, status, actions=actions, retry=retry),
    )


def _paused(observation: Observation) -> Plan:
    """Everything stays as it is; the conditions say so, at the generation that was acted on last."""
    stored = parse_stored_status(observation.crawljob.status)
    message = f"The operator leaves this CrawlJob alone while it has the annotation {ANNOTATION_PAUSED}=true."
    before = {each.type: ConditionValue(each.status, each.reason, each.message) for each in stored.conditions}
    paused = {**before, "Progressing": ConditionValue("Unknown", reasons.PAUSED, message)}
    known = condition_value(stored.conditions, "Progressing")
    conditions = condition_records(
        paused, before=stored.conditions, now=observation.now, generation=stored.observed_generation
    )
    events = () if known is not None and known.reason == reasons.PAUSED else (Event("Normal", reasons.PAUSED, message),)
    return Plan(status=stored.model_copy(update={"conditions": conditions}), events=events)


def _expired(crawl: PhasedCrawl) -> Event:
    return Event(
        "Normal", reasons.EXPIRED, f"Deleted: spec.ttlAfterFinished ({crawl.job.spec.ttl_after_finished}) is over."
    )


def _restarted(crawl: PhasedCrawl, actions: tuple[Action, ...]) -> tuple[Event, ...]:
    if not any(isinstance(action, ApplyDeployment) for action in actions):
        return ()
    value = crawl.observation.crawljob.annotations.get(ANNOTATION_RESTART, "")
    why = "the spec changed" if not value else "the spec changed, or the annotation asks for it"
    return (Event("Normal", reasons.RESTARTED, f"Workers are replaced one at a time: {why}."),)


def _moved(crawl: PhasedCrawl, actions: tuple[Action, ...]) -> tuple[Event, ...]:
    if not is_moving(crawl.observation) or not any(isinstance(action, DeleteDeployment) for action in actions):
        return ()
    return (Event("Normal", reasons.BACKENDS_CHANGED, stalls.moving_message(crawl)),)


def _requeue_after_s(
    crawl: PhasedCrawl, status: Status, *, actions: tuple[Action, ...], retry: MisconfigurationRetry
) -> float | None:
    """Seconds until something may have changed that no watch tells."""
    if any(isinstance(action, _AT_ONCE) for action in actions):
        return 0.0
    if any(isinstance(action, _SOON) and action != SeedFrontier(force=True) for action in actions):
        return SOON_S
    due = _due_s(crawl, status, retry)
    return None if due is None else max(due, 0.0)


def _due_s(crawl: PhasedCrawl, status: Status, retry: MisconfigurationRetry) -> float | None:
    now = crawl.now
    if crawl.phase is Phase.INVALID:
        return None
    if crawl.phase is Phase.FINISHED:
        return _due_when_finished_s(crawl)
    if crawl.phase is Phase.SUSPENDED and is_draining(crawl):
        return ACTIVE_S
    if retry.next_attempt_s is not None:
        return min(RESTING_S, retry.next_attempt_s)
    if (until := frozen_until(crawl.observation)) is not None and crawl.phase is Phase.FROZEN:
        ends_s, thaws_s = (until - now).total_seconds(), (until - THAW - now).total_seconds()
        return min(RESTING_S, thaws_s if thaws_s > 0 else ends_s)
    return min(RESTING_S if status.state in ("Suspended", "Stalled") else ACTIVE_S, _deadline_s(crawl))


def _due_when_finished_s(crawl: PhasedCrawl) -> float | None:
    expires_at = deletion.expires_at(crawl)
    times = [] if expires_at is None or crawl.begins_run else [(expires_at - crawl.now).total_seconds()]
    if crawl.trouble is not None or crawl.is_unread or has_unhandled_annotation(crawl):
        times.append(RESTING_S)
    if runs.uncompared(crawl):
        times.append(ACTIVE_S)
    return min(times, default=None)


def _deadline_s(crawl: PhasedCrawl) -> float:
    """Seconds until the deadline suspends it."""
    due = None if crawl.started_at is None else due_at(crawl.job.spec, crawl.started_at)
    if due is None or due < crawl.now or crawl.job.spec.deadline_policy != "Suspend":
        return math.inf
    return (due - crawl.now).total_seconds()
