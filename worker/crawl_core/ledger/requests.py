"""Keeps the request log to its retention and to about the last 100,000 requests a job."""

from __future__ import annotations

from crawl_core.ledger.ledger import Ledger

KEPT_ROWS = 100_000
"""Requests of a job that the log keeps, and what comes between two calls of `trim`."""

_JOBS_A_CALL = 8
_ROWS_A_CALL = 50_000
"""Of each job: more than come between two calls."""


async def trim(ledger: Ledger, *, kept_rows: int = KEPT_ROWS) -> int:
    """Delete what is too old or too much of some jobs' requests; returns how many rows went.

    Call it every few seconds: the log outgrows its bound by what comes between. Several callers at once do no harm.
    """
    arguments = {"kept_rows": kept_rows, "max_jobs": _JOBS_A_CALL, "max_rows": _ROWS_A_CALL}
    return await ledger.run("requests.trim", arguments)
