"""What a local run decides: how many workers, and which remarks on its limit people see. Pure."""

from __future__ import annotations

import math

from crawl_core.job.shared_limit import limited_message
from crawl_core.job.views import BucketStatus
from crawl_core.spec import RateLimit, Spec
from crawl_core.values.capacity import limits_of, need
from crawl_core.values.limits import BucketLimits


def process_count(spec: Spec, *, cpus: int, asked: int | None = None) -> int:
    """Worker processes to run: what the user asked for, else as many as the rate limit can occupy on this machine."""
    if asked is not None:
        return asked
    workers = spec.workers
    if workers.replicas is not None:
        return max(1, workers.replicas)
    useful = math.ceil(need(limits_of(spec), latency_s=None, concurrency=workers.concurrency))
    return max(workers.min, min(useful, workers.max, cpus), 1)


def limit_per_minute(limits: BucketLimits | RateLimit) -> float:
    """A rate limit in requests a minute."""
    window_s = limits.window_s if isinstance(limits, BucketLimits) else limits.window.seconds
    return 60.0 * limits.requests / window_s


def shared_note(own: BucketLimits, bucket: BucketStatus) -> str:
    """Why a run is slower than its own limit; nothing where it is not."""
    in_force = bucket.row.limits
    if not in_force.allows_less_than(requests=own.requests, window_s=own.window_s):
        return ""
    return limited_message(own, in_force, bucket.binders, bucket=bucket.row.name)


def floor_note(wait_s: float) -> str:
    """Why a run that goes on sends nothing at first; nothing where it need not wait."""
    if wait_s <= 0:
        return ""
    return f"waiting {math.ceil(wait_s)} s: what may have been sent before must leave the rate limit's window"
