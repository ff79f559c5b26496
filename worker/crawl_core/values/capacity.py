"""How many workers a rate limit can occupy: what the operator and the local run both reckon with. Pure.

How many there are in the end is theirs to say: a cluster and one machine have other bounds.
"""

from __future__ import annotations

from crawl_core.spec import Spec
from crawl_core.values.limits import BucketLimits

EXPECTED_LATENCY_S = 0.3
"""Seconds that a request is taken to last until some were measured: Spotify's search answers in 0.1 to 0.3 s."""


def limits_of(spec: Spec) -> BucketLimits:
    """The limits that the job's own spec asks for."""
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
