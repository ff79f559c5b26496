"""What `artistcrawl run --metrics-port` serves: the job's series, as an operator exports them, and its workers' own.

One address for the whole run, so that whoever scrapes it need not know how many workers there are. A dead worker's
series end with it: what it said last is not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import httpx

from crawl_core.job.figures import bucket_figures, frontier_figures
from crawl_core.metrics import definitions as metrics
from crawl_core.metrics.declared import Reading, Samples
from crawl_core.metrics.exposition import Parsed, text_of
from crawl_core.readings.backends import backends_readings
from crawl_core.readings.job import JobFigures
from crawl_core.serving.loopback import at, loopback
from crawl_worker.local.job_look import JobLook
from crawl_worker.local.judgement import Judgement, WorkerCount

WORKER_TIMEOUT_S = 1.0
"""For a worker's answer: one that is stopped must not hold up the others'."""


class LocalMetrics:
    """Keeps the last look at the job; `scrape` adds what its workers say at that moment. Called in a thread."""

    def __init__(self) -> None:
        self.figures: JobFigures | None = None
        self.worker_ports: Callable[[], Iterable[int]] = tuple
        self.scrapes = 0
        """How often somebody began to ask."""
        # One client for all: making one costs more than the requests do. Nothing here is ever encrypted.
        self._client = httpx.Client(timeout=WORKER_TIMEOUT_S, trust_env=False, verify=False)  # noqa: S501

    def scrape(self) -> bytes:
        """The text of now."""
        self.scrapes += 1
        return text_of(metrics.BACKENDS.registry, Samples(self._read), *self._workers())

    def finish(self) -> None:
        """The job is done, whatever can be read of it from now on: the boards would say for ever that it crawls."""
        if self.figures is not None:
            self.figures = replace(self.figures, state="Succeeded", finished=True, estimated_at_s=None)

    def _read(self) -> Iterator[Reading]:
        if self.figures is not None:
            yield from self.figures.readings()
        yield from backends_readings()

    def _workers(self) -> Sequence[Parsed]:
        answers = []
        for port in self.worker_ports():
            # One that is starting, stopped or dying has no series for now.
            with suppress(httpx.HTTPError, ValueError):
                answers.append(Parsed(self._client.get(f"http://{at(loopback(), port)}/metrics").text))
        return answers


def figures_of(look: JobLook, judgement: Judgement, *, workers: WorkerCount, bucket: str) -> JobFigures:
    """What one look has found; `bucket` is the bucket's name, also where it could not be read."""
    row, deadline = look.row, look.row.crawl_job.spec.deadline
    finished = judgement.state == "Succeeded"
    known = finished or look.redis_error is None
    estimated = judgement.estimated_end if known else None
    return JobFigures(
        namespace=row.namespace,
        name=row.name,
        state=judgement.state,
        observed_at_s=look.now.timestamp(),
        source=str(row.crawl_job.spec.source.type),
        conditions=judgement.verdicts(),
        progress=look.progress,
        finished=finished,
        started_at_s=row.started_at.timestamp(),
        completed_at_s=None if row.finished_at is None else row.finished_at.timestamp(),
        estimated_at_s=None if estimated is None else estimated.timestamp(),
        deadline_at_s=None if deadline is None else (row.started_at + timedelta(seconds=deadline.seconds)).timestamp(),
        workers_desired=workers.desired,
        workers_ready=workers.alive,
        frontier=frontier_figures(look.frontier),
        bucket=bucket_figures(look.bucket),
        bucket_name=bucket,
    )


def without_counts(figures: JobFigures | None, judgement: Judgement, *, now_s: float) -> JobFigures | None:
    """What is left to say of a job while the ledger is out of reach: counts that may be old are not among it."""
    if figures is None:
        return None
    return replace(
        figures,
        state=judgement.state,
        observed_at_s=now_s,
        conditions=judgement.verdicts(),
        estimated_at_s=None,
        progress=None,
        frontier=None,
        bucket=None,
    )
