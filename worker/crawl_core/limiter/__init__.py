"""One rate limit for all processes: at most N requests arrive in any window, whatever dies, sleeps or forgets.

The promise is about arrivals at the API, not about grants. A bucket has N slots in Redis; a permit holds one until its
request's answer is one window old, or, without an answer, until the latest it can have arrived is. The rules live in
`lua/bucket_*.lua`; this package asks, waits and tells. It refuses to compare clocks of two machines.
"""

from crawl_core.limiter.bucket import Bucket, BucketView
from crawl_core.limiter.freeze import freeze_bounds_s, freeze_duration_s, parse_retry_after
from crawl_core.limiter.limiter import DEFAULT_SETTINGS, Limiter, LimiterSettings, LimiterState
from crawl_core.limiter.permit import CLOSED_MARGIN_S, SEND_DEADLINE_S, Permit, PermitExpiredError
from crawl_core.limiter.record import BucketRecord, unfreeze
from crawl_core.values.limits import BucketLedger, BucketLimits, BucketRow

__all__ = [
    "CLOSED_MARGIN_S",
    "DEFAULT_SETTINGS",
    "SEND_DEADLINE_S",
    "Bucket",
    "BucketLedger",
    "BucketLimits",
    "BucketRecord",
    "BucketRow",
    "BucketView",
    "Limiter",
    "LimiterSettings",
    "LimiterState",
    "Permit",
    "PermitExpiredError",
    "freeze_bounds_s",
    "freeze_duration_s",
    "parse_retry_after",
    "unfreeze",
]
