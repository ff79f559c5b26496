"""Why nothing is done where something should be, and what a person is told to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from support.fakes.observations import NOW, crawling, event_reasons, later, planned, said, status_of, told

from crawl_operator.values.model import Observation, PodTrouble


def down(*pods: PodTrouble, failure: str = "", **more: object) -> Observation:
    workers = {"replicas": 1, "ready": 0, "failure": failure}
    return crawling(workers=workers, pods=pods, **more)  # type: ignore[arg-type]


def pod(reason: str, message: str = "", name: str = "artists-workers-1") -> PodTrouble:
    return PodTrouble(pod=name, reason=reason, message=message)


@pytest.mark.parametrize(
    ("reason", "state", "said_so"),
    [
        ("ImagePullBackOff", "Stalled", "image artistcrawl/worker:dev cannot be pulled"),
        ("ErrImagePull", "Stalled", "artistcrawl.dev/restart"),
        ("CrashLoopBackOff", "Stalled", "kubectl logs -n music"),
        ("CreateContainerConfigError", "Stalled", "kubectl describe pods -n music"),
        ("Unschedulable", "Pending", "0/3 nodes are available"),
    ],
)
def test_pods_that_do_not_come_up(reason: str, state: str, said_so: str) -> None:
    seen = down(pod(reason, "0/3 nodes are available: 3 Insufficient cpu"))
    found = said(seen, "Progressing")
    assert (found.status, found.reason, status_of(seen).state) == ("False", "WorkersUnavailable", state)
    assert said_so in found.message


def test_a_quota_that_lets_no_pod_be_made_is_named() -> None:
    seen = down(failure="exceeded quota: small")
    assert "exceeded quota: small" in said(seen, "Progressing").message
    assert status_of(seen).state == "Stalled"


def test_it_is_told_once_and_so_is_its_end() -> None:
    seen = replace(told(crawling()), deployment=down().deployment, pods=(pod("CrashLoopBackOff"),))
    assert (event_reasons(seen), event_reasons(told(seen))) == (["WorkersUnavailable"], [])
    up = replace(told(seen), deployment=crawling().deployment, pods=())
    assert (event_reasons(up), event_reasons(told(up))) == (["Recovered"], [])


def test_the_message_does_not_change_with_the_pod_or_its_restarts() -> None:
    one = down(pod("CrashLoopBackOff", "back-off 10s restarting pod a", name="a"))
    other = down(pod("CrashLoopBackOff", "back-off 5m0s restarting pod b", name="b"))
    assert said(one, "Progressing") == said(other, "Progressing")


def test_of_several_troubles_the_one_that_a_person_must_see_to_is_named() -> None:
    pods = pod("Unschedulable", "no room"), pod("ImagePullBackOff")
    assert said(down(*pods), "Progressing") == said(down(*reversed(pods)), "Progressing")
    assert "ImagePullBackOff" in said(down(*pods), "Progressing").message


def test_workers_that_start_are_no_stall() -> None:
    seen = down(progress={"last_commit_at": None})
    assert (said(seen, "Progressing").reason, status_of(seen).state) == ("WorkersStarting", "Pending")


def test_a_pod_that_is_replaced_changes_no_state() -> None:
    seen = replace(told(crawling()), deployment=down().deployment)
    assert (status_of(seen).state, event_reasons(seen)) == ("Crawling", [])


def test_workers_that_are_up_crawl_and_the_others_are_told_of() -> None:
    spec = {"workers": {"replicas": 3}}
    seen = crawling(spec, workers={"replicas": 3, "ready": 2}, pods=(pod("Unschedulable", "no room"),))
    found = said(seen, "Progressing")
    assert (found.status, status_of(seen).state) == ("True", "Crawling")
    assert "no room" in found.message


# --- silence


def silent(seen: Observation, seconds: float) -> Observation:
    return later(told(seen), seconds)


def test_five_minutes_without_a_commit_are_a_stall() -> None:
    assert said(silent(crawling(), 294), "Progressing").status == "True"
    seen = silent(crawling(), 301)
    assert (said(seen, "Progressing").reason, status_of(seen).state) == ("NoProgress", "Stalled")
    assert "kubectl logs -n music" in said(seen, "Progressing").message
    assert (event_reasons(seen), event_reasons(told(seen))) == (["NoProgress"], [])


def test_a_slow_limit_has_more_time() -> None:
    slow = crawling({"rateLimit": {"requests": 1, "window": "10m"}})
    assert said(silent(slow, 1790), "Progressing").status == "True"
    assert said(silent(slow, 1801), "Progressing").reason == "NoProgress"


def test_the_time_before_the_workers_were_up_does_not_count() -> None:
    """A job that was suspended for a week, or whose first worker is up now."""
    seen = crawling(progress={"last_commit_at": NOW - timedelta(days=7)})
    assert said(seen, "Progressing").status == "True"
    assert said(silent(seen, 299), "Progressing").status == "True"
    assert said(silent(seen, 300), "Progressing").reason == "NoProgress"


def test_a_stall_lasts_until_something_is_committed() -> None:
    seen = told(silent(crawling(), 400))
    assert said(later(seen, 10), "Progressing").reason == "NoProgress"
    assert seen.progress is not None
    works = replace(later(seen, 10), progress=replace(seen.progress, last_commit_at=later(seen, 5).now))
    assert (said(works, "Progressing").status, event_reasons(works)) == ("True", ["Recovered"])


# --- what workers note


def noted(reason: str, *, committed_ago_s: float = 60.0) -> Observation:
    row = {"problem_reason": reason, "problem_message": "the API refuses fresh tokens", "problem_at": NOW}
    spec = {"source": {"credentialsSecretRef": {"name": "spotify"}}}
    return crawling(spec, row=row, progress={"last_commit_at": NOW - timedelta(seconds=committed_ago_s)})


@pytest.mark.parametrize("reason", ["Unauthorized", "RequestRejected"])
def test_an_api_that_rejects_everything_stalls_the_job(reason: str) -> None:
    seen = noted(reason)
    found = said(seen, "Progressing")
    assert (found.status, found.reason, status_of(seen).state) == ("False", reason, "Stalled")
    assert "the API refuses fresh tokens. " in found.message
    assert "Secret music/spotify" in found.message


def test_a_hint_is_told_of_a_job_that_goes_on() -> None:
    seen = noted("FieldsUnreadable")
    found = said(seen, "Progressing")
    assert (found.status, status_of(seen).state) == ("True", "Crawling")
    assert found.message.endswith(" the API refuses fresh tokens.")


@pytest.mark.parametrize("reason", ["SourceUnreachable", "SourceFailing"])
def test_an_api_that_is_out_stalls_the_job_and_is_no_matter_of_credentials(reason: str) -> None:
    seen = noted(reason)
    found = said(seen, "Progressing")
    assert (found.status, found.reason, status_of(seen).state) == ("False", reason, "Stalled")
    assert "Secret" not in found.message


def test_its_workers_go_on_trying() -> None:
    assert planned(noted("Unauthorized")).actions == ()


def test_a_note_that_commits_came_after_is_out_of_date() -> None:
    assert status_of(noted("RequestRejected", committed_ago_s=-1)).state == "Crawling"


@pytest.mark.parametrize("ready", [0, 1])
def test_a_refused_change_is_told_with_what_to_correct_and_not_as_pods(ready: int) -> None:
    refused = PodTrouble(
        pod="", reason="Invalid", message="the API server refuses it: spec.nodeSelector: Invalid value"
    )
    message = said(crawling(workers={"ready": ready}, pods=(refused,)), "Progressing").message
    assert "The change of the workers was refused: the API server refuses it" in message
    assert "Correct spec.workers" in message
    assert "describe pods" not in message
    assert "not up: Invalid" not in message
