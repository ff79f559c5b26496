"""What people are told where the API allows smaller pages than a job asks for. Pure."""

from __future__ import annotations

import math

from crawl_core.values.jobs import JobRow
from crawl_core.wording import instant


def note_of(row: JobRow, *, now_s: float) -> str:
    """The same of a job's row; nothing where its pages are as large as it asks for, or it has ended."""
    allowed = row.page_size
    if allowed is None or row.finished_at is not None:
        return ""
    tried_s = None if row.page_size_tried_at is None else row.page_size_tried_at.timestamp()
    return note(allowed, row.crawl_job.spec.source.page_size, tried_s=tried_s, now_s=now_s)


def note(allowed: int, wanted: int, *, tried_s: float | None, now_s: float) -> str:
    """`tried_s`: when the wanted size was asked for last, in seconds since 1970; None: it is asked for next."""
    if allowed >= wanted:
        return ""
    tried = "next" if tried_s is None else f"once a day, last at {instant(tried_s, now_s=now_s)}"
    times = math.ceil(wanted / allowed)
    return (
        f"the API allows {allowed} artists a page, not {wanted}: up to {times} times the requests; "
        f"{wanted} are asked for {tried}"
    )
