"""Every metric there is. Boards, alerts and people's own queries name them, so that none is ever renamed in silence.

Counts that the ledger keeps are gauges: they outlive every process, and a restored ledger takes some of them back.
Everything else is counted by the process that sees it. Durations are in seconds, instants in seconds since 1970.
"""

from __future__ import annotations

from crawl_core.metrics import labels
from crawl_core.metrics.declared import Group

_JOB = {"namespace": "the CrawlJob's", "crawljob": "its name"}

REQUEST_BUCKETS_S = (0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0)
WAIT_BUCKETS_S = (0.01, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
COMMIT_BUCKETS_S = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
ROUND_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 30.0)

# --- A worker ---------------------------------------------------------------------------------------------------------

WORKER = Group(
    "A worker",
    exported_by="each worker",
    served_with=_JOB | {"worker": "the pod's name; in a local run worker-1, worker-2, ..."},
)

REQUESTS = WORKER.counters(
    "artistcrawl_worker_requests_total",
    "Requests to the API that were answered or failed.",
    outcome=labels.OutcomeLabel,
)
REQUEST_DURATION = WORKER.histogram(
    "artistcrawl_worker_request_duration_seconds",
    "Time of a request, from the permit's instant to the last byte or the error.",
    REQUEST_BUCKETS_S,
)
PERMIT_WAIT = WORKER.histogram(
    "artistcrawl_worker_permit_wait_seconds",
    "Time that a task waited for its permit. Where the limit binds, this is most of the time.",
    WAIT_BUCKETS_S,
)
RETRIES = WORKER.counters(
    "artistcrawl_worker_retries_total",
    "Requests that failed, so that they are sent again or their string is given up.",
    **{"class": labels.FailureClass},
)
PAGES = WORKER.counters(
    "artistcrawl_worker_pages_total",
    "Pages of results taken.",
    page=labels.PageOrder,
)
UNREADABLE_FIELDS = WORKER.counters(
    "artistcrawl_worker_unreadable_fields_total",
    "Fields of answers that came as something else than they are, and were left out. What is stored of them stays.",
    field=labels.AnswerField,
)
SEARCHES = WORKER.counters(
    "artistcrawl_worker_searches_total",
    "Strings whose search is committed.",
    result=labels.StringResult,
)
ARTISTS = WORKER.counters(
    "artistcrawl_worker_artists_total",
    "Artists committed, as often as they were returned; twice in one commit counts once.",
    change=labels.ArtistChange,
)
COMMITS = WORKER.counters(
    "artistcrawl_worker_commits_total",
    "Batches sent to the ledger.",
    result=labels.CommitResult,
)
COMMIT_DURATION = WORKER.histogram(
    "artistcrawl_worker_commit_duration_seconds",
    "Time of a batch's statement, waiting for a connection included.",
    COMMIT_BUCKETS_S,
)
DEAD_LETTERS = WORKER.counters(
    "artistcrawl_worker_dead_letters_total",
    "Strings given up.",
    **{"class": labels.DeadLetterClass},
)
LEASES = WORKER.counters(
    "artistcrawl_worker_leases_total",
    "What became of leases of ranges.",
    event=labels.LeaseEvent,
)
TOKENS = WORKER.counters(
    "artistcrawl_worker_token_requests_total",
    "Requests for an access token.",
    result=labels.TokenResult,
)

WORKER_INFO = WORKER.gauge("artistcrawl_worker_info", "Always 1.", version="of artistcrawl")
WORKER_START = WORKER.gauge("artistcrawl_worker_start_timestamp_seconds", "When the process started.")
WORKER_STATE = WORKER.gauge(
    "artistcrawl_worker_state",
    "1 for the state it is in, 0 for the others.",
    state=labels.WorkerState,
)
CONCURRENCY = WORKER.gauge("artistcrawl_worker_concurrency", "Ranges it may crawl at once.")
IN_FLIGHT = WORKER.gauge("artistcrawl_worker_requests_in_flight", "Requests sent and not answered yet.")
LEASES_HELD = WORKER.gauge("artistcrawl_worker_leases_held", "Ranges it crawls now.")
OUTAGE_AGE = WORKER.gauge(
    "artistcrawl_worker_outage_age_seconds",
    "How long nobody's requests have succeeded; 0 while they do.",
)
UNCOMMITTED_AGE = WORKER.gauge(
    "artistcrawl_worker_uncommitted_age_seconds",
    "Age of the oldest row that is not committed; above 5 it sends nothing.",
)
RANGE = WORKER.gauge(
    "artistcrawl_worker_range", "Id of the range in this place, as in crawl_range; 0 where there is none.",
    place="a number from 0 to concurrency - 1",
)  # fmt: skip
RANGE_POSITION = WORKER.gauge(
    "artistcrawl_worker_range_position_ratio", "How much of that range is done, 0 to 1.",
    place="a number from 0 to concurrency - 1",
)  # fmt: skip

# --- The limiter, as a worker uses it ---------------------------------------------------------------------------------

ARRIVALS = WORKER.sampled_counter(
    "artistcrawl_limiter_arrivals_total", "Requests written to the API: what the limit counts."
)
PERMITS = WORKER.sampled_counter(
    "artistcrawl_limiter_permits_total",
    "Permits of this worker.",
    event=labels.PermitEvent,
)
LIMITER_CALLS = WORKER.sampled_counter("artistcrawl_limiter_calls_total", "Calls to Redis for permits.")
LIMITER_WAITING = WORKER.gauge("artistcrawl_limiter_waiting", "Tasks that wait for a permit.")
LIMITER_ROUND_TRIP = WORKER.gauge(
    "artistcrawl_limiter_round_trip_seconds", "Time of the last call to Redis; above 0.25 no permit can be used."
)
LIMITER_REACHABLE = WORKER.gauge("artistcrawl_limiter_reachable", "1 where the last call was answered, else 0.")
FREEZES = WORKER.counter("artistcrawl_limiter_freezes_total", "Pauses that this worker put on the bucket after a 429.")

# --- Connections of a process -----------------------------------------------------------------------------------------

BACKENDS = Group("Connections", exported_by="workers, operators and local runs", served_with=WORKER.served_with)

LEDGER_CONNECTIONS = BACKENDS.gauge(
    "artistcrawl_ledger_connections",
    "Connections to PostgreSQL.",
    state=labels.ConnectionState,
)
LEDGER_CONNECTIONS_LIMIT = BACKENDS.gauge(
    "artistcrawl_ledger_connections_limit", "Connections to PostgreSQL that this process may open."
)
LEDGER_WAITING = BACKENDS.gauge("artistcrawl_ledger_waiting", "Tasks that wait for a connection to PostgreSQL.")
LEDGER_ERRORS = BACKENDS.counter(
    "artistcrawl_ledger_errors_total", "Statements that failed because PostgreSQL was out of reach."
)
REDIS_ERRORS = BACKENDS.counter("artistcrawl_redis_errors_total", "Calls that failed because Redis was out of reach.")

# --- A CrawlJob -------------------------------------------------------------------------------------------------------

JOB = Group("A CrawlJob", exported_by="the operator that leads, and a local run", common=_JOB)

JOB_INFO = JOB.gauge(
    "artistcrawl_job_info",
    "Always 1.",
    source="Sandbox or Spotify",
    bucket="what its requests count against; empty with rateLimit.bucket Node",
)
JOB_STATE = JOB.gauge(
    "artistcrawl_job_state",
    "1 for the state it is in, 0 for the others.",
    state=labels.JobState,
)
JOB_CONDITION = JOB.gauge(
    "artistcrawl_job_condition",
    "Always 1: a condition as it is now. A local run has Seeded, Progressing and RateLimited.",
    type="as in status.conditions",
    status="True, False or Unknown",
    reason="as in status.conditions",
)
PROGRESS = JOB.gauge("artistcrawl_job_progress_ratio", "Share of the keyspace that is covered, 0 to 1.")
STRINGS = JOB.gauge("artistcrawl_job_strings", "Strings of the keyspace.")
STRINGS_COVERED = JOB.gauge("artistcrawl_job_strings_covered", "Strings that need no more work.")
JOB_SEARCHES = JOB.gauge("artistcrawl_job_searches", "Strings searched.")
JOB_REQUESTS = JOB.gauge("artistcrawl_job_requests", "Requests whose answers are in the ledger.")
JOB_ARTISTS = JOB.gauge("artistcrawl_job_artists", "Distinct artists returned to it.")
JOB_ARTISTS_NEW = JOB.gauge("artistcrawl_job_artists_new", "Of those, the ones that were new to the ledger.")
JOB_TRUNCATED = JOB.gauge("artistcrawl_job_truncated", "Strings with more results than can be paged to.")
JOB_DEAD_LETTERS = JOB.gauge("artistcrawl_job_dead_letters", "Strings that are given up and not replayed.")
JOB_INCOMPLETE = JOB.gauge("artistcrawl_job_incomplete", "Strings that ended with fewer results than their total said.")
JOB_RETRIES = JOB.gauge("artistcrawl_job_retries", "Requests that had to be sent again.")
JOB_RATE_LIMITED = JOB.gauge("artistcrawl_job_rate_limited", "Requests answered with 429.")
JOB_RATE = JOB.gauge("artistcrawl_job_requests_per_second", "Requests a second, over the last minute.")
JOB_START = JOB.gauge("artistcrawl_job_start_timestamp_seconds", "When the ledger recorded it.")
JOB_COMPLETION = JOB.gauge(
    "artistcrawl_job_completion_timestamp_seconds", "When all was covered; absent before."
)  # fmt: skip
JOB_ESTIMATE = JOB.gauge(
    "artistcrawl_job_estimated_completion_timestamp_seconds",
    "When all is covered if it goes on as it does; absent where nothing goes on.",
)
JOB_DEADLINE = JOB.gauge("artistcrawl_job_deadline_timestamp_seconds", "When its deadline is; absent without one.")
JOB_COMMIT = JOB.gauge("artistcrawl_job_last_commit_timestamp_seconds", "When a worker committed last; absent before.")
JOB_OBSERVED = JOB.gauge("artistcrawl_job_observed_timestamp_seconds", "When it was looked at last.")
JOB_WORKERS = JOB.gauge("artistcrawl_job_workers", "Its workers.", state=labels.WorkersCounted)
JOB_RANGES = JOB.gauge(
    "artistcrawl_job_ranges", "Ranges in the ledger.", state=labels.RangeState
)  # fmt: skip

FRONTIER_RANGES = JOB.gauge(
    "artistcrawl_frontier_ranges",
    "Ranges in Redis; absent while Redis is out of reach or does not know the job.",
    state=labels.FrontierState,
)
FRONTIER_EXPIRED = JOB.sampled_counter(
    "artistcrawl_frontier_expired_total", "Leases that were taken back from silent workers, since Redis was seeded."
)
FRONTIER_COMPLETED = JOB.sampled_counter(
    "artistcrawl_frontier_completed_total", "Ranges that were completed, since Redis was seeded."
)

_BUCKET = "the bucket's name"
LIMIT_REQUESTS = JOB.gauge(
    "artistcrawl_bucket_limit_requests", "Requests that may arrive in any window.", bucket=_BUCKET
)  # fmt: skip
LIMIT_WINDOW = JOB.gauge("artistcrawl_bucket_window_seconds", "The window.", bucket=_BUCKET)
SLOTS_FREE = JOB.gauge(
    "artistcrawl_bucket_slots_free", "Requests that may be sent now; the rest of the limit is used.", bucket=_BUCKET
)
FROZEN_UNTIL = JOB.gauge(
    "artistcrawl_bucket_frozen_until_timestamp_seconds", "When the API's pause ends; 0 where there is none.",
    bucket=_BUCKET,
)  # fmt: skip
FREEZE_EPOCH = JOB.gauge(
    "artistcrawl_bucket_freeze_epoch", "Rises by one with each 429 and each unfreeze.", bucket=_BUCKET
)  # fmt: skip

# --- An operator ------------------------------------------------------------------------------------------------------

OPERATOR = Group("An operator", exported_by="each operator, also the one that stands by")

OPERATOR_INFO = OPERATOR.gauge("artistcrawl_operator_info", "Always 1.", version="of artistcrawl")
LEADER = OPERATOR.gauge("artistcrawl_operator_leader", "1 where it leads, else 0.")
RECONCILES = OPERATOR.counters(
    "artistcrawl_operator_reconciles_total",
    "Looks at a CrawlJob, with what followed from them.",
    result=labels.ReconcileResult,
)
RECONCILE_DURATION = OPERATOR.histogram(
    "artistcrawl_operator_reconcile_duration_seconds", "Time of one look with what followed.", ROUND_BUCKETS_S
)
QUEUE_WAIT = OPERATOR.histogram(
    "artistcrawl_operator_queue_wait_seconds", "Time that a CrawlJob waited after its look was due.", ROUND_BUCKETS_S
)
QUEUE_LENGTH = OPERATOR.gauge(
    "artistcrawl_operator_queue_length",
    "CrawlJobs to be looked at.",
    state=labels.QueueState,
)
RECONCILING = OPERATOR.gauge("artistcrawl_operator_reconciles_in_flight", "CrawlJobs that are looked at now.")
STEPS = OPERATOR.open_counters(
    "artistcrawl_operator_steps_total",
    "What was done after a look.",
    step="such as SeedFrontier or ScaleDeployment",
    result="done or failed",
)
API_REQUESTS = OPERATOR.open_counters(
    "artistcrawl_operator_api_requests_total",
    "Requests to the Kubernetes API; without watches.",
    verb="GET, POST, PATCH or DELETE",
    resource="such as crawljobs, crawljobs/status, deployments, leases",
    code="HTTP status; 0 where there was no answer",
)
API_DURATION = OPERATOR.histogram(
    "artistcrawl_operator_api_request_duration_seconds",
    "Time of a request to the Kubernetes API.",
    ROUND_BUCKETS_S,
    verb=labels.ApiVerb,
)
WATCH_EVENTS = OPERATOR.counters(
    "artistcrawl_operator_watch_events_total",
    "What the watches brought.",
    resource=labels.WatchedResource,
)
CRAWLJOBS = OPERATOR.gauge("artistcrawl_operator_crawljobs", "CrawlJobs that it watches.")
TURNED = OPERATOR.gauge(
    "artistcrawl_operator_turn_timestamp_seconds",
    "When a part turned last; one that does not for 60 s is restarted.",
    part=labels.OperatorPart,
)

GROUPS = (WORKER, BACKENDS, JOB, OPERATOR)
