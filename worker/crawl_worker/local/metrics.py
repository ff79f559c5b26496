"""What `artistcrawl run --metrics-port` serves: the job's series, as an operator exports them, and its workers' own.

One address for the whole run, so that whoever scrapes it need not know how many workers there are. It refuses to keep
what a dead worker said last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import httpx

from crawl_core.errors import ArtistcrawlError, LedgerUnavailableError, RedisUnavailableError
from crawl_core.job import reasons
from crawl_core.job.snapshot import Snapshot
from crawl_core.limiter.bucket import Bucket, BucketView
from crawl_core.metrics import definitions as metrics
from crawl_core.metrics.declared import Reading, Samples
from crawl_core.metrics.exposition import Parsed, text_of
from crawl_core.readings.backends import backends_readings
from crawl_core.readings.job import BucketFigures, JobFigures
from crawl_core.values.progress import Progress
from crawl_worker.local.opened import Opened

WORKER_TIMEOUT_S = 1.0
"""For a worker's answer: one that is stopped must not hold up the others'."""

_STATES = {"Starting": "Pending", "Draining": "Crawling", "Interrupted": "Suspended"}
"""A run's own words, as the CrawlJob's state has them."""


class LocalMetrics:
    """Keeps the last look at the job; `scrape` adds what its workers say at that moment. Called in a thread."""

    def __init__(self) -> None:
        self.figures: JobFigures | None = None
        self.worker_ports: Callable[[], Iterable[int]] = tuple
        self.scrapes = 0
        """How often somebody began to ask."""
        # One for all: making one costs more than the requests do. Nothing here is ever encrypted.
        self._client = httpx.Client(timeout=WORKER_TIMEOUT_S, trust_env=False, verify=False)  # noqa: S501

    def scrape(self) -> bytes:
        """The text of now."""
        self.scrapes += 1
        return text_of(metrics.BACKENDS.registry, Samples(self._read), *self._workers())

    def finish(self) -> None:
        """The job is done, whatever else can be read of it."""
        if self.figures is not None:
            self.figures = replace(self.figures, state="Succeeded", finished=True, estimated_at_s=None)

    def _read(self) -> Iterator[Reading]:
        if self.figures is not None:
            yield from self.figures.readings()
        yield from backends_readings()

    def _workers(self) -> Sequence[Parsed]:
        found = []
        for port in self.worker_ports():
            # One that is starting, stopped or dying has no series for now.
            with suppress(httpx.HTTPError, ValueError):
                found.append(Parsed(self._client.get(f"http://127.0.0.1:{port}/metrics").text))
        return found


async def figures_of(
    opened: Opened, snapshot: Snapshot, progress: Progress, *, now_s: float, problem: str, finished: bool
) -> JobFigures:
    """One look. `problem` is the reason that workers noted, or empty. Raises UnavailableError without Redis."""
    row, frozen = opened.row, snapshot.frozen_s > 0
    deadline = row.crawl_job.spec.deadline
    return JobFigures(
        namespace=row.namespace,
        name=row.name,
        state="Succeeded" if finished else _STATES.get(snapshot.state, snapshot.state),
        observed_at_s=now_s,
        source=str(row.crawl_job.spec.source.type),
        conditions=_conditions(problem, frozen=frozen),
        progress=progress,
        finished=finished,
        requests_per_s=snapshot.requests_per_minute / 60.0,
        started_at_s=row.started_at.timestamp(),
        completed_at_s=now_s if finished else None,
        estimated_at_s=None if finished or snapshot.eta_s is None else now_s + snapshot.eta_s,
        deadline_at_s=None if deadline is None else (row.started_at + timedelta(seconds=deadline.seconds)).timestamp(),
        workers_desired=snapshot.workers_desired,
        workers_ready=snapshot.workers_alive,
        frontier=await opened.frontier.stats(),
        bucket=await _bucket(opened, frozen_until_s=now_s + snapshot.frozen_s if frozen else 0.0),
    )


async def _bucket(opened: Opened, *, frozen_until_s: float) -> BucketFigures | None:
    view = await Bucket(opened.redis, opened.bucket).look()
    if not isinstance(view, BucketView):
        return None
    return BucketFigures(
        name=opened.bucket,
        requests=view.limits.requests,
        window_s=view.limits.window_s,
        slots_free=view.slots_free,
        frozen_until_s=frozen_until_s,
        epoch=view.epoch,
    )


def _conditions(problem: str, *, frozen: bool) -> tuple[tuple[str, str, str], ...]:
    """As an operator would write them."""
    paused = problem if problem == reasons.QUOTA_EXCEEDED else reasons.FROZEN_BY_API
    limited = ("True", paused) if frozen else ("False", reasons.WITHIN_LIMIT)
    progressing = ("False", problem) if problem in reasons.NOTED_BY_WORKERS else ("True", reasons.CRAWLING)
    return ("Seeded", "True", reasons.SEEDED), ("Progressing", *progressing), ("RateLimited", *limited)


def without_backends(figures: JobFigures | None, error: ArtistcrawlError, *, now_s: float) -> JobFigures | None:
    """What is left to say of a job when ledger or Redis is out of reach: counts that may be old are not among it."""
    if figures is None:
        return None
    match error:
        case LedgerUnavailableError():
            reason = reasons.LEDGER_UNAVAILABLE
        case RedisUnavailableError():
            reason = reasons.REDIS_UNAVAILABLE
        case _:
            reason = reasons.FRONTIER_LOST
    seeded = (("Seeded", "False", reason),)
    return replace(figures, observed_at_s=now_s, conditions=seeded, progress=None, frontier=None, bucket=None)
