"""How many workers a job can use. Pure.

Only the limit, the latency and the work that is left count: how busy a processor is says nothing about a crawl that
waits for permits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from crawl_core.job.verdicts import limit_binds
from crawl_core.spec import Spec
from crawl_core.values.capacity import need
from crawl_core.values.limits import BucketLimits

CALM = 1.25
"""Workers are taken away only where even that much more of a need would not need them: latency wavers."""


@dataclass(frozen=True, slots=True)
class Choice:
    """How many workers, and what bounds them."""

    replicas: int
    limit_binds: bool
    """Whether more workers would change nothing, since the rate limit is what bounds the crawl."""
    by_user: bool = False
    """Whether spec.workers.replicas says so."""


def choose(
    spec: Spec, *, limits: BucketLimits, latency_s: float | None, current: int, open_ranges: int | None
) -> Choice:
    """The number of workers: the user's where one is given, else what the limit can occupy between min and max.

    More at once, fewer only when clearly fewer are needed, so that workers are not taken from their ranges for a
    wavering latency.
    """
    workers = spec.workers
    needed = need(limits, latency_s=latency_s, concurrency=workers.concurrency)
    per_node = spec.rate_limit.bucket == "Node" and not spec.rate_limit.bucket_name
    if workers.replicas is not None:
        binds = limit_binds(spec, limits, latency_s=latency_s, workers=workers.replicas)
        return Choice(workers.replicas, limit_binds=binds, by_user=True)
    if per_node:
        # Each node brings a limit of its own, and workers spread over nodes: more workers are more requests.
        return Choice(workers.max, limit_binds=False)
    wanted = _damped(needed, current=current)
    if open_ranges is not None:
        # A range has one worker at a time. Those that are there already stay, since ranges may spawn others.
        wanted = min(wanted, max(current, math.ceil(open_ranges / workers.concurrency)))
    replicas = min(max(wanted, workers.min), workers.max)
    return Choice(replicas, limit_binds=limit_binds(spec, limits, latency_s=latency_s, workers=replicas))


def _damped(needed: float, *, current: int) -> int:
    up, down = max(1, math.ceil(needed)), max(1, math.ceil(needed * CALM))
    return up if up >= current else min(down, current)
