"""How much of a job is done, and when it will be done if it goes on as it does. Pure.

An estimate wavers with each commit. Here it stays what it was until it is clearly another one, and is rounded to what
is known of it: a status that is written for each second of an estimate would be written for ever.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from crawl_core.values.progress import Progress

RECENTLY = timedelta(minutes=1)
"""Time for which a commit says that a crawl moves, and that the last minute's requests must be those of."""

_WAVERING = 0.05
"""Share of the time left by which an estimate may change and be kept all the same."""
_LONGEST_ESTIMATE_S = 20 * 365 * 86_400.0


def percentage(*, covered: int, total: int, finished: bool) -> str:
    """The share covered, such as 42.31%: rounded down, and 100.00% of a finished job only."""
    if finished:
        return "100.00%"
    hundredths = min(covered * 10_000 // max(1, total), 9_999)
    return f"{hundredths // 100}.{hundredths % 100:02}%"


def seconds_left(progress: Progress, *, covered_per_s: float | None, age: timedelta) -> float | None:
    """Seconds until all is covered at `covered_per_s`; None where that cannot be said, or nothing is left.

    Without a measured rate (None) it goes by the last minute's requests, of a job whose `age` is a minute or more: a
    younger one has not had that minute.
    """
    left = progress.total - progress.covered
    if left <= 0:
        return None
    per_s = covered_per_s
    if per_s is None and progress.covered and progress.requests and age >= RECENTLY:
        per_s = progress.requests_last_minute / 60 * progress.covered / progress.requests
    # Not `per_s <= 0`: a rate that is no number is none.
    if not per_s or not per_s > 0 or left / per_s > _LONGEST_ESTIMATE_S:
        return None
    return left / per_s


def estimated_end(left_s: float, *, now: datetime, before: datetime | None) -> datetime:
    """When all is covered; `before`, the estimate until now, where that is still about right. Aware datetimes."""
    moment = now + timedelta(seconds=left_s)
    wavering = timedelta(seconds=max(30.0, left_s * _WAVERING))
    if before is not None and before > now and abs(before - moment) <= wavering:
        return before
    step_s = _step_s(left_s)
    return datetime.fromtimestamp(math.ceil(moment.timestamp() / step_s) * step_s, UTC)


def _step_s(left_s: float) -> int:
    """What an estimate is rounded up to: coarser where the end is farther away."""
    return 10 if left_s < 600 else 60 if left_s < 6 * 3600 else 600 if left_s < 2 * 86_400 else 3600
