"""Conditions by the conventions of the Kubernetes API: each value of now, put beside the record that was written. Pure.

What holds is decided in `conditions`. Server-side apply keeps no time of a transition, so that time is taken from the
old records here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from crawl_core.job.verdicts import Standing, Truth, Verdict
from crawl_core.spec.status import Condition
from crawl_core.text import clean
from crawl_operator.values.instants import instant_of, instant_text

_MESSAGE_CHARACTERS = 2048


@dataclass(frozen=True, slots=True)
class ConditionValue:
    """Whether something holds, why, and what to do about it. A message has no numbers that change each round."""

    status: Truth
    reason: str
    message: str = ""


def condition(conditions: Iterable[Condition], kind: str) -> Condition | None:
    """The condition of a type, None where there is none."""
    return next((record for record in conditions if record.type == kind), None)


def condition_value(conditions: Iterable[Condition], kind: str) -> ConditionValue | None:
    """What a condition said."""
    written = condition(conditions, kind)
    return None if written is None else ConditionValue(written.status, written.reason, written.message)


def standing(conditions: Iterable[Condition], kind: str) -> Standing | None:
    """The verdict that a condition holds, and since when; None where there is none, or no time."""
    written = condition(conditions, kind)
    since = None if written is None else instant_of(written.last_transition_time)
    if written is None or since is None:
        return None
    return Standing(Verdict(written.status, written.reason), since)


def condition_records(
    values: Mapping[str, ConditionValue], *, before: Iterable[Condition], now: datetime, generation: int | None
) -> tuple[Condition, ...]:
    """The conditions as they are written: a time of transition is kept while the status stays."""
    written = {record.type: record for record in before}
    return tuple(
        Condition(
            type=kind,
            status=value.status,
            reason=value.reason,
            message=clean(value.message, _MESSAGE_CHARACTERS),
            last_transition_time=_since(value, written.get(kind), now),
            # Absent where it is not known: null is refused.
            **({} if generation is None else {"observed_generation": generation}),
        )
        for kind, value in values.items()
    )


def _since(value: ConditionValue, before: Condition | None, now: datetime) -> str:
    return before.last_transition_time if before is not None and before.status == value.status else instant_text(now)
