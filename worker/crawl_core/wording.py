"""How numbers, spans of time and instants are written for people, so that every view writes them alike."""

from __future__ import annotations

import time


def number(value: int | float) -> str:
    """12,345: thousands apart, no fraction."""
    return f"{value:,.0f}"


def duration(seconds: float) -> str:
    """A span of time as a person says it: 8 s, 3 min 20 s, 5 h 10 min, 58 d 7 h."""
    whole = round(seconds)
    days, hours, minutes, rest = whole // 86_400, whole // 3_600 % 24, whole // 60 % 60, whole % 60
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    while len(parts) > 1 and parts[0][0] == 0:
        parts.pop(0)
    return " ".join(f"{amount} {unit}" for amount, unit in parts[:2] if amount or unit == parts[0][1])


def instant(epoch_s: float, *, now_s: float | None = None) -> str:
    """An instant (seconds since 1970) as a clock on the wall shows it, with the day unless it is today."""
    local, today = time.localtime(epoch_s), time.localtime(now_s)
    return time.strftime("%H:%M:%S" if local[:3] == today[:3] else "%b %d %H:%M", local)
