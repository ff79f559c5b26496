"""Keeps the request log to its retention and to about the last 100,000 requests a job, and says where a job's is.

It refuses to delete rows: whole bins go. See migration 0002.
"""

from __future__ import annotations

from crawl_core.ledger.ledger import Ledger

FULL_BIN_BYTES = 1_600_000
"""Size at which a bin gets a successor: at most 25,000 rows, since none is smaller than 64 bytes."""

KEEP_CLOSED_BINS = 3
"""Closed bins a job keeps beside the one that fills: four bins are at most 100,000 rows."""


SPARE_AGE_S = 1.0
"""Seconds a bin is there before commits may write to it: far longer than a statement takes to begin."""


async def rotate(
    ledger: Ledger,
    *,
    full_bin_bytes: int = FULL_BIN_BYTES,
    keep_closed_bins: int = KEEP_CLOSED_BINS,
    spare_age_s: float = SPARE_AGE_S,
) -> int:
    """Open, use and drop bins as due; how many. Call it every few seconds: the log overshoots by what comes between.

    Costs a lookup when nothing is due. Several callers at once do no harm.
    """
    arguments = {"full_bytes": full_bin_bytes, "keep_closed": keep_closed_bins, "spare_s": spare_age_s}
    return int(await ledger.value("requests.rotate", arguments))


async def bins(ledger: Ledger, job_id: int) -> list[int]:
    """Where a job's part of the request log is."""
    return list(await ledger.value("requests.bins", {"job_id": job_id}))
