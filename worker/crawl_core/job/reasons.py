"""The reasons of a job's conditions that a cluster and a local run share. Pure.

They are API: alerts and scripts compare them, so none is ever renamed. What only a cluster knows (pods, Secrets,
deadlines, Events) stands in the operator's `values.reasons`.
"""

from __future__ import annotations

# --- Seeded: the ledger has the job and its ranges, and Redis what is open of them
SEEDED = "Seeded"
PENDING = "Pending"
"""Nothing is known yet. Progressing and RateLimited begin with it, too."""
FRONTIER_LOST = "FrontierLost"
"""Redis lost what was open; it is seeded again from the ledger."""

# --- Progressing: work is being done
CRAWLING = "Crawling"
LIMIT_BINDS = "LimitBinds"
"""The rate limit is what bounds the crawl; more workers would change nothing."""
WORKERS_STARTING = "WorkersStarting"
NO_PROGRESS = "NoProgress"
"""Workers are up, and nothing was committed for long."""
FROZEN = "Frozen"
SUSPENDED = "Suspended"
COMPLETED = "Completed"
LEDGER_UNAVAILABLE = "LedgerUnavailable"
REDIS_UNAVAILABLE = "RedisUnavailable"

# --- Progressing: what workers note in the job's row
MISCONFIGURED = "Misconfigured"
"""A worker met what only a person can change."""
UNAUTHORIZED = "Unauthorized"
"""The source refuses fresh tokens."""
REQUEST_REJECTED = "RequestRejected"
"""The source rejects requests as such."""
TOKEN_UNAVAILABLE = "TokenUnavailable"  # noqa: S105 -- a reason
"""The source grants no token: its endpoint fails, or denies credentials that worked before."""
SOURCE_UNREACHABLE = "SourceUnreachable"
"""No connection to the source, or no whole answer from it, for a minute."""
SOURCE_FAILING = "SourceFailing"
"""The source answers with errors, or with what is no page, for a minute."""
NOTED_BY_WORKERS = frozenset({UNAUTHORIZED, REQUEST_REJECTED, TOKEN_UNAVAILABLE, SOURCE_UNREACHABLE, SOURCE_FAILING})
"""What workers note when nobody's requests succeed: they go on trying, and take the note back when one does."""
FIELDS_UNREADABLE = "FieldsUnreadable"
"""Many fields of the source's answers are no longer what they were. The crawl goes on without them."""
HINTS = frozenset({FIELDS_UNREADABLE})
"""What workers note of a crawl that goes well. It says nothing of Progressing, and takes no other note's place."""

# --- RateLimited: the source told us to wait
FROZEN_BY_API = "FrozenByAPI"
QUOTA_EXCEEDED = "QuotaExceeded"
"""A 429 spoke of the account's quota. Workers note it in the job's row."""
SHARED_BUCKET_STRICTER = "SharedBucketStricter"
"""Another job on the same bucket has a stricter limit, which counts for all."""
WITHIN_LIMIT = "WithinLimit"
