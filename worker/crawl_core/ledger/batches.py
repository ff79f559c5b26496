"""Commits what a worker learnt, once. The rules, with their reasons, stand in `sql/batches.sql`.

Nothing is sent again here. After a lost acknowledgement nobody knows whether the batch is in the ledger; a batch that
is sent again blindly would lose to itself and be dropped. `landed` asks the ledger
(test_landed_waits_for_a_commit_in_flight_and_then_says_true).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from crawl_core.errors import BatchRefusedError
from crawl_core.ledger.ledger import Ledger
from crawl_core.text import clean
from crawl_core.values.cursors import cursor_of, cursor_text
from crawl_core.values.rows import Batch, Committed

_SHOWN_CHARACTERS = 300

_encode = msgspec.json.Encoder().encode


def _rows(rows: Sequence[msgspec.Struct]) -> str:
    return _encode(rows).decode()


async def commit(ledger: Ledger, batch: Batch) -> Committed | None:
    """Commit a batch and its cursor. None: nothing was written, since the range has another owner or stands elsewhere.

    Raises BatchRefusedError for data that PostgreSQL does not take, and LedgerUnavailableError when it is not known
    whether the batch landed.
    """
    return await ledger.row("batches.commit", arguments_of(batch), into=_committed, run_id=batch.run_id)


def _committed(*, children: list[int] | None, artists: int, artists_new: int, artists_written: int) -> Committed:
    return Committed(children=children or [], artists=artists, artists_new=artists_new, artists_written=artists_written)


def arguments_of(batch: Batch) -> dict[str, object]:
    """The statement's arguments for a batch. Raises BatchRefusedError for what JSON cannot carry."""
    try:
        return _arguments_of(batch)
    except (ValueError, TypeError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        # A surrogate pair's half, an integer beyond 64 bits, a value within itself.
        reason = clean(f"{type(error).__name__}: {error}", _SHOWN_CHARACTERS)
        raise BatchRefusedError(f"JSON cannot carry the data: {reason}") from error


def _arguments_of(batch: Batch) -> dict[str, object]:
    counters = batch.counters
    return {
        "range_id": batch.range_id,
        "owner": batch.owner,
        "fence": batch.fence,
        "expected": cursor_text(batch.expected),
        "cursor": cursor_text(batch.cursor),
        "searches": _rows(batch.searches),
        "artists": _rows(batch.artists),
        "artist_ids": [artist.id for artist in batch.artists],
        "requests": _rows(batch.requests),
        "dead_letters": _rows(batch.dead_letters),
        "children": _rows(batch.children),
        "new_requests": counters.requests,
        "retries": counters.retries,
        "rate_limited": counters.rate_limited,
        "covered": counters.covered,
    }


async def landed(ledger: Ledger, batch: Batch) -> bool | None:
    """Whether a batch is in the ledger. Waits for a commit of the range that is in flight.

    True: it is. False: it is not, and the range still is its owner's and stands where the batch began, so the batch may
    be sent again. None: the range has another owner or stands elsewhere; drop the batch and claim anew.
    """
    arguments = {"range_id": batch.range_id, "owner": batch.owner, "fence": batch.fence}
    mine = await ledger.row("batches.landed", arguments, into=dict[str, object])
    if mine is None:
        return None
    cursor = cursor_of(mine["cursor"])
    if cursor == batch.cursor:
        return True
    return False if cursor == batch.expected else None
