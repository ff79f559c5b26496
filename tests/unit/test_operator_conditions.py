"""Conditions by the conventions of the Kubernetes API, the summary and the deadline."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from support.fakes.observations import (
    NOW,
    STARTED,
    crawling,
    event_reasons,
    fresh,
    later,
    said,
    settled,
    status_of,
    told,
)

from crawl_core.spec.status import Status
from crawl_operator.decide.condition_records import ConditionValue, condition_records
from crawl_operator.values.instants import instant_of, instant_text
from crawl_operator.values.model import Memory, Observation
from crawl_operator.values.stored_status import parse_stored_status

DONE = {"open_ranges": 0, "covered": 36**4}


TOMORROW = NOW + timedelta(1)


def test_a_condition_keeps_the_time_of_its_transition_while_its_status_stays() -> None:
    (first,) = condition_records({"Seeded": ConditionValue("True", "A")}, before=(), now=NOW, generation=1)
    (second,) = condition_records(
        {"Seeded": ConditionValue("True", "B")}, before=[first], now=NOW + timedelta(1), generation=2
    )
    (third,) = condition_records(
        {"Seeded": ConditionValue("False", "B")}, before=[second], now=NOW + timedelta(1), generation=2
    )
    assert [each.last_transition_time[8:10] for each in (first, second, third)] == ["01", "01", "02"]


def test_a_long_message_is_cut_to_what_the_crd_takes() -> None:
    (found,) = condition_records(
        {"Seeded": ConditionValue("False", "A", "x" * 9_999)}, before=(), now=NOW, generation=None
    )
    assert len(found.message) == 2048


@pytest.mark.parametrize("text", ["", None, "yesterday", "9" * 40])
def test_a_time_that_says_none_is_none(text: str | None) -> None:
    assert instant_of(text) is None


def test_a_time_survives_the_way_to_text_and_back() -> None:
    assert instant_of(instant_text(NOW)) == NOW


def test_each_condition_says_which_generation_it_speaks_of() -> None:
    assert {each.observed_generation for each in status_of(crawling()).conditions} == {2}


def test_a_condition_that_nobody_decides_any_more_goes() -> None:
    status = status_of(crawling({"deadline": "10h"}))
    before = status.model_dump(mode="json", by_alias=True, exclude_none=True)
    without = status_of(crawling(view={"status": before}))
    assert "DeadlineExceeded" not in [each.type for each in without.conditions]


@pytest.mark.parametrize(
    "raw",
    [
        {"state": "Exploding", "searches": 3},
        {"searches": 3, "new": {"field": 1}},
        {"searches": 3, "conditions": [{"type": 1}, "odd"]},
        {"searches": 3, "conditions": "odd", "workers": []},
    ],
)
def test_a_status_of_another_version_is_read_as_far_as_it_goes(raw: dict[str, object]) -> None:
    assert parse_stored_status(raw) == Status(searches=3)


def test_what_is_readable_of_the_conditions_is_kept() -> None:
    good = status_of(crawling()).model_dump(mode="json", by_alias=True, exclude_none=True)
    odd = {**good, "conditions": [*good["conditions"], {"type": "Odd"}], "later": 1}
    assert len(parse_stored_status(odd).conditions) == len(good["conditions"])


# --- Succeeded


def test_the_summary_is_unknown_while_the_job_runs() -> None:
    assert (said(crawling(), "Succeeded").status, said(crawling(), "Succeeded").reason) == ("Unknown", "InProgress")


def test_it_is_true_once_the_ledger_says_so() -> None:
    seen = crawling(row={"finished_at": NOW}, progress=DONE)
    assert (said(seen, "Succeeded").status, said(seen, "Succeeded").reason) == ("True", "Completed")
    assert (said(seen, "Progressing").status, said(seen, "Progressing").reason) == ("False", "Completed")


def test_covered_is_not_finished_before_the_ledger_says_so() -> None:
    seen = crawling(progress=DONE)
    assert (status_of(seen).state, status_of(seen).progress) == ("Crawling", "99.99%")


def test_dead_letters_make_another_reason_and_name_the_remedy() -> None:
    found = said(crawling(row={"finished_at": NOW}, progress={**DONE, "dead_letters": 2}), "Succeeded")
    assert (found.status, found.reason) == ("True", "CompletedWithDeadLetters")
    assert "artistcrawl.dev/retry-dead-letters" in found.message


def test_its_end_is_told_once_with_what_was_found() -> None:
    seen = replace(told(crawling()), row=crawling(row={"finished_at": NOW}).row)
    assert (event_reasons(seen), event_reasons(told(seen))) == (["Succeeded"], [])


def test_a_finished_job_that_is_adopted_by_a_new_crawljob_is_done_at_once() -> None:
    seen = settled(crawling(row={"finished_at": NOW, "uid": "uid-0"}, progress=DONE, deployment=None))
    assert (status_of(seen).state, seen.deployment) == ("Succeeded", None)


# --- DeadlineExceeded


def due(length: str, *, at: float = 0, rate: float | None = None, **more: object) -> Observation:
    memory = Memory(seeded_at=NOW, covered_per_s=rate)
    return later(crawling({"deadline": length}, memory=memory, **more), at)  # type: ignore[arg-type]


def test_without_a_deadline_there_is_no_such_condition() -> None:
    assert "DeadlineExceeded" not in [each.type for each in status_of(crawling()).conditions]


def test_a_job_that_has_not_started_has_not_passed_it() -> None:
    assert said(fresh({"deadline": "1h"}), "DeadlineExceeded").status == "Unknown"


@pytest.mark.parametrize(
    ("length", "status", "reason"), [("8h", "False", "OnTrack"), ("30m", "True", "DeadlineExceeded")]
)
def test_it_counts_from_the_start(length: str, status: str, reason: str) -> None:
    found = said(due(length), "DeadlineExceeded")
    assert (found.status, found.reason) == (status, reason)


def test_passing_it_is_told_once_and_ends_nothing() -> None:
    seen = told(due("2h"))
    assert seen.progress is not None
    seen = replace(later(seen, 3601), progress=replace(seen.progress, last_commit_at=NOW + timedelta(hours=1)))
    assert (event_reasons(seen), event_reasons(told(seen))) == (["DeadlineExceeded"], [])
    assert status_of(seen).state == "Crawling"


def test_a_longer_deadline_takes_it_back() -> None:
    seen = told(due("30m"))
    longer = replace(seen, crawljob=replace(crawling({"deadline": "3h"}).crawljob, status=seen.crawljob.status))
    assert said(longer, "DeadlineExceeded").status == "False"


def test_an_estimate_beyond_it_is_said_before_it_passes() -> None:
    slow, quick = 36**4 * 0.75 / 36_000, 36**4 * 0.75 / 1_800
    assert said(due("2h", rate=slow), "DeadlineExceeded").reason == "LikelyExceeded"
    assert said(due("2h", rate=quick), "DeadlineExceeded").reason == "OnTrack"


def test_an_estimate_that_wavers_about_it_changes_nothing() -> None:
    left = 36**4 * 0.75
    before = told(due("2h", rate=left / 7_200))
    assert said(before, "DeadlineExceeded").reason == "LikelyExceeded"
    waver = replace(before, memory=Memory(seeded_at=NOW, covered_per_s=left / 3_590))
    assert said(waver, "DeadlineExceeded").reason == "LikelyExceeded"


def test_a_job_that_was_done_in_time_met_it_for_ever() -> None:
    seen = later(crawling({"deadline": "2h"}, row={"finished_at": NOW}, progress=DONE), 10**6)
    assert (said(seen, "DeadlineExceeded").status, said(seen, "DeadlineExceeded").reason) == ("False", "Met")


def test_a_job_that_was_done_too_late_says_so_for_ever() -> None:
    seen = crawling({"deadline": "1m"}, row={"finished_at": STARTED + timedelta(hours=1)}, progress=DONE)
    assert said(later(seen, 10**6), "DeadlineExceeded").status == "True"
