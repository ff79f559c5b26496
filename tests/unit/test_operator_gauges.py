"""What an operator tells of itself, and when it tells of CrawlJobs."""

from __future__ import annotations

from collections.abc import Iterable

from crawl_core.metrics.declared import Reading
from crawl_core.metrics.definitions import JOB, OPERATOR
from crawl_core.readings.job import JobFigures
from crawl_operator.expose.gauges import OperatorView, readings

JOBS = (JobFigures("music", "artists", "Crawling", 1_000.0), JobFigures("music", "labels", "Pending", 1_000.0))
OF_JOBS = {each.name for each in JOB.declarations}


def told(view: OperatorView) -> dict[tuple[str, ...], float]:
    return {(each.metric.declaration.name, *each.labels): each.value for each in readings(view, version="1.2")}


def jobs_in(found: Iterable[Reading]) -> set[str]:
    return {each.labels[1] for each in found if each.metric.declaration.name in OF_JOBS}


def test_the_operator_that_leads_tells_of_each_crawljob() -> None:
    assert jobs_in(readings(OperatorView(leads=True, jobs=JOBS), version="1.2")) == {"artists", "labels"}


def test_one_that_stands_by_tells_of_none() -> None:
    assert jobs_in(readings(OperatorView(leads=False, jobs=JOBS), version="1.2")) == set()


def test_an_operator_tells_what_it_does() -> None:
    view = OperatorView(True, crawljobs=3, due=2, planned=1, in_flight=4, turned_at_s={"rounds": 5.0, "lease": 6.0})
    assert told(view) == {
        ("artistcrawl_operator_info", "1.2"): 1,
        ("artistcrawl_operator_leader",): 1,
        ("artistcrawl_operator_crawljobs",): 3,
        ("artistcrawl_operator_queue_length", "due"): 2,
        ("artistcrawl_operator_queue_length", "planned"): 1,
        ("artistcrawl_operator_reconciles_in_flight",): 4,
        ("artistcrawl_operator_turn_timestamp_seconds", "rounds"): 5,
        ("artistcrawl_operator_turn_timestamp_seconds", "lease"): 6,
    }


def test_each_gauge_of_an_operator_is_told() -> None:
    gauges = {each.name for each in OPERATOR.declarations if each.kind == "gauge"}
    view = OperatorView(turned_at_s={"rounds": 1.0})
    assert {name for name, *_ in told(view)} == gauges
