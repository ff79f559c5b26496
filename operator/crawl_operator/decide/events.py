"""Which Events are written: each transition once, by comparing the stored status with the one to come. Pure.

Nothing else remembers what was told: the status does, so a new leader repeats nothing.
"""

from __future__ import annotations

from crawl_core.spec.status import Condition, Status
from crawl_core.wording import number
from crawl_operator.decide.condition_records import condition
from crawl_operator.values import reasons
from crawl_operator.values.model import Event

_NOTHING = Condition(type="", status="Unknown", reason=reasons.PENDING, message="", last_transition_time="")
_DRAINING = "Workers drain; nothing is lost and no request is repeated."
_QUIET_STATES = frozenset({"Suspended", "Succeeded"})


def events_between(old: Status, new: Status) -> tuple[Event, ...]:
    """What happened, in the order in which a person would tell it."""
    return (
        *_run(old, new),
        *_seeded(old, new),
        *_state(old, new),
        *_frozen(old, new),
        *_deadline(old, new),
        *_succeeded(old, new),
    )


def _run(old: Status, new: Status) -> tuple[Event, ...]:
    if old.run is None or new.run is None or new.run <= old.run:
        return ()
    message = f"Run {new.run} began: every string is searched again. What run {old.run} found stays in the ledger."
    return (Event("Normal", reasons.RUN_BEGAN, message),)


def _get(status: Status, kind: str) -> Condition:
    return condition(status.conditions, kind) or _NOTHING


def _seeded(old: Status, new: Status) -> tuple[Event, ...]:
    before, now = _get(old, "Seeded"), _get(new, "Seeded")
    if now.status == "True" and before.status != "True" and new.state != "Succeeded":
        return (Event("Normal", reasons.SEEDED, now.message),)
    if now.reason == reasons.FRONTIER_LOST and before.reason != reasons.FRONTIER_LOST:
        return (Event("Warning", reasons.FRONTIER_LOST, now.message),)
    if now.reason == reasons.RECORD_MISSING and before.reason != reasons.RECORD_MISSING:
        return (Event("Warning", reasons.RECORD_MISSING, now.message),)
    return ()


def _state(old: Status, new: Status) -> tuple[Event, ...]:
    before, now = _get(old, "Progressing"), _get(new, "Progressing")
    events: list[Event] = []
    if old.state == "Suspended" != new.state and new.state != "Succeeded":
        events.append(Event("Normal", reasons.RESUMED, "The crawl goes on where it stopped."))
    if new.state == "Suspended" != old.state:
        events.append(Event("Normal", reasons.SUSPENDED, f"{now.message} {_DRAINING}"))
    elif _keeps(new, now) and (before.reason != now.reason or not _keeps(old, before)):
        events.append(Event("Warning", now.reason, _why(new, now)))
    elif _keeps(old, before) and not _keeps(new, now) and new.state not in _QUIET_STATES:
        events.append(Event("Normal", reasons.RECOVERED, f"What kept the crawl has passed ({before.reason})."))
    if new.state == "Crawling" and old.state == "Pending":
        events.append(Event("Normal", reasons.STARTED, now.message or "Workers crawl."))
    return tuple(events)


def _keeps(status: Status, progressing: Condition) -> bool:
    """Whether something keeps the crawl that people should know of."""
    out_of_reach = progressing.status == "Unknown" and progressing.reason not in (reasons.PENDING, reasons.PAUSED)
    return status.state == "Stalled" or out_of_reach or progressing.reason == reasons.WORKERS_UNAVAILABLE


def _why(status: Status, progressing: Condition) -> str:
    """The condition that says what to do: with an invalid spec it is Seeded."""
    seeded = _get(status, "Seeded")
    return seeded.message if seeded.reason == progressing.reason else progressing.message


def _frozen(old: Status, new: Status) -> tuple[Event, ...]:
    before, now = _get(old, "RateLimited"), _get(new, "RateLimited")
    if now.status == "True" and (before.status != "True" or before.reason != now.reason):
        return (Event("Warning", now.reason, now.message),)
    if before.status == "True" and now.status == "False" and new.state != "Succeeded":
        return (Event("Normal", reasons.UNFROZEN, "Requests are allowed again."),)
    return ()


def _deadline(old: Status, new: Status) -> tuple[Event, ...]:
    before, now = _get(old, "DeadlineExceeded"), _get(new, "DeadlineExceeded")
    if now.status == "True" and before.status != "True":
        return (Event("Warning", reasons.DEADLINE_EXCEEDED, now.message),)
    return ()


def _succeeded(old: Status, new: Status) -> tuple[Event, ...]:
    before, now = _get(old, "Succeeded"), _get(new, "Succeeded")
    if now.status == "True" and before.status != "True":
        events = f"{number(new.artists)} artists, {number(new.artists_new)} of them new"
        done = f"{now.message} {number(new.searches)} searches found {events}."
        return (Event("Normal", reasons.SUCCEEDED, done),)
    if now.reason == reasons.REOPENED and before.status == "True":
        return (Event("Normal", reasons.REOPENED, now.message),)
    return ()
