"""How far a job is, in the ledger's counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """All of a job's counts, as of one instant."""

    covered: int
    total: int
    open_ranges: int
    done_ranges: int
    searches: int
    requests: int
    artists: int
    artists_new: int
    truncated: int
    dead_letters: int
    retries: int
    rate_limited: int
    last_commit_at: datetime | None
    requests_last_minute: int
    incomplete: int = 0
    """Strings that ended with fewer results than their total said."""
    latency_s: float | None = None
    """How long requests of the last five minutes took, answered or not; None where there were none."""

    @property
    def is_covered(self) -> bool:
        """Whether each string of the keyspace has its result: what is left is searched again."""
        return self.covered >= self.total
