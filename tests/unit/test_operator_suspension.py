"""Suspend and resume: nobody requests any more, and everything goes on where it stopped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.fakes.observations import (
    NOW,
    actions_of,
    after,
    crawling,
    event_reasons,
    fresh,
    later,
    planned,
    respec,
    said,
    settled,
    status_of,
    told,
)

from crawl_core.job.views import FrontierView
from crawl_core.values.jobs import JobRow
from crawl_operator.values.model import DeploymentView, Observation, RecordJob, ReleaseJob, ScaleDeployment, Trouble


def suspended(**more: object) -> Observation:
    return respec(told(crawling()), {"suspend": True}, **more)


def drained() -> Observation:
    """Suspended, and all workers have ended since the look before."""
    seen = suspended()
    return replace(after(seen, planned(seen)), frontier=FrontierView(True, pending=100))


def row_in(seen: Observation) -> JobRow:
    assert seen.row is not None
    return seen.row


def deployment_of(seen: Observation) -> DeploymentView:
    assert seen.deployment is not None
    return seen.deployment


def test_suspending_takes_all_workers_away_and_says_so_once() -> None:
    seen = suspended()
    assert planned(seen).actions == (ScaleDeployment(0),)
    assert (status_of(seen).state, event_reasons(seen), event_reasons(told(seen))) == ("Suspended", ["Suspended"], [])


def test_it_is_true_only_when_no_request_is_under_way() -> None:
    seen = suspended()
    assert (said(seen, "Suspended").status, said(seen, "Suspended").reason) == ("False", "Draining")
    assert (said(drained(), "Suspended").status, said(drained(), "Suspended").reason) == ("True", "Suspended")


def test_a_pod_that_ends_still_has_its_lease() -> None:
    seen = settled(suspended())
    leased = replace(seen, frontier=FrontierView(True, pending=98, leased=2))
    assert said(leased, "Suspended").reason == "Draining"
    assert planned(leased).requeue_after_s == 5.0


def test_a_killed_workers_lease_holds_nothing_up() -> None:
    seen = settled(replace(suspended(), frontier=FrontierView(True, pending=98, leased=2, overdue=2)))
    assert said(seen, "Suspended").status == "True"
    assert planned(seen).requeue_after_s == 30.0


def test_once_its_workers_have_ended_a_suspended_job_is_released_once() -> None:
    seen = drained()
    assert planned(seen).actions == (ReleaseJob(),)
    assert planned(after(seen, planned(seen))).actions == ()


@pytest.mark.parametrize(
    "busy",
    [
        {"frontier": FrontierView(True, pending=98, leased=2)},
        {"pods": 1},
        {"ready": 1},
    ],
    ids=["a range is leased", "a pod is there", "a pod is ready"],
)
def test_a_suspended_job_whose_workers_may_still_send_is_not_released(busy: dict[str, Any]) -> None:
    seen = drained()
    more = busy if "frontier" in busy else {"deployment": replace(deployment_of(seen), **busy)}
    assert ReleaseJob() not in planned(replace(seen, **more)).actions


def test_a_job_whose_spec_changed_is_recorded_before_it_is_released() -> None:
    seen = respec(settled(suspended()), {"suspend": True, "rateLimit": {"requests": 3}})
    recorded = replace(seen, row=replace(row_in(seen), spec={}, released_at=None))
    assert planned(recorded).actions == (RecordJob(),)


def test_resuming_records_the_job_before_workers_start() -> None:
    seen = settled(suspended())
    resumed = respec(seen, {})
    recorded = replace(resumed, row=replace(row_in(resumed), spec=row_in(seen).spec))
    assert planned(recorded).actions == (RecordJob(), ScaleDeployment(1))


def test_resuming_brings_them_back() -> None:
    seen = respec(settled(suspended()), {})
    assert planned(seen).actions == (ScaleDeployment(1),)
    assert event_reasons(seen) == ["Resumed"]
    assert status_of(settled(seen)).state == "Crawling"


def test_a_job_that_is_applied_suspended_is_recorded_and_has_no_workers() -> None:
    assert actions_of(fresh({"suspend": True})) == ["RecordJob", "SeedFrontier"]
    assert status_of(settled(fresh({"suspend": True}))).state == "Suspended"


@pytest.mark.parametrize(("reason", "permanent"), [("BackendsSecretMissing", True), ("LedgerUnavailable", False)])
def test_it_works_while_a_backend_is_away(reason: str, permanent: bool) -> None:
    trouble = Trouble(reason, "connection refused", permanent=permanent)
    seen = replace(suspended(), trouble=trouble, row=None, progress=None, frontier=None, bucket=None)
    assert planned(seen).actions == (ScaleDeployment(0),)
    assert status_of(seen).state == "Suspended"


def test_the_users_number_does_not_keep_workers() -> None:
    seen = crawling({"suspend": True, "workers": {"replicas": 5}}, workers={"replicas": 5})
    assert planned(seen).actions == (ScaleDeployment(0),)


def test_numbers_and_start_stay() -> None:
    before, status = status_of(crawling()), status_of(settled(suspended()))
    assert (status.searches, status.progress, status.start_time) == (420, "25.00%", before.start_time)
    assert status.estimated_completion_time is None


# --- a deadline that suspends

# The jobs of these tests started an hour ago.
PAST = {"deadline": "30m", "deadlinePolicy": "Suspend"}


def test_a_deadline_that_suspends_takes_all_workers_away_and_says_how_to_go_on() -> None:
    seen = respec(told(crawling()), PAST)
    assert planned(seen).actions[-1] == ScaleDeployment(0)
    assert (status_of(seen).state, event_reasons(seen)) == ("Suspended", ["Suspended", "DeadlineExceeded"])
    drained = replace(settled(seen), frontier=FrontierView(True, pending=100))
    found = said(drained, "Suspended")
    assert (found.status, found.reason) == ("True", "DeadlinePassed")
    assert "raise spec.deadline, or write spec.deadlinePolicy: Alert" in found.message
    assert said(drained, "Progressing").reason == "DeadlinePassed"
    assert "It suspends the crawl" in said(drained, "DeadlineExceeded").message


@pytest.mark.parametrize("spec", [{**PAST, "deadline": "8h"}, {**PAST, "deadlinePolicy": "Alert"}])
def test_a_raised_deadline_or_another_policy_brings_them_back(spec: dict[str, str]) -> None:
    seen = respec(settled(respec(told(crawling()), PAST)), spec)
    assert planned(seen).actions[-1] == ScaleDeployment(1)
    assert event_reasons(seen) == ["Resumed"]


def test_it_is_looked_at_when_its_deadline_passes() -> None:
    seen = settled(crawling({**PAST, "deadline": "60m2s"}))
    assert planned(seen).requeue_after_s == 2.0
    assert planned(later(seen, 3)).actions == (ScaleDeployment(0),)


def test_its_deadline_holds_while_the_ledger_is_away() -> None:
    away = Trouble("LedgerUnavailable", "connection refused", permanent=False)
    seen = replace(settled(respec(told(crawling()), PAST)), trouble=away, row=None, progress=None, frontier=None)
    assert status_of(seen).state == "Suspended"


def test_a_user_who_suspended_it_as_well_is_told_both() -> None:
    seen = settled(respec(told(crawling()), {**PAST, "suspend": True}))
    found = said(replace(seen, frontier=FrontierView(True, pending=100)), "Suspended")
    assert found.reason == "Suspended"
    assert "write spec.suspend: false, and raise spec.deadline" in found.message


def test_a_finished_job_is_not_suspended_by_its_deadline() -> None:
    seen = crawling(PAST, row={"finished_at": NOW})
    assert status_of(seen).state == "Succeeded"
    assert "Nothing is ended by it" in said(seen, "DeadlineExceeded").message


COVERED = {"covered": 36**4, "open_ranges": 1}


def test_what_is_searched_again_after_the_end_is_not_suspended_by_the_deadline() -> None:
    seen = settled(crawling(PAST, progress=COVERED))
    assert status_of(seen).state == "Crawling"
    assert "Nothing is ended by it" in said(seen, "DeadlineExceeded").message
    away = Trouble("LedgerUnavailable", "connection refused", permanent=False)
    assert status_of(replace(seen, trouble=away, row=None, progress=None, frontier=None)).state != "Suspended"


def test_its_user_suspends_it_all_the_same() -> None:
    assert status_of(settled(crawling({**PAST, "suspend": True}, progress=COVERED))).state == "Suspended"


# --- the annotation artistcrawl.dev/paused


def paused(seen: Observation, value: str = "true") -> Observation:
    return replace(seen, crawljob=replace(seen.crawljob, annotations={"artistcrawl.dev/paused": value}))


def test_a_paused_crawljob_is_left_alone_whatever_is_wrong() -> None:
    seen = paused(replace(crawling(workers={"replicas": 7, "template": "other"}), frontier=FrontierView(False)))
    assert (planned(seen).actions, planned(seen).requeue_after_s) == ((), None)


def test_it_says_so_once_and_keeps_what_it_said() -> None:
    seen = paused(told(crawling()))
    status = status_of(seen)
    assert (said(status, "Progressing").reason, status.state, status.searches) == ("Paused", "Crawling", 420)
    assert (event_reasons(seen), event_reasons(told(seen))) == (["Paused"], [])


def test_it_does_not_claim_to_have_seen_a_new_generation() -> None:
    before = told(crawling())
    seen = paused(replace(before, crawljob=replace(before.crawljob, generation=9)))
    assert (status_of(seen).observed_generation, said(seen, "Seeded").observed_generation) == (2, 2)


def test_another_value_is_no_pause() -> None:
    assert planned(paused(crawling(workers={"replicas": 7}), "false")).actions


def test_the_end_of_a_pause_is_no_alarm() -> None:
    seen = told(paused(told(crawling())))
    resumed = replace(seen, crawljob=replace(seen.crawljob, annotations={}))
    assert (event_reasons(resumed), said(resumed, "Progressing").reason) == ([], "LimitBinds")
