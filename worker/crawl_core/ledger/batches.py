"""Commits what a worker found, once. The rule stands in `sql/batches.sql`.

It refuses to retry: after a lost acknowledgement `landed` tells what to do.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from crawl_core.errors import BatchRefusedError
from crawl_core.ledger.ledger import Ledger
from crawl_core.values.cursors import cursor_of, cursor_text
from crawl_core.values.rows import Batch, Committed

_encode = msgspec.json.Encoder().encode


def _rows(rows: Sequence[msgspec.Struct]) -> str:
    try:
        return _encode(rows).decode()
    except (UnicodeEncodeError, OverflowError) as error:
        raise BatchRefusedError(f"JSON cannot carry the data: {error}") from error


async def commit(ledger: Ledger, batch: Batch) -> Committed | None:
    """Commit a batch and its cursor. None: refused, since the range is somebody else's or stands elsewhere.

    Raises BatchRefusedError for data that PostgreSQL does not take, and LedgerUnavailableError when it is not known
    whether the batch landed.
    """
    return await ledger.row("batches.commit", arguments_of(batch), into=_committed)


def _committed(*, children: list[int] | None, artists: int, artists_new: int, artists_written: int) -> Committed:
    return Committed(children=children or [], artists=artists, artists_new=artists_new, artists_written=artists_written)


def arguments_of(batch: Batch) -> dict[str, object]:
    """A batch as the statement takes it."""
    counters = batch.counters
    return {
        "range_id": batch.range_id,
        "owner": batch.owner,
        "fence": batch.fence,
        "expected": cursor_text(batch.expected),
        "cursor": cursor_text(batch.cursor),
        "searches": _rows(batch.searches),
        "artists": _rows(batch.artists),
        "requests": _rows(batch.requests),
        "dead_letters": _rows(batch.dead_letters),
        "children": _rows(batch.children),
        "new_requests": counters.requests,
        "retries": counters.retries,
        "rate_limited": counters.rate_limited,
        "covered": counters.covered,
    }


async def landed(ledger: Ledger, batch: Batch) -> bool | None:
    """Whether a batch is in the ledger. Waits for a commit in flight.

    True: it is. False: it is not, the range is mine and stands where the batch began, so it may be sent again. None:
    the range is somebody else's or stands elsewhere; drop the batch and claim anew.
    """
    arguments = {"range_id": batch.range_id, "owner": batch.owner, "fence": batch.fence}
    mine = await ledger.row("batches.landed", arguments, into=dict[str, object])
    if mine is None:
        return None
    cursor = cursor_of(mine["cursor"])
    if cursor == batch.cursor:
        return True
    return False if cursor == batch.expected else None
