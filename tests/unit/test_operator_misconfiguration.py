"""A configuration error is not the end: one worker is tried again, after a change or ten minutes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

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

from crawl_operator.values.model import ClearProblem, Observation, ScaleDeployment

WORDS = "credentials: /etc/artistcrawl/credentials/client-id is empty; write the value into it"
PROBLEM = {"problem_reason": "Misconfigured", "problem_message": WORDS, "problem_at": NOW - timedelta(seconds=5)}
SPEC = {"source": {"credentialsSecretRef": {"name": "spotify"}}, "rateLimit": {"requests": 50, "window": "1s"}}


def failed(**more: object) -> Observation:
    return told(crawling(SPEC, row=PROBLEM, workers={"replicas": 4, "ready": 0}, **more))  # type: ignore[arg-type]


def resting() -> Observation:
    return settled(failed())


def test_all_workers_are_taken_away() -> None:
    assert ScaleDeployment(0) in planned(failed()).actions
    assert status_of(failed()).state == "Stalled"


def test_the_condition_names_the_secret_and_the_remedy() -> None:
    found = said(failed(), "Progressing")
    assert (found.status, found.reason) == ("False", "Misconfigured")
    for part in (WORDS, "Secret music/spotify", "Secret music/artistcrawl-backends", "every 10 minutes"):
        assert part in found.message


def test_it_is_told_once() -> None:
    seen = replace(told(crawling(SPEC)), row=failed().row, deployment=failed().deployment)
    assert (event_reasons(seen), event_reasons(told(seen))) == (["Misconfigured"], [])


def test_one_broken_worker_beside_healthy_ones_takes_none_away() -> None:
    spec = {**SPEC, "workers": {"replicas": 4}}
    seen = told(crawling(spec, row=PROBLEM, workers={"replicas": 4, "ready": 3}))
    assert (planned(seen).actions, status_of(seen).state) == ((), "Crawling")
    assert seen.progress is not None
    commits = replace(later(seen, 60), progress=replace(seen.progress, last_commit_at=later(seen, 59).now))
    assert status_of(commits).state == "Crawling"
    assert status_of(later(seen, 60)).state == "Stalled"


def test_nothing_happens_while_nothing_changes() -> None:
    seen = resting()
    assert planned(later(seen, 30)).actions == ()
    assert planned(seen).requeue_after_s == 30.0


def test_one_worker_is_tried_when_a_secret_changed() -> None:
    seen = replace(resting(), secrets="11,13")
    assert planned(seen).actions == (ClearProblem(1), ScaleDeployment(1))
    assert status_of(seen).workers.desired == 1


def test_one_worker_is_tried_when_the_spec_changed() -> None:
    seen = resting()
    assert ClearProblem(1) in planned(replace(seen, crawljob=replace(seen.crawljob, generation=3))).actions


def test_one_worker_is_tried_every_ten_minutes() -> None:
    seen = resting()
    assert planned(later(seen, 594)).actions[-1:] != (ScaleDeployment(1),)
    assert planned(later(seen, 596)).actions[1:] == (ClearProblem(1), ScaleDeployment(1))


def test_a_problem_that_is_old_when_it_is_first_seen_is_tried_at_once() -> None:
    old = {**PROBLEM, "problem_at": NOW - timedelta(hours=1)}
    assert ClearProblem(1) in planned(crawling(SPEC, row=old, progress={"last_commit_at": None})).actions


def tried() -> Observation:
    return settled(replace(resting(), secrets="11,13"))


def test_it_stays_alone_until_it_commits_something() -> None:
    seen = tried()
    assert (status_of(seen).workers.desired, planned(seen).actions) == (1, ())
    assert seen.progress is not None
    works = replace(seen, progress=replace(seen.progress, last_commit_at=NOW + timedelta(seconds=20)))
    assert planned(later(works, 21)).actions == (ScaleDeployment(4),)
    assert status_of(later(works, 21)).attempt is None


def test_the_state_stays_stalled_while_it_is_tried() -> None:
    seen = tried()
    assert (status_of(seen).state, said(seen, "Progressing").reason, event_reasons(seen)) == (
        "Stalled",
        "Misconfigured",
        [],
    )
    assert WORDS in said(seen, "Progressing").message


def test_its_success_is_told() -> None:
    seen = tried()
    assert seen.progress is not None
    works = replace(seen, progress=replace(seen.progress, last_commit_at=NOW + timedelta(seconds=20)))
    assert (event_reasons(later(works, 21)), status_of(later(works, 21)).state) == (["Recovered"], "Crawling")


def test_its_failure_takes_it_away_for_another_ten_minutes() -> None:
    seen = tried()
    assert seen.row is not None
    assert seen.deployment is not None
    row = replace(seen.row, **{**PROBLEM, "problem_at": NOW + timedelta(seconds=18)})
    again = replace(later(seen, 20), row=row, deployment=replace(seen.deployment, ready=0))
    assert planned(again).actions == (ScaleDeployment(0),)
    assert event_reasons(again) == []
    assert ClearProblem(1) not in planned(later(settled(again), 570)).actions
    assert ClearProblem(1) in planned(later(settled(again), 581)).actions


def test_a_suspended_job_is_not_tried() -> None:
    seen = resting()
    view = crawling({**SPEC, "suspend": True}).crawljob
    off = replace(seen, crawljob=replace(view, status=seen.crawljob.status, generation=3))
    assert ClearProblem(1) not in planned(later(off, 10_000)).actions
    assert status_of(off).attempt is not None


def test_no_worker_is_tried_where_the_user_wants_none() -> None:
    seen = crawling({"workers": {"replicas": 0}}, row=PROBLEM, workers={"replicas": 0, "ready": 0})
    assert "ScaleDeployment" not in actions_of(replace(told(seen), secrets="99"))


def test_a_finished_job_forgets_it() -> None:
    seen = resting()
    assert seen.row is not None
    assert status_of(replace(seen, row=replace(seen.row, finished_at=NOW))).attempt is None
