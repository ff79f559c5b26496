"""How many workers a rate limit can occupy: what the operator and the local run both reckon with. Pure.

It refuses to say how many there are: a cluster and one machine have other bounds.
"""

from __future__ import annotations

from crawl_core.spec import Spec
from crawl_core.values.limits import BucketLimits

EXPECTED_LATENCY_S = 0.3
"""Seconds that a request is expected to take until some were measured: Spotify's search answers in 0.1-0.3 s."""


def limits_of(spec: Spec) -> BucketLimits:
    """What the job's own spec allows."""
    limit = spec.rate_limit
    return BucketLimits(
        requests=limit.requests,
        window_s=limit.window.seconds,
        request_timeout_s=spec.source.request_timeout.seconds,
        even=limit.spacing == "Even",
    )


def need(limits: BucketLimits, *, latency_s: float | None, concurrency: int) -> float:
    """The workers that keep a limit busy, as a fraction: by Little's law, requests under way over requests a worker."""
    latency_s = EXPECTED_LATENCY_S if latency_s is None else min(max(latency_s, 0.0), limits.request_timeout_s)
    return limits.requests / limits.window_s * latency_s / concurrency
