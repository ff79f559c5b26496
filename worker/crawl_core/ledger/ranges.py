"""Ranges: what is open, where each stands, and who owns it.

It refuses to lease: that is the frontier's. Here stands only what decides, the fence.
"""

from __future__ import annotations

from crawl_core.ledger.ledger import Ledger, Row
from crawl_core.values.cursors import cursor_of
from crawl_core.values.rows import RangeRow


async def open_ids(ledger: Ledger, job_id: int, *, after: int = 0, limit: int) -> list[int]:
    """Ids of open ranges beyond `after`, in order."""
    found = await ledger.rows("ranges.open_ids", {"job_id": job_id, "after": after, "max_rows": limit})
    return [row[0] for row in found]


async def count_open(ledger: Ledger, job_id: int) -> int:
    """How many ranges are open."""
    row = await ledger.row("ranges.count_open", {"job_id": job_id})
    return 0 if row is None else int(row[0])


async def read(ledger: Ledger, range_id: int) -> RangeRow | None:
    """One range as it stands, None where there is none."""
    row = await ledger.row("ranges.read", {"range_id": range_id})
    return None if row is None else _range(row)


async def take(ledger: Ledger, range_id: int, *, fence: int, owner: str, job_uid: str) -> RangeRow | None:
    """Own a range whose fence was read as `fence`. None: taken meanwhile, done, or its job is gone."""
    arguments = {"range_id": range_id, "fence": fence, "owner": owner, "job_uid": job_uid}
    row = await ledger.row("ranges.take", arguments)
    return None if row is None else _range(row)


def _range(row: Row) -> RangeRow:
    range_id, job_id, length, first, last, cursor, fence, state, counts_coverage = row
    return RangeRow(range_id, job_id, length, first, last, cursor_of(cursor), fence, state, counts_coverage)
