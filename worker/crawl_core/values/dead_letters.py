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


@dataclass(frozen=True, slots=True, kw_only=True)
class IncompleteSearch:
    """A string that ended with fewer results than its total said. `replaying`: as of a dead letter."""

    string: str
    results: int
    total: int
    replaying: bool
