"""What the local run decides: how many workers, and how soon a dead one is replaced. Pure.

It refuses to start anything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from crawl_core.spec import RateLimit, Spec
from crawl_core.values.capacity import limits_of, need
from crawl_core.values.limits import BucketLimits

_STEADY_S = 30.0
"""Seconds after which a worker that died counts as having worked: its successor starts at once again."""

_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 30.0


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


def shared_note(own: RateLimit, in_force: BucketLimits, *, bucket: str) -> str:
    """Why a run is slower than its own limit; nothing where it is not."""
    if not in_force.allows_less_than(requests=own.requests, window_s=own.window.seconds):
        return ""
    return (
        f"the limit in force is {in_force.requests} per {in_force.window_s:g} s, "
        f"not {own.requests} per {own.window.seconds:g} s: bucket {bucket} is shared with a stricter job"
    )


def floor_note(wait_s: float) -> str:
    """Why a run that goes on sends nothing at first; nothing where it need not wait."""
    if wait_s <= 0:
        return ""
    return f"waiting {math.ceil(wait_s)} s: what may have been sent before must leave the rate limit's window"


@dataclass(slots=True)
class Backoff:
    """When the successor of a process that died may start: at once, then later and later while they keep dying."""

    delay_s: float = 0.0

    def after(self, lived_s: float) -> float:
        """Seconds to wait after a process that lived so long."""
        if lived_s >= _STEADY_S:
            self.delay_s = 0.0
        waited = self.delay_s
        self.delay_s = min(_LONGEST_DELAY_S, max(_FIRST_DELAY_S, 2 * self.delay_s))
        return waited
