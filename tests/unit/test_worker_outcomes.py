"""How outcomes are called in metrics: few names, whatever a server answers."""

from __future__ import annotations

import pytest

from crawl_core.metrics import definitions as metrics
from crawl_core.metrics.declared import values_of
from crawl_worker.client.outcomes import class_of, counted_as, name_of
from crawl_worker.sources.source import Failed, Page, PageSizeRefused, RateLimited, Rejected, Unauthorized

OUTCOMES = [
    Page(count=0, total=0, has_next=False, artists=[]),
    RateLimited(None, quota=False, message=""),
    Unauthorized(""),
    PageSizeRefused(""),
    Rejected(404, ""),
    *(
        Failed(reason, "")
        for reason in (
            "http_502",
            "not_connected", "answer_timeout", "answer_closed", "answer_malformed", "answer_error", "invalid_body",
        )
    ),
]  # fmt: skip


def test_every_kind_of_outcome_has_a_name_of_its_own_in_metrics() -> None:
    counted = [counted_as(name_of(outcome)) for outcome in OUTCOMES]
    assert [*counted, "other"] == values_of(metrics.OUTCOMES)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
def test_an_error_of_the_server_is_one_series_whatever_its_status(status: int) -> None:
    assert counted_as(f"http_{status}") == "http_5xx"


def test_what_nobody_foresaw_is_counted_as_other() -> None:
    assert counted_as("http_302") == "other"


def test_every_failure_has_a_declared_class() -> None:
    classes = {class_of(name_of(outcome)) for outcome in OUTCOMES[1:]}
    assert classes == set(values_of(metrics.RETRY_CLASSES))


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("http_404", "rejected"), ("http_503", "server"), ("answer_timeout", "network"), ("unauthorized", "credential")],
)
def test_a_dead_letter_has_the_class_of_its_reason(reason: str, expected: str) -> None:
    assert class_of(reason) == expected
