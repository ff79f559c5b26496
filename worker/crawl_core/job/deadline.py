"""When a run should be done, and whether the crawl rests because that has passed. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from crawl_core.spec import Spec


def due_at(spec: Spec, started_at: datetime) -> datetime | None:
    """The deadline of a run that started then; None where there is none, or none within any calendar."""
    if spec.deadline is None:
        return None
    try:
        return started_at + timedelta(seconds=spec.deadline.seconds)
    except OverflowError:
        return None


def passed(spec: Spec, *, started_at: datetime | None, now: datetime, is_covered: bool) -> bool:
    """Whether the deadline has passed and suspends the crawl. `started_at`: None before the run is recorded.

    `is_covered`: only strings that are to be searched again are left, perhaps long after the run had ended in time.
    """
    if spec.deadline_policy != "Suspend" or started_at is None or is_covered:
        return False
    due = due_at(spec, started_at)
    return due is not None and now > due


def rests(spec: Spec, *, started_at: datetime | None, now: datetime, is_covered: bool) -> bool:
    """Whether nothing is to be requested: the user suspended the crawl, or its deadline does."""
    return spec.suspend or passed(spec, started_at=started_at, now=now, is_covered=is_covered)
