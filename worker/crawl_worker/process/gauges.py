"""What a worker is doing at the moment of a scrape, as the values of its metrics.

Events are counted where they happen; this is about what is so now.
"""

from __future__ import annotations

from collections.abc import Iterator

from crawl_core.limiter.state import LimiterState
from crawl_core.metrics import definitions as metrics
from crawl_core.metrics.declared import Reading
from crawl_core.metrics.labels import WorkerState
from crawl_worker.crawl.view import WorkerView


def state_of(view: WorkerView | None) -> WorkerState:
    """One word: the first that holds of what keeps it from crawling."""
    if view is None:
        return WorkerState.STARTING
    if view.draining:
        return WorkerState.DRAINING
    if view.limiter.frozen_s > 0:
        return WorkerState.FROZEN
    if view.behind or not view.limiter.reachable:
        return WorkerState.BLOCKED
    if view.outage:
        return WorkerState.OUTAGE
    return WorkerState.CRAWLING if any(place.range_id for place in view.places) else WorkerState.IDLE


def readings(view: WorkerView | None, *, started_at_s: float, version: str) -> Iterator[Reading]:
    """The series of a worker; of one that starts only that it does."""
    yield metrics.WORKER_INFO(1, version)
    yield metrics.WORKER_START(started_at_s)
    current = state_of(view)
    for state in WorkerState:
        yield metrics.WORKER_STATE(state is current, state.value)
    if view is None:
        return
    yield metrics.CONCURRENCY(len(view.places))
    yield metrics.IN_FLIGHT(view.in_flight)
    yield metrics.LEASES_HELD(sum(place.range_id != 0 for place in view.places))
    yield metrics.OUTAGE_AGE(view.outage_age_s)
    yield metrics.UNCOMMITTED_AGE(view.uncommitted_age_s)
    for number, place in enumerate(view.places):
        yield metrics.RANGE(place.range_id, str(number))
        yield metrics.RANGE_POSITION(place.position, str(number))
    yield metrics.ARRIVALS(view.arrivals)
    yield from _limiter(view.limiter)


def _limiter(state: LimiterState) -> Iterator[Reading]:
    yield metrics.PERMITS(state.grants, "granted")
    yield metrics.PERMITS(state.confirmed, "confirmed")
    yield metrics.PERMITS(state.discarded, "discarded")
    yield metrics.LIMITER_CALLS(state.calls)
    yield metrics.LIMITER_WAITING(state.waiting)
    yield metrics.LIMITER_ROUND_TRIP(state.round_trip_s)
    yield metrics.LIMITER_REACHABLE(state.reachable)
