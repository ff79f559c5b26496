"""The text that answers a scrape, of one process or of several. `crawl_core.serving.metrics` serves it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from crawl_core.metrics.declared import Reading, Samples

CONTENT_TYPE = CONTENT_TYPE_LATEST
Scrape = Callable[[], bytes]
"""Makes the text of this moment."""


@cache
def installed_version() -> str:
    """The installed version of artistcrawl."""
    try:
        return version("artistcrawl")
    except PackageNotFoundError:
        return "unknown"


class _Together(Collector):
    """Several collectors as one: each family once, and `labels` on every series."""

    def __init__(self, collectors: Iterable[Collector], labels: Mapping[str, str]) -> None:
        self._collectors = tuple(collectors)
        self._labels = dict(labels)

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for collector in self._collectors:
            for family in collector.collect():
                if self._labels:
                    family.samples = [
                        sample._replace(labels={**self._labels, **sample.labels}) for sample in family.samples
                    ]
                merged = families.setdefault(family.name, family)
                if merged is not family:
                    merged.samples += family.samples
        yield from families.values()


def text_of(*collectors: Collector, labels: Mapping[str, str] | None = None) -> bytes:
    """What the collectors hold, in the text format."""
    return generate_latest(_Together(collectors, labels or {}))


def of_process(*collectors: Collector, read: Callable[[], Iterable[Reading]], labels: Mapping[str, str]) -> Scrape:
    """Makes a process's own text: its counts, what is read of it at that moment, and on Linux the kernel's figures."""
    kernel = ProcessCollector(registry=None)
    return lambda: text_of(*collectors, Samples(read), kernel, labels=labels)


class Parsed(Collector):
    """The text that another process answered, to be merged. Raises ValueError where it is not the text format."""

    def __init__(self, text: str) -> None:
        self._families = list(text_string_to_metric_families(text))

    def collect(self) -> Iterator[Metric]:
        """The text's families."""
        yield from self._families
