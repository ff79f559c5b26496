"""The ledger: PostgreSQL's record of jobs, ranges, searches, artists and buckets. The only truth."""

from crawl_core.ledger import batches, buckets, dead_letters, jobs, ranges, requests
from crawl_core.ledger.buckets import BucketRows
from crawl_core.ledger.dead_letters import DeadLetter
from crawl_core.ledger.jobs import BucketScope, JobRow, Progress
from crawl_core.ledger.ledger import Ledger
from crawl_core.values.rows import (
    ArtistRow,
    Batch,
    ChildRange,
    Committed,
    Counters,
    Cursor,
    DeadLetterRow,
    RangeRow,
    RequestRow,
    SearchRow,
)

__all__ = [
    "ArtistRow",
    "Batch",
    "BucketRows",
    "BucketScope",
    "ChildRange",
    "Committed",
    "Counters",
    "Cursor",
    "DeadLetter",
    "DeadLetterRow",
    "JobRow",
    "Ledger",
    "Progress",
    "RangeRow",
    "RequestRow",
    "SearchRow",
    "batches",
    "buckets",
    "dead_letters",
    "jobs",
    "ranges",
    "requests",
]
