"""How long a 429 pauses a bucket. Pure; the bucket's script counts how often 429s go on.

Retry-After is not trusted blindly: APIs answer 0, text, nothing, or days, and a second again and again while they
mean an hour.
"""

from __future__ import annotations

import math

LONGEST_RETRY_AFTER_S = 48 * 3600.0
"""Seconds that a longer Retry-After is cut to. APIs do ask for a day; a week would be a mistake that stops a crawl."""
LONGEST_DOUBLED_S = 3600.0
"""Longest freeze, in seconds, that doubling leads to."""


def parse_retry_after(text: str | None) -> float | None:
    """A Retry-After header in seconds; None where it is not usable: missing, 0, negative or text."""
    try:
        seconds = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return _usable(seconds)


def asked_s(retry_after_s: float | None) -> float:
    """Seconds that the API asks for, as far as they are obeyed; 0 where it asks for none that can be used."""
    seconds = None if retry_after_s is None else _usable(retry_after_s)
    return 0.0 if seconds is None else min(seconds, LONGEST_RETRY_AFTER_S)


def doubling_s(window_s: float) -> tuple[float, float]:
    """Seconds of the first freeze of which the API says nothing, and those that doubling leads to."""
    first = min(window_s, LONGEST_RETRY_AFTER_S)
    return first, max(first, LONGEST_DOUBLED_S)


def freeze_duration_s(retry_after_s: float | None, window_s: float, consecutive: int) -> float:
    """Seconds that a 429 freezes the bucket after `consecutive` others without a success between.

    The first is as long as the API asks for. One that turned out too short is not obeyed to the letter again: from the
    second in a row the doubling counts as well, where it is longer.
    """
    asked = asked_s(retry_after_s)
    first, longest = doubling_s(window_s)
    if asked and not consecutive:
        return asked
    return max(asked, min(first * 2.0 ** min(consecutive, 40), longest))


def _usable(seconds: float) -> float | None:
    return seconds if seconds > 0 and not math.isnan(seconds) else None
