"""What an operator is doing at the moment of a scrape, as the values of its metrics. Pure.

Events are counted where they happen, not here. An operator that stands by tells of itself, and of no CrawlJob: only the
leader's view of them is current.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from crawl_core.metrics import definitions as metrics
from crawl_core.metrics.declared import Reading
from crawl_core.readings.job import JobFigures


@dataclass(frozen=True, slots=True)
class OperatorView:
    """One look at an operator. The defaults are those of one that starts."""

    leads: bool = False
    crawljobs: int = 0
    """That it watches."""
    due: int = 0
    planned: int = 0
    in_flight: int = 0
    turned_at_s: Mapping[str, float] = field(default_factory=dict)
    """When each part turned last, in seconds since 1970."""
    jobs: Sequence[JobFigures] = ()
    """Of each CrawlJob that it has looked at, whoever leads."""


def readings(view: OperatorView, *, version: str) -> Iterator[Reading]:
    """The series of an operator, and those of its CrawlJobs where it leads."""
    yield metrics.OPERATOR_INFO(1, version)
    yield metrics.LEADER(view.leads)
    yield metrics.CRAWLJOBS(view.crawljobs)
    yield metrics.QUEUE_LENGTH(view.due, "due")
    yield metrics.QUEUE_LENGTH(view.planned, "planned")
    yield metrics.RECONCILING(view.in_flight)
    for part, turned_at_s in view.turned_at_s.items():
        yield metrics.TURNED(turned_at_s, part)
    if view.leads:
        for job in view.jobs:
            yield from job.readings()
