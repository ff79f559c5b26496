"""Ranges: what is open, where each stands, and who owns it.

Leases are the frontier's, and only keep workers apart. What decides who may commit is the fence here: a number that
grows with each claim, so that a claimer that slept past its lease cannot throw out the rightful owner
(test_a_claimer_that_slept_past_its_lease_cannot_throw_out_the_owner).
"""

from __future__ import annotations

from typing import Any

from crawl_core.ledger.ledger import Ledger
from crawl_core.values.cursors import cursor_of
from crawl_core.values.rows import RangeRow


async def open_ids(ledger: Ledger, job_id: int, *, after: int = 0, limit: int) -> list[int]:
    """Ids of open ranges after the id `after`, in order."""
    return await ledger.values("ranges.open_ids", {"job_id": job_id, "after": after, "max_rows": limit})


async def count_open(ledger: Ledger, job_id: int) -> int:
    """How many ranges are open."""
    return int(await ledger.value("ranges.count_open", {"job_id": job_id}))


async def read(ledger: Ledger, range_id: int) -> RangeRow | None:
    """One range as it stands, None where there is none."""
    return await ledger.row("ranges.read", {"range_id": range_id}, into=_range)


async def take(ledger: Ledger, range_id: int, *, fence: int, owner: str, job_uid: str) -> RangeRow | None:
    """Own a range whose fence was read as `fence`. None: another took it meanwhile, it is done, or its job is gone."""
    arguments = {"range_id": range_id, "fence": fence, "owner": owner, "job_uid": job_uid}
    return await ledger.row("ranges.take", arguments, into=_range)


def _range(*, cursor: object, **columns: Any) -> RangeRow:
    return RangeRow(cursor=cursor_of(cursor), **columns)
