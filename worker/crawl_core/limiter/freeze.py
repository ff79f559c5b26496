"""How long a 429 pauses a bucket. Pure; the bucket's script counts how often 429s go on.

Retry-After is not trusted blindly: APIs answer 0, text, nothing, or days.
"""

from __future__ import annotations

import math

LONGEST_RETRY_AFTER_S = 48 * 3600.0
"""Seconds that a longer Retry-After is cut to. APIs do ask for a day; a week would be a mistake that stops a crawl."""
LONGEST_DOUBLED_S = 3600.0
"""Longest freeze, in seconds, that doubling leads to where there is no usable Retry-After."""


def parse_retry_after(text: str | None) -> float | None:
    """A Retry-After header in seconds; None where it is not usable: missing, 0, negative or text."""
    try:
        seconds = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return _usable(seconds)


def freeze_bounds_s(retry_after_s: float | None, window_s: float) -> tuple[float, float]:
    """Seconds that the first freeze lasts, and that it may grow to while 429s go on. Equal: it does not grow."""
    if retry_after_s is not None and (seconds := _usable(retry_after_s)) is not None:
        exact = min(seconds, LONGEST_RETRY_AFTER_S)
        return exact, exact
    first = min(window_s, LONGEST_RETRY_AFTER_S)
    return first, max(first, LONGEST_DOUBLED_S)


def freeze_duration_s(retry_after_s: float | None, window_s: float, consecutive: int) -> float:
    """Seconds that a 429 freezes the bucket after `consecutive` others, each soon after the freeze before it ended."""
    first, longest = freeze_bounds_s(retry_after_s, window_s)
    return min(first * 2.0 ** min(consecutive, 40), longest)


def _usable(seconds: float) -> float | None:
    return seconds if seconds > 0 and not math.isnan(seconds) else None
