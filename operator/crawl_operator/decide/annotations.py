"""What a user asks for once, by an annotation on the CrawlJob: dead letters again, the end of a freeze. Pure.

A value that was not seen before is a request; status.handled remembers it. A restart is none of these: it is part of
the template's digest. It refuses to do anything twice for one value.
"""

from __future__ import annotations

from dataclasses import dataclass

from crawl_core.spec.status import Handled
from crawl_operator.decide.phase import Case, Phase, is_moving
from crawl_operator.values import reasons
from crawl_operator.values.model import Note, ReplayDeadLetters, Step, Unfreeze
from crawl_operator.values.names import ANNOTATION_RETRY_DEAD_LETTERS, ANNOTATION_UNFREEZE

_VALUE_CHARACTERS = 256


@dataclass(frozen=True, slots=True)
class Asked:
    """What follows from the annotations."""

    handled: Handled | None
    """To be remembered, once it is done."""
    steps: tuple[Step, ...] = ()
    notes: tuple[Note, ...] = ()


def asked(case: Case) -> Asked:
    """What is asked for and was not done yet. It waits where the backends are out of reach."""
    before = case.old.handled
    if case.phase is Phase.INVALID or case.trouble is not None or case.row is None or is_moving(case.seen):
        return Asked(handled=before)
    done = before or Handled()
    replay = _new_value(case, ANNOTATION_RETRY_DEAD_LETTERS, done.retry_dead_letters)
    unfreeze = _new_value(case, ANNOTATION_UNFREEZE, done.unfreeze)
    steps: tuple[Step, ...] = ()
    notes: tuple[Note, ...] = ()
    if replay is not None:
        done = done.model_copy(update={"retry_dead_letters": replay})
        steps, notes = (*steps, ReplayDeadLetters(case.row.id)), (*notes, _replay_note(case))
    if unfreeze is not None:
        done = done.model_copy(update={"unfreeze": unfreeze})
        bucket = case.row.bucket
        steps, notes = (*steps, *([Unfreeze(bucket)] if bucket else [])), (*notes, _unfreeze_note(bucket))
    return Asked(handled=before if done == (before or Handled()) else done, steps=steps, notes=notes)


def is_asked(case: Case) -> bool:
    """Whether something is asked for that was not done yet."""
    done = case.old.handled or Handled()
    asked_for = ((ANNOTATION_RETRY_DEAD_LETTERS, done.retry_dead_letters), (ANNOTATION_UNFREEZE, done.unfreeze))
    return any(_new_value(case, annotation, value) is not None for annotation, value in asked_for)


def _new_value(case: Case, annotation: str, done: str | None) -> str | None:
    """The annotation's value where it was not acted on yet."""
    value = case.seen.crawljob.annotations.get(annotation, "")[:_VALUE_CHARACTERS]
    return value if value and value != done else None


def _replay_note(case: Case) -> Note:
    letters = 0 if case.progress is None else case.progress.dead_letters
    message = f"Search {letters} dead letters again" if letters else "There are no dead letters to search again"
    return Note("Normal", reasons.DEAD_LETTERS_REPLAYED, f"{message}, as the annotation asks.")


def _unfreeze_note(bucket: str | None) -> Note:
    if bucket is None:
        message = (
            "Each node has a limit of its own here: run artistcrawl unfreeze node:ADDRESS for the one that is frozen."
        )
        return Note("Warning", reasons.UNFREEZE_REQUESTED, message)
    return Note("Normal", reasons.UNFREEZE_REQUESTED, f"Lift the freeze of bucket {bucket}, as the annotation asks.")
