"""A string that was given up, as people see it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A string that was given up. `replaying`: a range that searches it again is open."""

    string: str
    reason: str
    attempts: int
    last_error: str
    at_us: int
    replaying: bool
