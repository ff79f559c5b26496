"""Conditions by the conventions of the Kubernetes API: what each aspect is now, put beside what it was.

Pure. It refuses to decide what holds: that stands in `aspects`. Server-side apply keeps no time of a transition, so it
is taken from the old conditions here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from crawl_core.job.verdicts import Standing, Truth, Verdict
from crawl_core.spec.status import Condition
from crawl_operator.values.instants import instant_of, instant_text

_MESSAGE_CHARACTERS = 2048


@dataclass(frozen=True, slots=True)
class Aspect:
    """Whether something holds, why, and what to do about it. A message has no numbers that change each round."""

    status: Truth
    reason: str
    message: str = ""


def condition(conditions: Iterable[Condition], kind: str) -> Condition | None:
    """The condition of a type, None where there is none."""
    return next((each for each in conditions if each.type == kind), None)


def aspect(conditions: Iterable[Condition], kind: str) -> Aspect | None:
    """What a condition said."""
    found = condition(conditions, kind)
    return None if found is None else Aspect(found.status, found.reason, found.message)


def standing(conditions: Iterable[Condition], kind: str) -> Standing | None:
    """The verdict that a condition holds, and since when; None where there is none, or no time."""
    written = condition(conditions, kind)
    since = None if written is None else instant_of(written.last_transition_time)
    if written is None or since is None:
        return None
    return Standing(Verdict(written.status, written.reason), since)


def assembled(
    aspects: Mapping[str, Aspect], *, before: Iterable[Condition], now: datetime, generation: int | None
) -> tuple[Condition, ...]:
    """The conditions as they are written: a time of transition is kept while the status stays."""
    known = {each.type: each for each in before}
    return tuple(
        Condition(
            type=kind,
            status=each.status,
            reason=each.reason,
            message=each.message[:_MESSAGE_CHARACTERS],
            last_transition_time=_since(each, known.get(kind), now),
            # Absent where it is not known: null is refused.
            **({} if generation is None else {"observed_generation": generation}),
        )
        for kind, each in aspects.items()
    )


def _since(now_is: Aspect, was: Condition | None, now: datetime) -> str:
    return was.last_transition_time if was is not None and was.status == now_is.status else instant_text(now)
