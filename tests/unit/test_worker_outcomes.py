"""How outcomes are called in metrics: few names, whatever a server answers."""

from __future__ import annotations

import pytest

from crawl_core.metrics.labels import FailureClass, OutcomeLabel
from crawl_worker.client.outcomes import class_of, label_of, name_of
from crawl_worker.sources.outcomes import (
    EmptyPage,
    InvalidBody,
    Lack,
    NoAnswer,
    Page,
    PageSizeRefused,
    RateLimited,
    Rejected,
    ServerFailed,
    Unauthorized,
)

FAILURES = [
    RateLimited(None, quota=False, message=""),
    Unauthorized(""),
    PageSizeRefused(""),
    Rejected(404, ""),
    ServerFailed(502, ""),
    *(NoAnswer(lack, "") for lack in Lack),
    InvalidBody(""),
]
PAGE = Page(count=0, total=0, has_next=False, artists=[])
FAILURES.append(EmptyPage(PAGE, 1, ""))


def test_every_kind_of_outcome_has_a_label_of_its_own() -> None:
    labels = [label_of(outcome) for outcome in [PAGE, *FAILURES]]
    assert sorted([*labels, OutcomeLabel.OTHER]) == sorted(OutcomeLabel)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599])
def test_an_error_of_the_server_is_one_series_whatever_its_status(status: int) -> None:
    assert label_of(ServerFailed(status, "")) == "http_5xx"


@pytest.mark.parametrize("status", [204, 302, 408, 600])
def test_what_nobody_foresaw_is_counted_as_other_and_logged_by_its_status(status: int) -> None:
    outcome = ServerFailed(status, "")
    assert (label_of(outcome), name_of(outcome)) == ("other", f"http_{status}")


def test_every_class_is_one_of_some_failure() -> None:
    assert {class_of(outcome) for outcome in FAILURES} == set(FailureClass)


@pytest.mark.parametrize(
    ("outcome", "name", "failure_class"),
    [
        (ServerFailed(503, ""), "http_503", "server"),
        (ServerFailed(408, ""), "http_408", "rejected"),
        (ServerFailed(302, ""), "http_302", "server"),
        (Rejected(404, ""), "rejected", "rejected"),
        (NoAnswer(Lack.TIMEOUT, ""), "answer_timeout", "network"),
        (NoAnswer(Lack.NOT_CONNECTED, ""), "not_connected", "network"),
        (NoAnswer(Lack.MALFORMED, ""), "answer_malformed", "answer"),
        (Unauthorized(""), "unauthorized", "credential"),
    ],
)
def test_names_and_classes_that_boards_and_people_know(
    outcome: ServerFailed | Rejected | NoAnswer | Unauthorized, name: str, failure_class: str
) -> None:
    assert (name_of(outcome), class_of(outcome)) == (name, failure_class)
