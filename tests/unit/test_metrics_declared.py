"""The rules that every declared metric keeps, and how it is read and served."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter

from crawl_core.metrics import definitions as metrics
from crawl_core.metrics.declared import Declaration, Group, Samples
from crawl_core.metrics.exposition import Parsed, text_of
from crawl_core.metrics.labels import LabelValue, values_of
from crawl_core.metrics.page import page

ALL = [declaration for group in metrics.GROUPS for declaration in group.declarations]


@pytest.mark.parametrize("declaration", ALL, ids=lambda each: each.name)
def test_names_keep_prometheus_conventions(declaration: Declaration) -> None:
    assert re.fullmatch(r"artistcrawl_[a-z]+(_[a-z]+)+", declaration.name)
    assert declaration.name.endswith("_total") == (declaration.kind == "counter")
    assert declaration.kind != "histogram" or declaration.name.endswith("_seconds")
    assert not re.search(r"_(ms|millis|minutes|hours|percent)\b", declaration.name)


@pytest.mark.parametrize("declaration", ALL, ids=lambda each: each.name)
def test_each_metric_and_label_is_explained(declaration: Declaration) -> None:
    assert declaration.meaning.endswith(".")
    assert all(declaration.labels.values())


def test_no_two_families_share_a_name() -> None:
    families = [each.name.removesuffix("_total") for each in ALL]
    assert sorted(set(families)) == sorted(families)


class Kind(LabelValue):
    GOOD = "good", "as it should be"
    BAD = "bad", "as it should not"


def test_a_label_has_the_values_of_its_enum_and_none_where_it_is_described_in_words() -> None:
    assert values_of(Kind) == ["good", "bad"]
    assert values_of("a number: from 0 to concurrency - 1") == []


def test_a_counter_is_there_before_its_first_event() -> None:
    group = Group("A test", exported_by="a test")
    group.counters("events_total", "Events.", kind=Kind)
    series = [line for line in text_of(group.registry).decode().splitlines() if not line.startswith("#")]
    assert series == ['events_total{kind="good"} 0.0', 'events_total{kind="bad"} 0.0']


def test_what_is_read_is_read_at_each_scrape() -> None:
    seen = iter([1.0, 2.0])
    sampled = Samples(lambda: [metrics.CONCURRENCY(next(seen))])
    assert "artistcrawl_worker_concurrency 1.0" in text_of(sampled).decode()
    assert "artistcrawl_worker_concurrency 2.0" in text_of(sampled).decode()


def test_labels_of_the_process_are_on_every_series() -> None:
    registry = CollectorRegistry()
    Counter("a_total", "A.", ["kind"], registry=registry).labels("x").inc()
    text = text_of(registry, Samples(lambda: [metrics.CONCURRENCY(4)]), labels={"worker": "w"}).decode()
    series = [line for line in text.splitlines() if not line.startswith("#")]
    assert series == ['a_total{kind="x",worker="w"} 1.0', 'artistcrawl_worker_concurrency{worker="w"} 4.0']


def test_texts_of_several_processes_become_one_with_each_family_once() -> None:
    texts = [text_of(Samples(lambda: [metrics.CONCURRENCY(4)]), labels={"worker": name}) for name in ("a", "b")]
    merged = text_of(*(Parsed(text.decode()) for text in texts)).decode()
    assert merged.count("# TYPE artistcrawl_worker_concurrency gauge") == 1
    assert 'artistcrawl_worker_concurrency{worker="a"} 4.0\nartistcrawl_worker_concurrency{worker="b"} 4.0' in merged


def test_a_merged_text_can_be_merged_again() -> None:
    once = text_of(metrics.WORKER.registry, labels={"worker": "a"})
    assert text_of(Parsed(once.decode())) == once


def test_the_page_of_all_metrics_is_up_to_date() -> None:
    assert (Path(__file__).parents[2] / "grafana" / "metrics.md").read_text() == page(), "run: make sync"


def test_the_page_has_every_metric_and_every_value_of_a_label() -> None:
    text = page()
    for declaration in ALL:
        assert f"`{declaration.name}`" in text
        for label in declaration.labels.values():
            assert all(f"`{value}`" in text for value in values_of(label))
