"""Keeps the request log to its retention and to about the last 100,000 requests a job.

Rows are never deleted one by one; whole bins (partitions) are dropped. See migration 0002.
"""

from __future__ import annotations

from crawl_core.ledger.ledger import Ledger

FULL_BIN_BYTES = 1_600_000
"""Size at which a bin gets a successor: at most 25,000 rows, since none is smaller than 64 bytes."""

KEEP_CLOSED_BINS = 3
"""Closed bins that a job keeps beside the one that fills: four bins are at most 100,000 rows."""

SPARE_AGE_S = 1.0
"""Seconds that a bin exists before commits may write to it: far longer than a statement takes to begin. One that began
before the bin was attached, and took its snapshot after, would see a bin that it cannot write to."""


async def rotate(
    ledger: Ledger,
    *,
    full_bin_bytes: int = FULL_BIN_BYTES,
    keep_closed_bins: int = KEEP_CLOSED_BINS,
    spare_age_s: float = SPARE_AGE_S,
) -> int:
    """Open bins, take them into use and drop them as due; returns how many. Costs a lookup when nothing is due.

    Call it every few seconds: the log outgrows its bound by what comes between. Several callers at once do no harm.
    """
    arguments = {"full_bytes": full_bin_bytes, "keep_closed": keep_closed_bins, "spare_s": spare_age_s}
    return int(await ledger.value("requests.rotate", arguments))


async def bins(ledger: Ledger, job_id: int) -> list[int]:
    """The bins that hold a job's part of the request log."""
    return list(await ledger.value("requests.bins", {"job_id": job_id}))
