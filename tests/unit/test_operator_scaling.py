"""How many workers: as many as the limit can occupy, or as the user says, and not another number each minute."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fakes.observations import NOW, crawling, fresh, job_of, planned, said, settled, status_of

from crawl_core.values.capacity import need
from crawl_core.values.limits import BucketLimits
from crawl_operator.decide.scaling import choose
from crawl_operator.values.model import AdoptDeployment, CreateDeployment, Observation, ScaleDeployment


def limits(requests: int, window_s: float = 1.0) -> BucketLimits:
    return BucketLimits(requests=requests, window_s=window_s, request_timeout_s=10.0, even=True)


def replicas(
    workers: dict[str, Any] | None = None,
    *,
    per_s: int,
    latency_s: float | None = None,
    current: int = 1,
    ranges: int | None = None,
) -> int:
    spec = job_of({"workers": workers or {}}).spec
    return choose(spec, limits=limits(per_s), latency_s=latency_s, current=current, open_ranges=ranges).replicas


@pytest.mark.parametrize(
    ("per_s", "latency_s", "concurrency", "workers"),
    [
        (1, None, 4, 1),  # 0.075: one is enough, far and away
        (13, None, 4, 1),  # 0.975
        (14, None, 4, 2),  # 1.05
        (100, None, 4, 8),  # 7.5
        (100, 0.1, 4, 3),  # 2.5
        (100, 2.0, 4, 8),  # 50: max
        (100, 2.0, 64, 4),  # 3.125
        (100, 0.0, 1, 1),  # an answer takes no time: still one
    ],
)
def test_as_many_as_the_limit_can_occupy(per_s: int, latency_s: float | None, concurrency: int, workers: int) -> None:
    assert replicas({"concurrency": concurrency}, per_s=per_s, latency_s=latency_s, current=0) == workers


def test_the_default_limit_needs_one_worker() -> None:
    assert need(limits(10, 30.0), latency_s=None, concurrency=4) < 0.03
    assert status_of(fresh()).workers.desired == 1


@pytest.mark.parametrize(("bounds", "workers"), [({"min": 3}, 3), ({"max": 2}, 2), ({"min": 2, "max": 2}, 2)])
def test_never_fewer_than_min_nor_more_than_max(bounds: dict[str, Any], workers: int) -> None:
    assert replicas(bounds, per_s=1 if "min" in bounds else 1000) == workers


def test_a_latency_beyond_the_request_timeout_is_taken_for_that() -> None:
    assert need(limits(1), latency_s=500.0, concurrency=1) == need(limits(1), latency_s=10.0, concurrency=1)


@pytest.mark.parametrize(
    ("latency_s", "current", "workers"),
    [
        (0.085, 2, 3),  # 2.125: one more at once
        (0.078, 3, 3),  # 1.95 is just below two, so the third stays
        (0.06, 3, 2),  # 1.5: clearly fewer
        (0.01, 8, 1),  # 0.25
        (0.15, 8, 5),  # 3.75: to five, which would do for a quarter more
    ],
)
def test_more_at_once_and_fewer_only_when_clearly_fewer(latency_s: float, current: int, workers: int) -> None:
    assert replicas(per_s=100, latency_s=latency_s, current=current) == workers


@given(st.floats(0.05, 0.35), st.floats(0.9, 1.1))
def test_a_wavering_latency_takes_no_worker_away_twice(latency_s: float, wavers: float) -> None:
    first = replicas(per_s=100, latency_s=latency_s, current=0)
    more = replicas(per_s=100, latency_s=latency_s * wavers, current=first)
    assert replicas(per_s=100, latency_s=latency_s, current=more) == more


def test_no_more_are_started_than_there_are_ranges_to_work_on() -> None:
    assert replicas(per_s=1000, current=0, ranges=6) == 2


def test_those_that_are_there_stay_when_ranges_run_out() -> None:
    assert replicas(per_s=1000, current=8, ranges=2) == 8


def test_the_users_number_wins_over_min_max_and_limit() -> None:
    assert replicas({"replicas": 20, "max": 4}, per_s=1) == 20
    assert replicas({"replicas": 0}, per_s=1000) == 0


def test_kubectl_scale_moves_the_deployment() -> None:
    seen = crawling({"workers": {"replicas": 3}})
    assert planned(seen).actions == (ScaleDeployment(3),)
    assert status_of(seen).workers.desired == 3


def test_without_the_users_number_the_operator_chooses_again() -> None:
    assert planned(crawling(workers={"replicas": 5})).actions == (ScaleDeployment(1),)


def test_with_a_limit_for_each_node_all_workers_are_started() -> None:
    spec = {"rateLimit": {"bucket": "Node"}, "workers": {"max": 5}}
    assert status_of(crawling(spec)).workers.desired == 5


def test_a_named_bucket_is_one_limit_whatever_counts_it() -> None:
    spec = {"rateLimit": {"bucket": "Node", "bucketName": "mine"}, "workers": {"max": 5}}
    assert status_of(crawling(spec)).workers.desired == 1


def test_the_limits_in_force_count_and_not_the_jobs_own() -> None:
    spec = {"rateLimit": {"requests": 100, "window": "1s"}}
    assert status_of(crawling(spec)).workers.desired == 8
    assert status_of(crawling(spec, limits={"requests": 10, "window_s": 30.0})).workers.desired == 1


def test_a_measured_latency_counts() -> None:
    spec = {"rateLimit": {"requests": 20, "window": "1s"}}
    assert status_of(crawling(spec)).workers.desired == 2
    assert status_of(crawling(spec, latency_s=1.0)).workers.desired == 5


def test_a_new_job_gets_its_workers_with_its_record() -> None:
    (*_, action) = planned(fresh({"rateLimit": {"requests": 50, "window": "1s"}})).actions
    assert isinstance(action, CreateDeployment)
    assert action.manifest["spec"]["replicas"] == 4


def test_a_deployment_that_somebody_deleted_is_made_again() -> None:
    assert isinstance(planned(replace(crawling(), deployment=None)).actions[0], CreateDeployment)


def test_a_deployment_that_is_going_is_waited_for() -> None:
    assert planned(crawling(workers={"deleting": True})).actions == ()


def test_an_earlier_crawljobs_deployment_is_deleted_first() -> None:
    seen = crawling(workers={"owner_uid": "uid-0"})
    assert [type(action).__name__ for action in planned(seen).actions] == ["DeleteDeployment"]
    assert status_of(seen).workers.ready == 0
    assert settled(seen).deployment == crawling().deployment


# --- what Progressing says of it


def progressing(seen: Observation) -> tuple[str, str]:
    found = said(seen, "Progressing")
    return found.reason, found.message


def test_it_says_when_the_limit_binds_and_not_the_workers() -> None:
    message = "One worker is enough: the limit of 10 requests in 30 s binds, not the workers."
    assert progressing(crawling()) == ("LimitBinds", message)


def test_it_says_how_many_are_enough() -> None:
    seen = settled(crawling({"rateLimit": {"requests": 20, "window": "1s"}}))
    assert progressing(seen)[1].startswith("2 workers are enough: the limit of 20 requests in 1 s")


def test_it_says_what_to_raise_when_the_workers_bind() -> None:
    reason, message = progressing(crawling({"rateLimit": {"requests": 1000, "window": "1s"}}))
    assert reason == "Crawling"
    assert "spec.workers.max" in message


def test_it_names_the_users_own_number_when_that_binds() -> None:
    spec = {"rateLimit": {"requests": 1000, "window": "1s"}, "workers": {"replicas": 2}}
    assert "spec.workers.replicas" in progressing(crawling(spec, workers={"replicas": 2}))[1]


def test_more_workers_than_the_limit_can_occupy_are_said_to_change_nothing() -> None:
    assert progressing(crawling({"workers": {"replicas": 6}}, workers={"replicas": 6}))[0] == "LimitBinds"


def test_it_says_when_there_are_too_few_ranges() -> None:
    spec = {"rateLimit": {"requests": 1000, "window": "1s"}}
    assert "rangeSize" in progressing(crawling(spec, progress={"open_ranges": 3}))[1]


def test_no_workers_by_the_users_number_are_no_stall() -> None:
    seen = crawling({"workers": {"replicas": 0}}, workers={"replicas": 0})
    assert (progressing(seen)[0], status_of(seen).state) == ("NoWorkers", "Pending")


@pytest.mark.parametrize(("age_s", "workers"), [(5, 2), (59, 2), (60, 1)])
def test_the_first_latencies_take_no_worker_away_at_once(age_s: int, workers: int) -> None:
    spec = {"rateLimit": {"requests": 20, "window": "1s"}}
    made = {"replicas": 2, "created_at": NOW - timedelta(seconds=age_s)}
    assert status_of(crawling(spec, latency_s=0.005, workers=made)).workers.desired == workers


def test_workers_that_are_made_anew_are_as_many_as_are_kept_at_first() -> None:
    spec = {"rateLimit": {"requests": 20, "window": "1s"}}
    assert status_of(replace(crawling(spec, latency_s=0.005), deployment=None)).workers.desired == 2


@pytest.mark.parametrize(
    ("spec", "row", "workers"), [({}, {}, 1), ({"suspend": True}, {}, 0), ({}, {"finished_at": NOW}, 0)]
)
def test_workers_that_lost_their_labels_get_them_back(spec: dict[str, Any], row: dict[str, Any], workers: int) -> None:
    seen = crawling(spec, row=row, workers={"labelled": False})
    assert AdoptDeployment(workers, "") in planned(seen).actions
