"""Counts what a commit stored, once it is known to be in the ledger.

What was only sent is not counted: the strings of a batch that is lost are searched again, and would count twice.
"""

from __future__ import annotations

from collections import Counter

from crawl_core.metrics import definitions as metrics
from crawl_core.values.rows import Batch, Committed, SearchRow


def count_rows(batch: Batch, committed: Committed | None) -> None:
    """Count its searches and artists. None: it landed, but its acknowledgement with the artists' counts was lost."""
    for result, count in Counter(map(_result, batch.searches)).items():
        metrics.SEARCHES.labels(result).inc(count)
    if committed is None:
        return
    counts = {
        "new": committed.artists_new,
        "updated": committed.artists_written - committed.artists_new,
        "unchanged": len(batch.artists) - committed.artists_written,
    }
    for change, count in counts.items():
        metrics.ARTISTS.labels(change).inc(count)


def _result(search: SearchRow) -> str:
    if search.truncated:
        return "truncated"
    if search.results < search.total:
        return "incomplete"
    return "found" if search.results else "empty"
