"""From what is seen of a CrawlJob to what is done about it: one pure function, the same answer for the same picture.

It asks no clock and no server, and refuses to hold rules of its own: each concern stands in a module beside this one.
"""

from __future__ import annotations

from crawl_core.spec.status import Status
from crawl_operator.decide import deletion, ledger_steps, stalls, workers
from crawl_operator.decide.annotations import asked, is_asked
from crawl_operator.decide.condition_records import Aspect, aspect, assembled
from crawl_operator.decide.conditions import is_draining
from crawl_operator.decide.events import notes_between
from crawl_operator.decide.misconfiguration import Trial, trial
from crawl_operator.decide.phase import Case, Phase, frozen_until, is_moving, judge
from crawl_operator.decide.status import status_of
from crawl_operator.decide.workers import THAW
from crawl_operator.values import reasons
from crawl_operator.values.model import (
    ApplyDeployment,
    ClearProblem,
    DeleteCrawlJob,
    DeleteDeployment,
    Note,
    Observation,
    Plan,
    RecordJob,
    ReplayDeadLetters,
    SeedFrontier,
    SetFinalizers,
    SettleJob,
    Step,
    Unfreeze,
    WorkerSettings,
)
from crawl_operator.values.names import ANNOTATION_PAUSED, ANNOTATION_RESTART
from crawl_operator.values.stored_status import last_status

ACTIVE_S = 5.0
"""Seconds between two looks at a CrawlJob that crawls, or is about to."""
RESTING_S = 30.0
"""Seconds between two looks at one that waits for somebody, or for a freeze's end."""
SOON_S = 1.0
"""Seconds until the effect of a step is looked at that may have had none."""

_AT_ONCE = (RecordJob, SettleJob, ReplayDeadLetters, Unfreeze, ClearProblem)
_SOON = (SeedFrontier, DeleteDeployment)


def plan(seen: Observation, *, settings: WorkerSettings) -> Plan:
    """What to do now about one CrawlJob, what to write, and when to look again."""
    view = seen.crawljob
    if view.deleted_at is not None:
        return deletion.leave(seen)
    if view.annotations.get(ANNOTATION_PAUSED) == "true":
        return _paused(seen)
    if (finalizers := deletion.finalizers(view)) is not None:
        # Alone: it changes the resourceVersion that everything else is written at.
        return Plan(steps=(SetFinalizers(finalizers),), again_s=0.0)
    case = judge(seen, old=last_status(view.status), settings=settings)
    if deletion.is_expired(case):
        return Plan(steps=(DeleteCrawlJob(),), done=(_expired(case),))
    return _reconciled(case, settings)


def _reconciled(case: Case, settings: WorkerSettings) -> Plan:
    tried = trial(case) if case.phase is not Phase.INVALID else Trial(attempt=case.old.attempt)
    requested = asked(case)
    wanted = workers.target(case, tried)
    steps = (
        *requested.steps,
        *ledger_steps.steps(case),
        *workers.steps(case, wanted=wanted, trial=tried, settings=settings),
    )
    status = status_of(case, wanted=wanted, trial=tried, handled=requested.handled)
    return Plan(
        steps=steps,
        status=status,
        notes=notes_between(case.old, status),
        done=(*requested.notes, *_restarted(case, steps), *_moved(case, steps)),
        again_s=_again_s(case, status, steps=steps, tried=tried),
    )


def _paused(seen: Observation) -> Plan:
    """Everything stays as it is; the conditions say so, at the generation that was acted on last."""
    old = last_status(seen.crawljob.status)
    message = f"The operator leaves this CrawlJob alone while it has the annotation {ANNOTATION_PAUSED}=true."
    before = {each.type: Aspect(each.status, each.reason, each.message) for each in old.conditions}
    said = {**before, "Progressing": Aspect("Unknown", reasons.PAUSED, message)}
    known = aspect(old.conditions, "Progressing")
    conditions = assembled(said, before=old.conditions, now=seen.now, generation=old.observed_generation)
    notes = () if known is not None and known.reason == reasons.PAUSED else (Note("Normal", reasons.PAUSED, message),)
    return Plan(status=old.model_copy(update={"conditions": conditions}), notes=notes)


def _expired(case: Case) -> Note:
    return Note(
        "Normal", reasons.EXPIRED, f"Deleted: spec.ttlAfterFinished ({case.job.spec.ttl_after_finished}) is over."
    )


def _restarted(case: Case, steps: tuple[Step, ...]) -> tuple[Note, ...]:
    if not any(isinstance(step, ApplyDeployment) for step in steps):
        return ()
    value = case.seen.crawljob.annotations.get(ANNOTATION_RESTART, "")
    why = "the spec changed" if not value else "the spec changed, or the annotation asks for it"
    return (Note("Normal", reasons.RESTARTED, f"Workers are replaced one at a time: {why}."),)


def _moved(case: Case, steps: tuple[Step, ...]) -> tuple[Note, ...]:
    if not is_moving(case.seen) or not any(isinstance(step, DeleteDeployment) for step in steps):
        return ()
    return (Note("Normal", reasons.BACKENDS_CHANGED, stalls.moving_message(case)),)


def _again_s(case: Case, status: Status, *, steps: tuple[Step, ...], tried: Trial) -> float | None:
    """Seconds until something may have changed that no watch tells."""
    if any(isinstance(step, _AT_ONCE) for step in steps):
        return 0.0
    if any(isinstance(step, _SOON) and step != SeedFrontier(force=True) for step in steps):
        return SOON_S
    due = _due_s(case, status, tried)
    return None if due is None else max(due, 0.0)


def _due_s(case: Case, status: Status, tried: Trial) -> float | None:
    now = case.seen.now
    if case.phase is Phase.INVALID:
        return None
    if case.phase is Phase.FINISHED:
        due = deletion.expires_at(case)
        unread = case.trouble is not None or case.is_unread
        times = [] if due is None else [(due - now).total_seconds()]
        return min([*times, RESTING_S] if unread or is_asked(case) else times, default=None)
    if case.phase is Phase.SUSPENDED and is_draining(case):
        return ACTIVE_S
    if tried.again_s is not None:
        return min(RESTING_S, tried.again_s)
    if (until := frozen_until(case.seen)) is not None and case.phase is Phase.FROZEN:
        ends_s, thaws_s = (until - now).total_seconds(), (until - THAW - now).total_seconds()
        return min(RESTING_S, thaws_s if thaws_s > 0 else ends_s)
    return RESTING_S if status.state in ("Suspended", "Stalled") else ACTIVE_S
