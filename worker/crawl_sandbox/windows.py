"""The sandbox's own rate limit, and how many requests arrived in any window, both by arrival.

A window is (t - W, t]: of N + 1 arrivals, the last may come exactly W after the first. Only what was accepted takes a
place in it: what Spotify does about refused requests is not known, and an honest client must not be punished for
learning.

When the limit changes, the places taken before go on counting, for the new W (what the old W had already forgotten
stays forgotten). The statistics instead start anew at every change and judge only windows that begin after it:
a window across a change has no one limit. The periods are kept, so a sum over them is exact whatever changed.
No clock is read here: instants are handed in, as whole microseconds, and never run backwards.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from crawl_sandbox.errors import OptionError

_LIMIT = re.compile(r"(\d+)/((?:\d+(?:\.\d+)?(?:ms|s|m|h))+)")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNIT_US = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000}


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `requests` arrivals in any `window_us`."""

    requests: int
    window_us: int
    text: str

    @classmethod
    def parse(cls, text: str) -> Limit | None:
        """Read `10/30s` or `10/1m30s`; `none` is no limit."""
        if text == "none":
            return None
        match = _LIMIT.fullmatch(text)
        requests, window = (int(match[1]), match[2]) if match else (0, "")
        window_us = round(sum(float(number) * _UNIT_US[unit] for number, unit in _PART.findall(window)))
        if requests < 1 or window_us < 1:
            raise OptionError(f"limit {text!r}: write requests/window such as 10/30s or 50/500ms, or none")
        return cls(requests, window_us, text)


@dataclass(slots=True)
class Door:
    """What one client (or peer) did since the limit last changed, and the places it has taken."""

    arrivals: int = 0
    accepted: int = 0
    rate_limited: int = 0
    max_in_window: int = 0
    windows_over_limit: int = 0
    _recent_us: deque[int] = field(default_factory=deque, repr=False)
    _taken_us: deque[int] = field(default_factory=deque, repr=False)

    def arrive(self, now_us: int, limit: Limit | None) -> None:
        """Count an arrival, whatever becomes of it."""
        self.arrivals += 1
        if limit is None:
            return
        recent = self._recent_us
        recent.append(now_us)
        gone_us = now_us - limit.window_us
        while recent[0] <= gone_us:
            recent.popleft()
        in_window = len(recent)
        if in_window > self.max_in_window:
            self.max_in_window = in_window
        if in_window > limit.requests:
            self.windows_over_limit += 1

    def admit(self, now_us: int, limit: Limit | None) -> int:
        """Take a place: 0 when there was one, else the seconds after which to try again, rounded up."""
        if limit is not None:
            taken = self._taken_us
            gone_us = now_us - limit.window_us
            while taken and taken[0] <= gone_us:
                taken.popleft()
            if len(taken) >= limit.requests:
                self.rate_limited += 1
                # The place that must be free is the one whose going leaves fewer than the limit.
                free_us = taken[len(taken) - limit.requests] + limit.window_us
                return -((now_us - free_us) // 1_000_000)
            taken.append(now_us)
        self.accepted += 1
        return 0

    def begin_period(self) -> None:
        """Forget the windows that began before now; the places taken stay taken."""
        self._recent_us.clear()
        self.max_in_window = self.windows_over_limit = 0


class Doors:
    """All clients, the limit in force for each of them, and the periods of earlier limits."""

    def __init__(self, limit: Limit | None, *, now_us: int) -> None:
        self.limit = limit
        self.by_key: dict[str, Door] = {}
        self._since_us = now_us
        self._past: list[dict[str, Any]] = []

    def of(self, key: str) -> Door:
        """Return the door of a client id or peer address."""
        door = self.by_key.get(key)
        if door is None:
            door = self.by_key[key] = Door()
        return door

    def change_limit(self, limit: Limit | None, *, now_us: int) -> None:
        """Put another limit in force."""
        self._past.append(self._period())
        for door in self.by_key.values():
            door.begin_period()
        self.limit, self._since_us = limit, now_us

    def clear(self, *, now_us: int) -> None:
        """Forget everybody: all counts, and the places taken."""
        self._past.clear()
        self._since_us = now_us
        self.by_key.clear()

    def report(self) -> dict[str, Any]:
        """Return the totals, the periods, and the clients one by one (their windows: in this period)."""
        periods = [*self._past, self._period()]
        doors = self.by_key
        return {
            "accepted": sum(door.accepted for door in doors.values()),
            "rate_limited": sum(door.rate_limited for door in doors.values()),
            "max_in_window": max(period["max_in_window"] for period in periods),
            "windows_over_limit": sum(period["windows_over_limit"] for period in periods),
            "periods": periods,
            "clients": {
                key: {
                    "arrivals": door.arrivals,
                    "accepted": door.accepted,
                    "rate_limited": door.rate_limited,
                    "max_in_window": door.max_in_window,
                    "windows_over_limit": door.windows_over_limit,
                }
                for key, door in doors.items()
            },
        }

    def _period(self) -> dict[str, Any]:
        doors = self.by_key.values()
        return {
            "limit": self.limit.text if self.limit else "none",
            "since_s": self._since_us / 1e6,
            "max_in_window": max((door.max_in_window for door in doors), default=0),
            "windows_over_limit": sum(door.windows_over_limit for door in doors),
        }
