"""The next run of a CrawlJob: begun once the last has ended, and of it is all that the status says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support.fakes.observations import (
    NOW,
    STARTED,
    actions_of,
    after,
    begun,
    crawling,
    event_reasons,
    later,
    planned,
    respec,
    said,
    settled,
    status_of,
    told,
)

from crawl_core.job.views import FrontierView
from crawl_core.spec.status import RunRecord
from crawl_core.values.runs import RunRow
from crawl_operator.values import names
from crawl_operator.values.model import BeginRun, DeleteRun, Observation, RecordJob, Trouble

DONE = {"open_ranges": 0, "covered": 36**4}
AWAY = Trouble("LedgerUnavailable", "no", permanent=False)
FIRST = RunRow(
    id=1,
    number=1,
    started_at=STARTED - timedelta(days=2),
    finished_at=STARTED - timedelta(days=1),
    total=36**4,
    covered=36**4,
    searches=400,
    requests=410,
    artists=100,
    artists_new=100,
    added=None,
    gone=None,
    dead_letters=0,
    incomplete=0,
    data_deleted_at=None,
)
SECOND = replace(FIRST, id=2, number=2, started_at=STARTED, finished_at=NOW, artists_new=5)


def finished(spec: dict[str, Any] | None = None, *, run: int = 1, **more: Any) -> Observation:
    """Its run has ended, and all workers are gone."""
    return settled(crawling(spec, row={"finished_at": NOW, "run": run}, progress=DONE, ended_runs=(), **more))


def asking(number: int, *, run: int = 1, **more: Any) -> Observation:
    """The same, and the run of this number is wanted."""
    return respec(finished(run=run, **more), {"run": number})


def test_a_greater_number_begins_the_run_once_the_current_one_has_ended() -> None:
    made = planned(asking(2))
    assert (made.actions, made.requeue_after_s) == ((BeginRun(1, 2),), 0)


def test_an_equal_or_smaller_number_does_nothing() -> None:
    assert [actions_of(asking(number, run=3)) for number in (1, 2, 3)] == [[], [], []]


def test_the_spec_is_recorded_before_the_run_that_crawls_it_begins() -> None:
    seen = finished()
    changed = replace(seen, crawljob=asking(2).crawljob)
    assert planned(changed).actions == (RecordJob(), BeginRun(1, 2))


def test_while_the_current_run_goes_on_the_next_one_is_told_to_wait() -> None:
    seen = crawling({"run": 3}, row={"run": 2})
    assert actions_of(seen) == []
    assert said(seen, "Succeeded").message.endswith("Run 3 begins when run 2 has ended.")


@pytest.mark.parametrize("spec", [{"suspend": True}, {"rateLimit": {"requests": 5}}])
def test_it_begins_with_the_spec_of_then_also_suspended(spec: dict[str, Any]) -> None:
    assert BeginRun(1, 2) in planned(respec(finished(), {"run": 2, **spec})).actions


def test_a_begun_run_is_seeded_and_given_workers() -> None:
    seen = begun(asking(2), 2)
    assert actions_of(seen) == ["SeedFrontier", "CreateDeployment"]
    assert status_of(settled(seen)).state == "Crawling"


def test_the_workers_of_the_last_run_go_on_with_the_next() -> None:
    seen = crawling({"run": 2}, row={"finished_at": NOW}, progress=DONE)
    assert actions_of(seen) == ["BeginRun"]
    assert actions_of(settled(begun(seen, 2))) == []


def test_its_beginning_is_told_once() -> None:
    seen = begun(asking(2), 2)
    assert event_reasons(seen) == ["RunBegan"]
    assert "RunBegan" not in event_reasons(told(seen))


@pytest.mark.parametrize("frontier", [FrontierView(known=False), FrontierView(True, completed=900)])
def test_its_frontier_is_not_called_lost(frontier: FrontierView) -> None:
    """What Redis has of the run before, or has forgotten since, says nothing of this one."""
    seen = replace(begun(asking(2), 2), frontier=frontier)
    assert (said(seen, "Seeded").status, "FrontierLost" in event_reasons(seen)) == ("Unknown", False)
    assert said(settled(seen), "Seeded").status == "True"


def test_its_conditions_times_and_estimates_are_its_own() -> None:
    seen = begun(asking(2), 2)
    status = status_of(seen)
    assert (said(status, "Succeeded").status, said(status, "Succeeded").reason) == ("Unknown", "InProgress")
    assert (status.run, status.state, status.progress, status.covered) == (2, "Pending", "0.00%", 0)
    assert (status.start_time, status.completion_time) == ("2026-03-01T12:00:00Z", None)
    assert status.estimated_completion_time is None


def test_its_deadline_counts_from_its_own_beginning() -> None:
    seen = later(begun(respec(finished(), {"run": 2, "deadline": "2h", "deadlinePolicy": "Suspend"}), 2), 3_600)
    assert (said(seen, "DeadlineExceeded").reason, status_of(seen).state) == ("OnTrack", "Pending")


def test_a_replay_that_an_earlier_run_handled_is_not_made_again() -> None:
    asked = replace(
        asking(2), crawljob=replace(asking(2).crawljob, annotations={names.ANNOTATION_RETRY_DEAD_LETTERS: "1"})
    )
    seen = begun(told(asked), 2)
    assert "ReplayDeadLetters" not in actions_of(seen)


def test_a_finished_crawljob_is_kept_from_the_end_of_its_current_run() -> None:
    spec = {"ttlAfterFinished": "1h"}
    assert "DeleteCrawlJob" not in actions_of(later(finished(spec), 3_599))
    assert "DeleteCrawlJob" in actions_of(later(finished(spec), 3_601))
    again = settled(begun(respec(finished(spec), {**spec, "run": 2}), 2))
    assert "DeleteCrawlJob" not in actions_of(later(again, 7_200))


def test_a_crawljob_whose_next_run_is_wanted_is_not_deleted_meanwhile() -> None:
    seen = later(respec(finished(), {"ttlAfterFinished": "1h", "run": 2}), 7_200)
    assert actions_of(seen) == ["BeginRun"]
    away = replace(seen, row=None, progress=None, trouble=AWAY)
    assert (planned(away).actions, planned(away).requeue_after_s) == ((), 30.0)


def test_a_later_run_is_recorded_though_the_ledger_lost_the_record() -> None:
    """Without a later number it is not: see test_a_finished_job_without_a_record_is_not_crawled_again."""
    lost = replace(asking(2), row=None, progress=None, frontier=None, bucket=None)
    assert actions_of(lost) == ["RecordJob", "SeedFrontier", "CreateDeployment"]
    assert (said(lost, "Succeeded").status, event_reasons(lost)) == ("Unknown", [])
    assert actions_of(replace(lost, trouble=AWAY)) == []


# --- the last runs


def test_the_current_run_is_told_with_the_counts_of_the_status() -> None:
    (current,) = status_of(crawling(ended_runs=())).runs
    assert current == RunRecord(number=1, start_time="2026-03-01T11:00:00Z", requests=430, artists=900)


def test_what_a_run_brought_is_against_the_one_before_where_both_were_compared() -> None:
    compared = replace(SECOND, added=7, gone=3)
    second, first = status_of(crawling(row={"finished_at": NOW, "run": 2}, ended_runs=(compared, FIRST))).runs
    assert (second.number, second.new, second.gone, second.completion_time) == (2, 7, 3, "2026-03-01T12:00:00Z")
    assert (first.number, first.new, first.gone) == (1, None, None)


def test_five_runs_are_told_and_the_current_one_is_the_first_of_them() -> None:
    ended = tuple(replace(FIRST, number=number) for number in (7, 6, 5, 4, 3))
    assert [run.number for run in status_of(crawling(row={"run": 8}, ended_runs=ended)).runs] == [8, 7, 6, 5, 4]


def test_the_last_runs_stay_as_they_were_while_the_ledger_is_away() -> None:
    before = told(crawling(row={"run": 2}, ended_runs=(FIRST,)))
    away = replace(before, row=None, progress=None, ended_runs=None, trouble=AWAY)
    assert (status_of(away).runs, status_of(away).run) == (status_of(before).runs, 2)


def test_a_run_that_is_about_to_be_compared_is_looked_at_again() -> None:
    seen = replace(finished(run=2), ended_runs=(SECOND, FIRST))
    assert planned(seen).requeue_after_s == 5.0
    for runs in ((replace(SECOND, added=0, gone=0), FIRST), (SECOND, replace(FIRST, data_deleted_at=NOW)), (SECOND,)):
        assert planned(replace(seen, ended_runs=runs)).requeue_after_s is None


# --- a run's rows deleted


def deleting(value: str, *, run: int = 2, **more: Any) -> Observation:
    seen = crawling(row={"run": run}, ended_runs=(FIRST,), **more)
    return replace(seen, crawljob=replace(seen.crawljob, annotations={names.ANNOTATION_DELETE_RUN: value}))


@pytest.mark.parametrize("value", ["1", "1-2026-03-01T12:00:00Z"])
def test_an_earlier_runs_rows_are_deleted_once(value: str) -> None:
    seen = deleting(value)
    assert (planned(seen).actions, event_reasons(seen)[-1]) == ((DeleteRun(1, 1),), "RunDeleted")
    done = after(seen, planned(seen))
    assert (planned(done).actions, status_of(done).runs[1].data_deletion_time) == ((), "2026-03-01T12:00:00Z")


@pytest.mark.parametrize(
    ("value", "says"), [("2", "is the current one"), ("3", "There is no run 3 yet"), ("all", "write the number")]
)
def test_what_cannot_be_deleted_is_told_once(value: str, says: str) -> None:
    seen = deleting(value)
    (event,) = planned(seen).events_when_done
    assert (planned(seen).actions, event.reason, says in event.message) == ((), "RunNotDeleted", True)
    assert planned(told(seen)).events_when_done == ()


def test_a_run_is_not_deleted_before_it_was_compared() -> None:
    seen = deleting("1", run=3)
    waits = replace(seen, ended_runs=(SECOND, FIRST))
    assert (planned(waits).actions, status_of(waits).handled) == ((), None)
    compared = replace(seen, ended_runs=(replace(SECOND, added=1, gone=1), FIRST))
    assert planned(compared).actions == (DeleteRun(1, 1),)
