"""The reasons of conditions and Events. They are API: alerts and scripts compare them, so none is ever renamed.

Those that a local run has as well come from `crawl_core.job.reasons`. What each means stands in `condition_list`.
"""

from __future__ import annotations

from crawl_core.job import reasons as shared

# --- Seeded: the ledger has the job and its ranges, and Redis what is open of them
SEEDED = shared.SEEDED
PENDING = shared.PENDING
FRONTIER_LOST = shared.FRONTIER_LOST
INVALID_SPEC = "InvalidSpec"
SANDBOX_MISSING = "SandboxMissing"
NAME_TAKEN = "NameTaken"
"""The ledger's job of this name crawls something else."""
RECORD_MISSING = "RecordMissing"
"""The job is finished, and the ledger no longer knows it."""

# --- Seeded and Progressing: what keeps the operator from its work
NAME_CONFLICT = "NameConflict"
"""A Deployment of the workers' name is somebody else's."""
FORBIDDEN = "Forbidden"
BACKENDS_SECRET_MISSING = "BackendsSecretMissing"  # noqa: S105 -- a reason
BACKENDS_SECRET_INCOMPLETE = "BackendsSecretIncomplete"  # noqa: S105 -- a reason
CREDENTIALS_SECRET_MISSING = "CredentialsSecretMissing"  # noqa: S105 -- a reason
CREDENTIALS_SECRET_INCOMPLETE = "CredentialsSecretIncomplete"  # noqa: S105 -- a reason
VERSION_MISMATCH = "VersionMismatch"
LEDGER_MISCONFIGURED = "LedgerMisconfigured"
REDIS_MISCONFIGURED = "RedisMisconfigured"
LEDGER_UNAVAILABLE = shared.LEDGER_UNAVAILABLE
REDIS_UNAVAILABLE = shared.REDIS_UNAVAILABLE

# --- Progressing: work is being done
CRAWLING = shared.CRAWLING
LIMIT_BINDS = shared.LIMIT_BINDS
WORKERS_STARTING = shared.WORKERS_STARTING
NO_PROGRESS = shared.NO_PROGRESS
FROZEN = shared.FROZEN
SUSPENDED = shared.SUSPENDED
MISCONFIGURED = shared.MISCONFIGURED
UNAUTHORIZED = shared.UNAUTHORIZED
TOKEN_UNAVAILABLE = shared.TOKEN_UNAVAILABLE
REQUEST_REJECTED = shared.REQUEST_REJECTED
SOURCE_UNREACHABLE = shared.SOURCE_UNREACHABLE
SOURCE_FAILING = shared.SOURCE_FAILING
NOTED_BY_WORKERS = shared.NOTED_BY_WORKERS
HINTS = shared.HINTS
COMPLETED = shared.COMPLETED
WORKERS_UNAVAILABLE = "WorkersUnavailable"
"""No worker is up, and Kubernetes says why."""
BACKENDS_CHANGED = "BackendsChanged"
"""The Secret names other backends; workers of the former ones end first. Also Seeded."""
NO_WORKERS = "NoWorkers"
"""spec.workers.replicas is 0."""
PAUSED = "Paused"
"""The operator was told to leave the CrawlJob alone."""

# --- RateLimited: the source told us to wait
FROZEN_BY_API = shared.FROZEN_BY_API
QUOTA_EXCEEDED = shared.QUOTA_EXCEEDED
SHARED_BUCKET_STRICTER = shared.SHARED_BUCKET_STRICTER
WITHIN_LIMIT = shared.WITHIN_LIMIT

# --- Suspended
DEADLINE_PASSED = "DeadlinePassed"
"""The deadline suspends the crawl. Also Progressing."""
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
RUN_BEGAN = "RunBegan"
UNFROZEN = "Unfrozen"
RECOVERED = "Recovered"
SUCCEEDED = "Succeeded"
RESTARTED = "Restarted"
DEAD_LETTERS_REPLAYED = "DeadLettersReplayed"
UNFREEZE_REQUESTED = "UnfreezeRequested"
RUN_DELETED = "RunDeleted"
RUN_NOT_DELETED = "RunNotDeleted"
RETRYING = "Retrying"
DATA_DELETED = "DataDeleted"
DATA_NOT_DELETED = "DataNotDeleted"
EXPIRED = "Expired"
