"""What goes into the ledger and comes out of it, as values. Fields have the names of the ledger's columns."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Cursor(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where a range goes on. Everything before it is committed.

    Stored and compared as jsonb without its defaults, so that a field added later leaves stored cursors equal.
    """

    string: str
    offset: int = 0
    total: int | None = None
    """Results of the string, as its first page says."""
    first_at_us: int | None = None
    """When the string's first page came, in us since 1970."""
    pages: int = 0
    results: int = 0
    """Items on the string's pages up to here."""
    batch: int = 0
    """Counts the range's commits, so that no two of its cursors are equal: equal ones could not tell whether a commit
    landed."""


class RangeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One range, as it stands in the ledger."""

    id: int
    run_id: int
    length: int
    first: str
    last: str
    cursor: Cursor | None
    fence: int
    state: str
    counts_coverage: bool


class SearchRow(msgspec.Struct, frozen=True):
    """A finished search: one row a string."""

    string: str
    pages: int
    total: int
    truncated: bool
    results: int
    finished_at_us: int


class ArtistRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a batch knows of one artist. None stands for a field that the answer did not have; it overwrites nothing."""

    id: str
    name: str
    popularity: int | None
    followers: int | None
    genres: list[str] | None
    images: Sequence[object] | None
    """Anything that encodes as JSON objects."""
    first_query: str
    seen_at_us: int


class RequestRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """One request. `status` is None where no answer came."""

    at_us: int
    string: str
    page_offset: int
    page_size: int
    status: int | None
    outcome: str
    duration_s: float
    worker: str


class DeadLetterRow(msgspec.Struct, frozen=True):
    """A string that was given up."""

    string: str
    reason: str
    attempts: int
    last_error: str
    at_us: int


class ChildRange(msgspec.Struct, frozen=True):
    """A range of the strings that begin with a truncated one."""

    length: int
    first: str
    last: str


class Counters(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch adds to its range's counters. The statement counts searches and artists itself."""

    requests: int = 0
    retries: int = 0
    rate_limited: int = 0
    covered: int = 0


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """All that a worker learnt in one range since its last commit.

    `expected` is where the range stood then, `cursor` where it stands now; None: it is done.
    """

    run_id: int
    range_id: int
    owner: str
    fence: int
    expected: Cursor
    cursor: Cursor | None
    searches: list[SearchRow] = []
    artists: list[ArtistRow] = []
    requests: list[RequestRow] = []
    dead_letters: list[DeadLetterRow] = []
    children: list[ChildRange] = []
    counters: Counters = Counters()


class Committed(msgspec.Struct, frozen=True, kw_only=True):
    """What a commit did: ids of the child ranges it made; artists not returned to this run before, those not known
    of this source before, and how many of the ledger's artists it wrote."""

    children: list[int]
    artists: int
    artists_new: int
    artists_written: int
