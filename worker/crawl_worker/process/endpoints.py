"""What a worker answers from its first moment on: to probes, and to whoever scrapes it.

They are served before there is a worker, so that one that waits for its ledger is alive, and says what it waits for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from crawl_core.clock import SYSTEM_CLOCK
from crawl_core.metrics import definitions as metrics
from crawl_core.metrics.declared import Reading
from crawl_core.metrics.exposition import Scrape, installed_version, of_process
from crawl_core.readings.backends import backends_readings
from crawl_core.serving.probes import Readiness
from crawl_worker.crawl.worker import Worker
from crawl_worker.process.gauges import readings


@dataclass(slots=True)
class WorkerEndpoints:
    """Filled in as the process gets on."""

    readiness: Readiness = field(default_factory=lambda: Readiness("waiting for the ledger and the job in it"))
    worker: Worker | None = None
    started_at_s: float = field(default_factory=SYSTEM_CLOCK.time)

    def scrape_of(self, *, job: str, worker_name: str) -> Scrape:
        """The metrics of this process; `job` is NAMESPACE/NAME."""
        namespace, _, name = job.partition("/")
        labels = {"namespace": namespace, "crawljob": name, "worker": worker_name}
        return of_process(metrics.WORKER.registry, metrics.BACKENDS.registry, read=self._read, labels=labels)

    def _read(self) -> Iterator[Reading]:
        view = None if self.worker is None else self.worker.view()
        yield from readings(view, started_at_s=self.started_at_s, version=installed_version())
        yield from backends_readings()
