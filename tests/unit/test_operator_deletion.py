"""How a CrawlJob goes: with its data or without, after its time, and never held up for long."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from support.fakes.observations import (
    NOW,
    actions_of,
    crawling,
    event_reasons,
    fresh,
    later,
    planned,
    settled,
    status_of,
    told,
    view_of,
)

from crawl_core.job.views import FrontierView
from crawl_operator.values.model import (
    DeleteCrawlJob,
    DeleteDeployment,
    MarkDeleted,
    Observation,
    SetFinalizers,
    Trouble,
)
from crawl_operator.values.names import FINALIZER

DELETE = {"dataPolicy": "Delete"}
AWAY = Trouble("LedgerUnavailable", "connection refused", permanent=False)
MISSING = Trouble("BackendsSecretMissing", "there is no Secret", permanent=True)


def going(spec: dict[str, object] | None = None, *, waited_s: float = 1.0, **more: object) -> Observation:
    seen = crawling(DELETE if spec is None else spec, **more)  # type: ignore[arg-type]
    return replace(seen, crawljob=replace(seen.crawljob, deleted_at=NOW - timedelta(seconds=waited_s)))


def without_workers(seen: Observation) -> Observation:
    return replace(seen, deployment=None, frontier=FrontierView(True, pending=100))


def unreadable(seen: Observation, trouble: Trouble) -> Observation:
    return replace(seen, trouble=trouble, row=None, progress=None, frontier=None, bucket=None)


# --- the finalizer


def test_a_job_that_keeps_its_data_has_no_finalizer() -> None:
    assert "SetFinalizers" not in actions_of(fresh())


def test_a_job_that_does_not_gets_it_before_anything_is_recorded() -> None:
    seen = fresh(DELETE, finalizers=("other/one",))
    made = planned(seen)
    assert made.actions == (SetFinalizers(("other/one", FINALIZER)),)
    assert (made.status, made.requeue_after_s) == (None, 0)


def test_it_goes_when_the_policy_changes() -> None:
    seen = crawling(view={"finalizers": ("other/one", FINALIZER)})
    assert planned(seen).actions == (SetFinalizers(("other/one",)),)


def test_an_invalid_spec_leaves_it() -> None:
    seen = crawling(DELETE)
    assert planned(replace(seen, crawljob=replace(seen.crawljob, job=None, invalid="no"))).actions == ()


# --- deletion


def test_a_job_without_the_finalizer_just_goes() -> None:
    made = planned(going({}))
    assert (made.actions, made.status, made.events_when_done, made.requeue_after_s) == ((), None, (), None)


def test_first_the_workers_go() -> None:
    made = planned(going())
    assert (made.actions, made.requeue_after_s, made.status) == ((DeleteDeployment("deployment-1"),), 2.0, None)


def test_a_deployment_that_is_going_is_not_deleted_twice() -> None:
    assert planned(going(workers={"deleting": True})).actions == ()


def test_a_worker_that_holds_a_lease_is_waited_for() -> None:
    seen = replace(going(), deployment=None, frontier=FrontierView(True, pending=98, leased=2))
    assert (planned(seen).actions, planned(seen).requeue_after_s) == ((), 2.0)


def test_then_the_data_and_then_the_finalizer() -> None:
    made = planned(without_workers(going()))
    assert made.actions == (MarkDeleted(1), SetFinalizers(()))
    assert [event.reason for event in made.events_when_done] == ["DataDeleted"]


@pytest.mark.parametrize("waited_s", [30.0, 59.0])
def test_workers_that_do_not_go_are_waited_for_half_a_minute(waited_s: float) -> None:
    assert planned(going(waited_s=29.0)).actions == (DeleteDeployment("deployment-1"),)
    found = planned(going(waited_s=waited_s)).actions
    assert found == (DeleteDeployment("deployment-1"), MarkDeleted(1), SetFinalizers(()))


def test_an_operator_that_was_down_for_hours_waits_for_nothing() -> None:
    found = planned(going(waited_s=7200.0)).actions
    assert found == (DeleteDeployment("deployment-1"), SetFinalizers(()), MarkDeleted(1))


def test_after_a_minute_nothing_that_fails_can_keep_the_finalizer() -> None:
    actions = planned(without_workers(going(waited_s=60.0))).actions
    assert actions[0] == SetFinalizers(())


def test_a_ledger_out_of_reach_is_waited_for_half_a_minute() -> None:
    seen = unreadable(without_workers(going(waited_s=29.0)), AWAY)
    assert (planned(seen).actions, planned(seen).requeue_after_s) == ((), 2.0)


@pytest.mark.parametrize(("trouble", "waited_s"), [(AWAY, 30.0), (AWAY, 7200.0), (MISSING, 1.0)])
def test_then_the_job_goes_without_it_and_says_what_to_run(trouble: Trouble, waited_s: float) -> None:
    made = planned(unreadable(without_workers(going(waited_s=waited_s)), trouble))
    assert made.actions == (SetFinalizers(()),)
    assert (made.events_when_done[0].type, made.events_when_done[0].reason) == ("Warning", "DataNotDeleted")
    assert "artistcrawl delete music/artists" in made.events_when_done[0].message


def test_a_job_that_was_never_recorded_has_no_data_to_delete() -> None:
    made = planned(replace(without_workers(going()), row=None, progress=None))
    assert (made.actions, made.events_when_done) == ((SetFinalizers(()),), ())


def test_a_record_that_another_crawljob_goes_on_with_is_not_deleted() -> None:
    made = planned(without_workers(going(row={"uid": "uid-2"})))
    assert made.actions == (SetFinalizers(()),)


def test_data_is_kept_when_the_policy_changed_before_the_deletion() -> None:
    made = planned(going({}, view={"finalizers": (FINALIZER,)}))
    assert made.actions == (SetFinalizers(()),)


def test_other_finalizers_stay() -> None:
    seen = without_workers(going(view={"finalizers": ("other/one", FINALIZER)}))
    assert planned(seen).actions[-1] == SetFinalizers(("other/one",))


def test_an_unreadable_spec_goes_and_says_that_the_data_stays() -> None:
    seen = unreadable(without_workers(going()), AWAY)
    wrong = replace(seen, trouble=None, crawljob=replace(seen.crawljob, job=None, invalid="no"))
    assert (planned(wrong).actions, event_reasons(wrong)) == ((SetFinalizers(()),), ["DataNotDeleted"])


def test_a_paused_job_goes_as_well() -> None:
    seen = without_workers(going(view={"annotations": {"artistcrawl.dev/paused": "true"}, "finalizers": (FINALIZER,)}))
    assert MarkDeleted(1) in planned(seen).actions


# --- after its end


def finished(spec: dict[str, object] | None = None, *, ago_s: float = 60.0, **more: object) -> Observation:
    done = {"open_ranges": 0, "covered": 36**4}
    row = {"finished_at": NOW - timedelta(seconds=ago_s)}
    return crawling(spec, row=row, progress=done, **more)  # type: ignore[arg-type]


def test_a_finished_jobs_workers_go_and_then_their_deployment() -> None:
    assert actions_of(finished()) == ["ScaleDeployment"]
    assert actions_of(finished(workers={"replicas": 0})) == ["DeleteDeployment"]
    assert settled(finished()).deployment is None


@pytest.mark.parametrize("workers", [{"replicas": 0, "ready": 1}, {"replicas": 0, "observed": False}])
def test_the_deployment_stays_until_its_pods_are_gone(workers: dict[str, object]) -> None:
    assert actions_of(finished(workers=workers)) == []


def test_a_finished_job_at_rest_costs_nothing() -> None:
    made = planned(settled(finished()))
    assert (made.actions, made.events_when_done, made.requeue_after_s) == ((), (), None)


def test_a_finished_jobs_workers_are_not_replaced_for_a_changed_template() -> None:
    assert actions_of(finished(workers={"template": "other", "replicas": 0})) == ["DeleteDeployment"]


def test_a_finished_job_does_not_need_its_backends() -> None:
    seen = unreadable(settled(finished()), MISSING)
    status = status_of(seen)
    assert (planned(seen).actions, status.state, status.searches, event_reasons(seen)) == ((), "Succeeded", 420, [])


def test_a_finished_job_is_looked_at_when_its_time_is_over() -> None:
    seen = settled(finished({"ttlAfterFinished": "1h"}))
    assert planned(seen).requeue_after_s == 3540.0
    assert planned(later(seen, 3539)).actions == ()
    assert planned(later(seen, 3540)).actions == (DeleteCrawlJob(),)


def test_its_end_is_told_before_it_goes() -> None:
    seen = finished({"ttlAfterFinished": "0s"})
    assert DeleteCrawlJob() not in planned(seen).actions
    assert planned(told(seen)).actions == (DeleteCrawlJob(),)


def test_its_time_counts_from_its_creation_where_it_was_applied_again() -> None:
    seen = told(finished({"ttlAfterFinished": "2h"}, ago_s=86_400))
    assert planned(seen).actions != (DeleteCrawlJob(),)
    assert planned(later(seen, 3600)).actions == (DeleteCrawlJob(),)


def test_a_job_without_a_ttl_stays() -> None:
    assert planned(later(settled(finished()), 10**8)).actions == ()


def test_an_unfinished_job_never_expires() -> None:
    assert DeleteCrawlJob() not in planned(later(told(crawling({"ttlAfterFinished": "0s"})), 10**6)).actions


def test_a_finished_job_without_a_record_expires_by_what_was_written() -> None:
    seen = replace(settled(finished({"ttlAfterFinished": "1h"})), row=None, progress=None)
    assert planned(later(seen, 3540)).actions == (DeleteCrawlJob(),)


def test_the_finalizer_of_an_expired_job_deletes_its_data_as_asked() -> None:
    seen = told(finished({"ttlAfterFinished": "0s", **DELETE}))
    gone = replace(seen, crawljob=replace(seen.crawljob, deleted_at=NOW), deployment=None, frontier=None)
    assert planned(gone).actions == (MarkDeleted(1), SetFinalizers(()))


def test_views_of_both_policies_differ_in_the_finalizer_only() -> None:
    assert view_of(DELETE).finalizers == (FINALIZER,)
