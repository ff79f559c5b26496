"""What a scrape is answered with: the text format, of one process or of several.

It refuses to listen: `serving` does.
"""

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
"""The text of now."""


@cache
def installed_version() -> str:
    """Of artistcrawl."""
    try:
        return version("artistcrawl")
    except PackageNotFoundError:
        return "unknown"


class _Together(Collector):
    """Several collectors as one, each family once, with labels that all their series get."""

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
                known = families.setdefault(family.name, family)
                if known is not family:
                    known.samples += family.samples
        yield from families.values()


def text_of(*collectors: Collector, labels: Mapping[str, str] | None = None) -> bytes:
    """All of them in the text format."""
    return generate_latest(_Together(collectors, labels or {}))


def of_process(*collectors: Collector, read: Callable[[], Iterable[Reading]], labels: Mapping[str, str]) -> Scrape:
    """A process's own text: what it counts, what is read of it now, and what the kernel says of it (on Linux)."""
    kernel = ProcessCollector(registry=None)
    return lambda: text_of(*collectors, Samples(read), kernel, labels=labels)


class Parsed(Collector):
    """What another process answered, to be merged. Raises ValueError where it is not the text format."""

    def __init__(self, text: str) -> None:
        self._families = list(text_string_to_metric_families(text))

    def collect(self) -> Iterator[Metric]:
        """Its families."""
        yield from self._families
