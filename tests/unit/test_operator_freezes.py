"""A frozen bucket: the state, the time, and no workers while it is long."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.fakes.observations import (
    NOW,
    actions_of,
    crawling,
    event_reasons,
    later,
    planned,
    said,
    settled,
    status_of,
    told,
)

from crawl_core.values.limits import Binder
from crawl_operator.values.model import Observation


def frozen(seconds: float, *, replicas: int = 1, **more: object) -> Observation:
    return crawling(limits={"frozen_s": seconds}, workers={"replicas": replicas}, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("left_s", "there", "wanted"),
    [
        (86_400, 4, 0),
        (121, 4, 0),
        (120, 4, 4),  # short: whoever is there stays
        (16, 0, 0),  # a long one that nears its end: nobody yet
        (15, 0, 1),  # one is up again in time
        (15, 4, 4),
        (1, 0, 1),
    ],
)
def test_workers_during_a_freeze(left_s: float, there: int, wanted: int) -> None:
    assert status_of(frozen(left_s, replicas=there)).workers.desired == wanted


def test_the_status_says_until_when_and_how_to_lift_it() -> None:
    seen = frozen(3600)
    status = status_of(seen)
    assert (status.state, status.frozen_until) == ("Frozen", "2026-03-01T13:00:00Z")
    assert (said(status, "RateLimited").status, said(status, "RateLimited").reason) == ("True", "FrozenByAPI")
    assert "artistcrawl.dev/unfreeze" in said(status, "RateLimited").message
    assert said(status, "Progressing").reason == "Frozen"


def test_a_used_up_quota_is_told_apart() -> None:
    assert said(frozen(3600, row={"problem_reason": "QuotaExceeded"}), "RateLimited").reason == "QuotaExceeded"


def test_a_quota_that_was_used_up_once_is_no_reason_without_a_freeze() -> None:
    assert said(crawling(row={"problem_reason": "QuotaExceeded"}), "RateLimited").status == "False"
    assert status_of(crawling(row={"problem_reason": "QuotaExceeded"})).state == "Crawling"


def test_it_is_told_once_and_so_is_its_end() -> None:
    seen = replace(told(crawling()), bucket=frozen(60).bucket)
    assert (event_reasons(seen), event_reasons(told(seen))) == (["FrozenByAPI"], [])
    assert event_reasons(later(told(seen), 61)) == ["Unfrozen"]


def test_after_a_long_one_the_job_goes_on_by_itself() -> None:
    seen = settled(frozen(3600))
    assert seen.deployment is not None
    assert seen.deployment.replicas == 0
    for seconds, workers in ((3584, 0), (3585, 1), (3601, 1)):
        seen = settled(replace(later(seen, 0), now=NOW.replace(hour=12) + (later(crawling(), seconds).now - NOW)))
        assert seen.deployment is not None
        assert seen.deployment.replicas == workers
    assert status_of(seen).state == "Crawling"


@pytest.mark.parametrize(("left_s", "again_s"), [(3600, 30.0), (35, 20.0), (15, 15.0), (2, 2.0)])
def test_the_next_look_is_when_something_is_due(left_s: float, again_s: float) -> None:
    assert planned(settled(frozen(left_s))).requeue_after_s == again_s


def test_a_freeze_that_is_over_by_the_clock_is_none() -> None:
    assert status_of(crawling(limits={"frozen_s": -1})).state == "Crawling"


def test_a_suspended_job_tells_of_the_freeze_and_stays_suspended() -> None:
    seen = crawling({"suspend": True}, limits={"frozen_s": 3600}, workers={"replicas": 0})
    assert (status_of(seen).state, said(seen, "RateLimited").status) == ("Suspended", "True")


def test_a_finished_job_tells_of_none() -> None:
    seen = crawling(row={"finished_at": NOW}, limits={"frozen_s": 3600})
    assert (status_of(seen).frozen_until, said(seen, "RateLimited").status) == (None, "False")


def test_the_users_number_is_no_reason_to_spend_pods_on_a_long_freeze() -> None:
    assert actions_of(frozen(3600, replicas=3, spec={"workers": {"replicas": 3}})) == ["ScaleDeployment"]


def test_fewer_workers_asked_for_during_a_freeze_are_fewer() -> None:
    seen = frozen(60, replicas=3, spec={"workers": {"replicas": 1}})
    assert status_of(seen).workers.desired == 1


def test_a_stricter_limit_of_another_job_is_named() -> None:
    other = Binder("music/other", requests=5, window_s=60.0, even=True, activity="suspended")
    seen = crawling(limits={"requests": 5, "window_s": 60.0, "binders": (other,)})
    found = said(seen, "RateLimited")
    assert (found.status, found.reason) == ("False", "SharedBucketStricter")
    assert "5 requests in 1 min" in found.message
    assert "music/other (5 requests in 1 min; suspended, with workers that have not all ended)" in found.message
    assert status_of(seen).limited_by == "music/other"


def test_a_bucket_that_still_has_a_wider_limit_is_no_stricter_one() -> None:
    assert said(crawling(limits={"requests": 50}), "RateLimited").reason == "WithinLimit"
