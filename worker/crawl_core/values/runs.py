"""A run: one crawl of a job's keyspace, as the ledger has it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A run, with what it has counted so far, or had when it ended."""

    id: int
    number: int
    started_at: datetime
    finished_at: datetime | None
    total: int
    """Strings of the keyspace."""
    covered: int
    searches: int
    requests: int
    artists: int
    artists_new: int
    """Of those, the ones that the source had not had before."""
    added: int | None
    """Artists that the run before had not returned; None: not ended, the first, or the one before is deleted."""
    gone: int | None
    """Artists that only the run before had returned."""
    dead_letters: int
    incomplete: int
    data_deleted_at: datetime | None
