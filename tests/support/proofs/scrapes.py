"""Scrapes in tests: the text that a process serves, as series to look things up in.

seen = scrape(url); seen.value("artistcrawl_job_state", state="Crawling"); seen.undeclared() == []
"""

from __future__ import annotations

import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from crawl_core.metrics.declared import Declaration, Group
from crawl_core.metrics.labels import values_of

_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_SUFFIXES = ("_bucket", "_sum", "_count")


@dataclass(frozen=True, slots=True)
class Scrape:
    """One answer."""

    families: list[Metric]

    def values(self, name: str, **labels: str) -> list[float]:
        """Of all series of a name whose labels are at least these."""
        return [
            sample.value
            for family in self.families
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]

    def value(self, name: str, **labels: str) -> float:
        """Of the only such series."""
        (found,) = self.values(name, **labels)
        return found

    def labels(self, name: str, label: str) -> set[str]:
        """The values that a label has."""
        samples = (sample for family in self.families for sample in family.samples if sample.name == name)
        return {sample.labels[label] for sample in samples if label in sample.labels}

    @property
    def names(self) -> set[str]:
        """Of everything of ours, as it was declared."""
        exported = {sample.name for family in self.families for sample in family.samples}
        return {_declared(name) for name in exported if name.startswith("artistcrawl_")}

    @property
    def series(self) -> int:
        """How many there are."""
        return sum(len(family.samples) for family in self.families)

    def undeclared(self, groups: Iterable[Group]) -> list[str]:
        """What is exported beyond what these groups declare: names, and values of labels that are listed."""
        declared = {declaration.name: (group, declaration) for group in groups for declaration in group.declarations}
        wrong = sorted(self.names - set(declared))
        for name in self.names & set(declared):
            group, declaration = declared[name]
            wrong += _wrong_values(self, declaration, also=set(group.served_with))
        return wrong


def scrape(url: str) -> Scrape:
    """GET the text, as Prometheus does."""
    with _opener.open(url, timeout=10) as answer:
        return Scrape(list(text_string_to_metric_families(answer.read().decode())))


def declared_names(*groups: Group) -> set[str]:
    """Of all that these groups declare."""
    return {declaration.name for group in groups for declaration in group.declarations}


def _declared(name: str) -> str:
    for suffix in _SUFFIXES:
        if name.endswith(f"_seconds{suffix}"):
            return name.removesuffix(suffix)
    return name


def _wrong_values(seen: Scrape, declaration: Declaration, *, also: set[str]) -> list[str]:
    name = f"{declaration.name}_count" if declaration.kind == "histogram" else declaration.name
    wrong = []
    for family in seen.families:
        for sample in family.samples:
            if sample.name != name:
                continue
            wrong += [f"{name}: {label}" for label in set(sample.labels) - set(declaration.labels) - also]
            for label, meaning in declaration.labels.items():
                listed = values_of(meaning)
                if listed and sample.labels[label] not in listed:
                    wrong.append(f"{name}: {label}={sample.labels[label]}")
    return wrong
