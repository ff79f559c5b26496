"""The reasons of conditions and Events. They are API: alerts and scripts compare them, so none is ever renamed.

What keeps the operator from its backends has reasons of its own, which `observe` names; they are passed on as they are.
"""

from __future__ import annotations

from crawl_core.job.snapshot import STALLING

# --- Seeded: the ledger has the job and its ranges, and Redis what is open of them
SEEDED = "Seeded"
PENDING = "Pending"
"""Nothing is known yet. Also Progressing and RateLimited begin with it."""
INVALID_SPEC = "InvalidSpec"
SANDBOX_MISSING = "SandboxMissing"
NAME_TAKEN = "NameTaken"
"""The ledger's job of this name crawls something else."""
FRONTIER_LOST = "FrontierLost"
"""Redis lost what was open; it is seeded again from the ledger."""
RECORD_MISSING = "RecordMissing"
"""The job is finished, and the ledger no longer knows it."""

# --- Progressing: work is being done
CRAWLING = "Crawling"
LIMIT_BINDS = "LimitBinds"
"""The rate limit is what bounds the crawl; more workers would change nothing."""
WORKERS_STARTING = "WorkersStarting"
WORKERS_UNAVAILABLE = "WorkersUnavailable"
"""No worker is up, and Kubernetes says why."""
BACKENDS_CHANGED = "BackendsChanged"
"""The Secret names other backends; workers of the former ones end first. Also Seeded."""
NO_WORKERS = "NoWorkers"
"""spec.workers.replicas is 0."""
NO_PROGRESS = "NoProgress"
"""Workers are up, and nothing was committed for long."""
FROZEN = "Frozen"
SUSPENDED = "Suspended"
MISCONFIGURED = "Misconfigured"
"""A worker met what only a person can change. Other reasons that workers note are passed on as they are."""
PAUSED = "Paused"
"""The operator was told to leave the CrawlJob alone."""
COMPLETED = "Completed"

# --- RateLimited: the source told us to wait
FROZEN_BY_API = "FrozenByAPI"
QUOTA_EXCEEDED = "QuotaExceeded"
SHARED_BUCKET_STRICTER = "SharedBucketStricter"
"""Another CrawlJob on the same bucket has a stricter limit, which counts for all."""
WITHIN_LIMIT = "WithinLimit"

# --- Suspended
DRAINING = "Draining"
"""Workers finish the requests that are under way."""
NOT_SUSPENDED = "NotSuspended"

# --- DeadlineExceeded: only where there is a deadline
DEADLINE_EXCEEDED = "DeadlineExceeded"
ON_TRACK = "OnTrack"
LIKELY_EXCEEDED = "LikelyExceeded"
"""As it goes now, the deadline will pass before the end."""
MET = "Met"

# --- Succeeded: the summary
IN_PROGRESS = "InProgress"
COMPLETED_WITH_DEAD_LETTERS = "CompletedWithDeadLetters"
REOPENED = "Reopened"
"""It was done, and the ledger has something open again: dead letters, or what a restored ledger lacks."""

# --- Events beside these
STARTED = "Started"
RESUMED = "Resumed"
UNFROZEN = "Unfrozen"
RECOVERED = "Recovered"
SUCCEEDED = "Succeeded"
RESTARTED = "Restarted"
DEAD_LETTERS_REPLAYED = "DeadLettersReplayed"
UNFREEZE_REQUESTED = "UnfreezeRequested"
RETRYING = "Retrying"
DATA_DELETED = "DataDeleted"
DATA_NOT_DELETED = "DataNotDeleted"
EXPIRED = "Expired"

NOTED_BY_WORKERS = STALLING
"""What workers note when nobody's requests succeed; they go on trying, and take the note back when one does."""
