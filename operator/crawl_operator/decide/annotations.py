"""What a user asks for once, by an annotation on the CrawlJob: dead letters again, the end of a freeze, a run's data
deleted. Pure.

A value that was not seen before is a request, and status.handled remembers it, so nothing is done twice for one value.
A restart is none of these: it is part of the template's digest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from crawl_core.spec.status import Handled
from crawl_core.values.jobs import JobRow
from crawl_operator.decide.phase import Phase, PhasedCrawl, is_moving
from crawl_operator.decide.runs import uncompared
from crawl_operator.values import reasons
from crawl_operator.values.model import Action, DeleteRun, Event, ReplayDeadLetters, Unfreeze
from crawl_operator.values.names import ANNOTATION_DELETE_RUN, ANNOTATION_RETRY_DEAD_LETTERS, ANNOTATION_UNFREEZE

_VALUE_CHARACTERS = 256
_NUMBER = re.compile(r"[0-9]{1,9}(?![0-9])")
INCOMPLETE = "incomplete"
"""What a value of retry-dead-letters ends with that asks for the strings with fewer results than their total says."""


@dataclass(frozen=True, slots=True)
class AnnotationActions:
    """What follows from the annotations."""

    handled: Handled | None
    """To be remembered, once it is done."""
    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()


def annotation_actions(crawl: PhasedCrawl) -> AnnotationActions:
    """What is asked for and was not done yet. It waits where the backends are out of reach."""
    before = crawl.stored.handled
    if crawl.phase is Phase.INVALID or crawl.trouble is not None or crawl.row is None or is_moving(crawl.observation):
        return AnnotationActions(handled=before)
    done = before or Handled()
    replay = _new_value(crawl, ANNOTATION_RETRY_DEAD_LETTERS, done.retry_dead_letters)
    unfreeze = _new_value(crawl, ANNOTATION_UNFREEZE, done.unfreeze)
    deletion = _new_value(crawl, ANNOTATION_DELETE_RUN, done.delete_run)
    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()
    if replay is not None:
        done = done.model_copy(update={"retry_dead_letters": replay})
        actions, events = (*actions, _replay(crawl.row.id, replay)), (*events, _replay_event(crawl, replay))
    if unfreeze is not None:
        done = done.model_copy(update={"unfreeze": unfreeze})
        bucket = crawl.row.bucket
        actions, events = (*actions, *([Unfreeze(bucket)] if bucket else [])), (*events, _unfreeze_event(bucket))
    if deletion is not None and not _awaits_comparison(crawl, deletion):
        done = done.model_copy(update={"delete_run": deletion})
        action, event = _delete_run(crawl.row, deletion)
        actions, events = (*actions, *action), (*events, event)
    return AnnotationActions(handled=before if done == (before or Handled()) else done, actions=actions, events=events)


def has_unhandled_annotation(crawl: PhasedCrawl) -> bool:
    """Whether something is asked for that was not done yet."""
    done = crawl.stored.handled or Handled()
    asked_for = (
        (ANNOTATION_RETRY_DEAD_LETTERS, done.retry_dead_letters),
        (ANNOTATION_UNFREEZE, done.unfreeze),
        (ANNOTATION_DELETE_RUN, done.delete_run),
    )
    return any(_new_value(crawl, annotation, value) is not None for annotation, value in asked_for)


def _new_value(crawl: PhasedCrawl, annotation: str, done: str | None) -> str | None:
    """The annotation's value where it was not acted on yet."""
    value = crawl.observation.crawljob.annotations.get(annotation, "")[:_VALUE_CHARACTERS]
    return value if value and value != done else None


def _replay(job_id: int, value: str) -> ReplayDeadLetters:
    return ReplayDeadLetters(job_id, incomplete=value.endswith(INCOMPLETE))


def _replay_event(crawl: PhasedCrawl, value: str) -> Event:
    if value.endswith(INCOMPLETE):
        strings = 0 if crawl.progress is None else crawl.progress.incomplete
        what = f"Search {strings} incomplete strings again" if strings else "There are no incomplete strings to search"
        return Event("Normal", reasons.DEAD_LETTERS_REPLAYED, f"{what}, as the annotation asks.")
    letters = 0 if crawl.progress is None else crawl.progress.dead_letters
    message = f"Search {letters} dead letters again" if letters else "There are no dead letters to search again"
    return Event("Normal", reasons.DEAD_LETTERS_REPLAYED, f"{message}, as the annotation asks.")


def _awaits_comparison(crawl: PhasedCrawl, value: str) -> bool:
    """Whether the run is about to be compared with another one: then its rows are still needed."""
    written = _NUMBER.match(value)
    return written is not None and int(written[0]) in uncompared(crawl)


def _delete_run(row: JobRow, value: str) -> tuple[tuple[Action, ...], Event]:
    """What is done about a run whose rows are to go, and what is said of it."""
    written = _NUMBER.match(value)
    if written is None:
        problem = f"{ANNOTATION_DELETE_RUN}: {value!r} begins with no number; write the number of the run, such as 1"
        return (), Event("Warning", reasons.RUN_NOT_DELETED, f"{problem}.")
    number = int(written[0])
    if number == row.run:
        problem = f"Run {number} is the current one, and its rows stay. They can be deleted once a later run has begun"
        return (), Event("Warning", reasons.RUN_NOT_DELETED, f"{problem}, by another value of the annotation.")
    if number > row.run:
        problem = f"There is no run {number} yet; the current one is run {row.run}"
        return (), Event("Warning", reasons.RUN_NOT_DELETED, f"{problem}.")
    message = f"The rows of run {number} are being deleted from the ledger. Its counts stay, and artists too."
    return (DeleteRun(row.id, number),), Event("Normal", reasons.RUN_DELETED, message)


def _unfreeze_event(bucket: str | None) -> Event:
    if bucket is None:
        message = (
            "Each node has a limit of its own here: run artistcrawl unfreeze node:ADDRESS for the one that is frozen."
        )
        return Event("Warning", reasons.UNFREEZE_REQUESTED, message)
    return Event("Normal", reasons.UNFREEZE_REQUESTED, f"Lift the freeze of bucket {bucket}, as the annotation asks.")
