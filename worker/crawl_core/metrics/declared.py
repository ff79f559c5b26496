"""How a metric is declared: its name, its meaning, the values of its labels, and who exports it.

Events are counted where they happen, by the Prometheus client's own counters and histograms. What is a state, or is
counted already, is `Sampled`: read at the moment of a scrape, so that it costs nothing in between and cannot be stale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from crawl_core.metrics.labels import Label, LabelValue, values_of

# A series' first sample tells when it began; a second series for that would double what is stored.
disable_created_metrics()  # type: ignore[no-untyped-call]

Kind = Literal["counter", "gauge", "histogram"]
Labels = Mapping[str, Label]
"""Names of labels, and what their values are."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """A metric's name, and what the page of metrics says of it."""

    name: str
    """As it is exported: a counter's ends in _total, a histogram has _bucket, _sum and _count."""
    kind: Kind
    meaning: str
    labels: Labels


@dataclass(frozen=True, slots=True)
class Sampled:
    """A metric whose values are read when it is scraped."""

    declaration: Declaration

    def __call__(self, value: float, *labels: str) -> Reading:
        """One value of it, with its labels' values in their order."""
        return Reading(self, labels, value)

    def family(self) -> Metric:
        """An empty family, to be filled."""
        named = self.declaration
        make = CounterMetricFamily if named.kind == "counter" else GaugeMetricFamily
        return make(named.name, named.meaning, labels=list(named.labels))


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one series."""

    metric: Sampled
    labels: Sequence[str]
    value: float


class LabelledCounter:
    """A counter with one label of few values. The series of each is looked up once, and not at every event."""

    def __init__(self, counter: Counter, values: Iterable[str]) -> None:
        self._counter = counter
        # They exist from the beginning: to Prometheus a series that begins with its first event has not increased.
        self._known = {value: counter.labels(value) for value in values}

    def labels(self, value: str) -> Counter:
        """The series of a value."""
        return self._known.get(value) or self._counter.labels(value)


class Group:
    """The metrics that one kind of process exports together."""

    def __init__(
        self, title: str, *, exported_by: str, common: Labels | None = None, served_with: Labels | None = None
    ) -> None:
        self.title = title
        self.exported_by = exported_by
        self.common = common or {}
        """Labels that every metric of the group has, before its own."""
        self.served_with = served_with or {}
        """Labels of the process, added to every series when it is served."""
        self.registry = CollectorRegistry()
        """Holds the counters and histograms of the group in this process."""
        self.declarations: list[Declaration] = []

    def counter(self, name: str, meaning: str) -> Counter:
        """Events, counted where they happen."""
        self._declare(name, "counter", meaning, {})
        return Counter(name, meaning, registry=self.registry)

    def counters(self, name: str, meaning: str, **label: type[LabelValue]) -> LabelledCounter:
        """Events of several kinds, told apart by one label."""
        self._declare(name, "counter", meaning, label)
        ((label_name, values),) = label.items()
        return LabelledCounter(Counter(name, meaning, [label_name], registry=self.registry), values_of(values))

    def open_counters(self, name: str, meaning: str, **labels: str) -> Counter:
        """Events of kinds that are not all known before, though there are few."""
        self._declare(name, "counter", meaning, labels)
        return Counter(name, meaning, list(labels), registry=self.registry)

    def histogram(self, name: str, meaning: str, buckets: Sequence[float], **labels: type[LabelValue]) -> Histogram:
        """Durations in seconds, observed where they happen."""
        self._declare(name, "histogram", meaning, labels)
        made = Histogram(name, meaning, list(labels), buckets=buckets, registry=self.registry)
        for label in labels.values():
            for value in values_of(label):
                made.labels(value)  # It exists from the beginning, as a counter's.
        return made

    def sampled_counter(self, name: str, meaning: str, **labels: Label) -> Sampled:
        """A count that somebody keeps already; read at a scrape."""
        return Sampled(self._declare(name, "counter", meaning, labels))

    def gauge(self, name: str, meaning: str, **labels: Label) -> Sampled:
        """A state; read at a scrape."""
        return Sampled(self._declare(name, "gauge", meaning, labels))

    def _declare(self, name: str, kind: Kind, meaning: str, labels: Labels) -> Declaration:
        made = Declaration(name, kind, meaning, {**self.common, **labels})
        self.declarations.append(made)
        return made


class Samples(Collector):
    """Reads the values when it is scraped. Belongs to one registry, or stands for one."""

    def __init__(self, read: Callable[[], Iterable[Reading]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """The families of what is read now."""
        families: dict[str, Metric] = {}
        for reading in self._read():
            name = reading.metric.declaration.name
            if name not in families:
                families[name] = reading.metric.family()
            families[name].add_metric(reading.labels, reading.value)  # type: ignore[attr-defined]
        yield from families.values()

    def describe(self) -> Iterable[Metric]:
        """Nothing: else the client would read once to see what there is."""
        return ()
