"""The job in the ledger and its frontier: recorded once, seeded again when lost, settled when covered."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.fakes.observations import (
    NOW,
    SETTINGS,
    actions_of,
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
    view_of,
)

from crawl_core.job.views import FrontierView
from crawl_operator.decide.plan import plan
from crawl_operator.values.model import Memory, RecordJob, SeedFrontier, SettleJob, Trouble

LOST = FrontierView(known=False)


def test_a_new_job_is_recorded_seeded_and_given_workers_in_one_round() -> None:
    assert actions_of(fresh()) == ["RecordJob", "SeedFrontier", "CreateDeployment"]
    assert planned(fresh()).requeue_after_s == 0


def test_its_conditions_are_all_there_from_the_first_look() -> None:
    kinds = [each.type for each in status_of(fresh()).conditions]
    assert kinds == ["Seeded", "Progressing", "RateLimited", "Suspended", "Succeeded"]
    assert said(fresh(), "Seeded").status == "Unknown"


def test_it_comes_to_rest_crawling() -> None:
    seen = settled(fresh())
    assert (status_of(seen).state, said(seen, "Seeded").status) == ("Crawling", "True")


def test_a_job_at_rest_is_left_alone() -> None:
    made = planned(settled(crawling()))
    assert (made.actions, made.events, made.requeue_after_s) == ((), (), 5.0)


@pytest.mark.parametrize("spec", [{"rateLimit": {"requests": 5}}, {"retry": {"maxAttempts": 3}}, {"deadline": "1h"}])
def test_a_changed_spec_is_recorded_for_the_workers_to_read(spec: dict[str, object]) -> None:
    seen = crawling()
    changed = replace(seen, crawljob=view_of(spec))
    assert planned(changed).actions[0] == RecordJob()
    assert not planned(respec(seen, spec)).actions


def test_a_recorded_spec_is_equal_however_the_ledger_orders_it() -> None:
    seen = crawling({"rateLimit": {"requests": 5, "window": "10s"}})
    assert seen.row is not None
    shuffled = dict(sorted(seen.row.spec.items(), reverse=True))
    assert RecordJob() not in planned(replace(seen, row=replace(seen.row, spec=shuffled))).actions


def test_a_job_of_this_name_goes_on_under_the_new_uid() -> None:
    seen = crawling(row={"uid": "uid-0"}, frontier=LOST, deployment=None)
    assert actions_of(seen) == ["RecordJob", "SeedFrontier", "CreateDeployment"]
    assert settled(seen).row == crawling().row


def test_another_credential_brings_another_bucket() -> None:
    assert planned(crawling(client_id="other")).actions == (RecordJob(),)


def test_a_lost_frontier_is_seeded_again_and_told() -> None:
    seen = replace(told(crawling()), frontier=LOST)
    assert SeedFrontier(force=False) in planned(seen).actions
    assert (said(seen, "Seeded").reason, event_reasons(seen)) == ("FrontierLost", ["FrontierLost"])
    assert event_reasons(settled(seen)) == []


def test_a_frontier_that_is_still_lost_is_not_told_twice() -> None:
    seen = told(replace(told(crawling()), frontier=LOST))
    assert (said(seen, "Seeded").reason, event_reasons(seen)) == ("FrontierLost", [])


def test_ranges_that_the_frontier_lacks_are_added_without_an_alarm() -> None:
    seen = replace(told(crawling()), open_missing=True)
    assert planned(seen).actions == (SeedFrontier(force=False),)
    assert (event_reasons(seen), planned(seen).requeue_after_s) == ([], 1.0)


def test_seeding_is_forced_each_minute() -> None:
    seen = crawling()
    assert planned(later(seen, 49)).actions == ()
    assert planned(later(seen, 51)).actions == (SeedFrontier(force=True),)


def test_an_operator_that_has_just_started_seeds_with_force() -> None:
    assert SeedFrontier(force=True) in planned(crawling(memory=Memory())).actions


def test_a_suspended_job_is_seeded_as_well() -> None:
    seen = crawling({"suspend": True}, frontier=LOST)
    assert SeedFrontier(force=False) in planned(seen).actions


def test_a_covered_job_is_settled() -> None:
    total = crawling().row
    assert total is not None
    seen = crawling(progress={"open_ranges": 0, "covered": total.total})
    assert SettleJob() in planned(seen).actions
    assert planned(seen).requeue_after_s == 0


@pytest.mark.parametrize("counts", [{"open_ranges": 0}, {"covered": 36**4}])
def test_a_job_with_a_gap_is_not(counts: dict[str, int]) -> None:
    assert SettleJob() not in planned(crawling(progress=counts)).actions


def test_a_finished_job_is_never_seeded() -> None:
    seen = crawling(row={"finished_at": NOW}, frontier=LOST, open_missing=True, memory=Memory())
    assert "SeedFrontier" not in actions_of(seen)


def test_a_finished_job_without_a_record_is_not_crawled_again() -> None:
    done = settled(crawling(row={"finished_at": NOW}, progress={"open_ranges": 0, "covered": 36**4}))
    lost = replace(done, row=None, progress=None, frontier=None, bucket=None)
    assert (planned(lost).actions, status_of(lost).state) == ((), "Succeeded")
    assert (said(lost, "Seeded").reason, said(lost, "Succeeded").status) == ("RecordMissing", "True")


def test_an_unfinished_job_without_a_record_is_recorded_again() -> None:
    lost = replace(settled(crawling()), row=None, progress=None, frontier=None, bucket=None)
    assert planned(lost).actions[0] == RecordJob()


# --- what keeps the operator from it

MISSING = Trouble("BackendsSecretMissing", "there is no Secret backends; run: kubectl create", permanent=True)
AWAY = Trouble("LedgerUnavailable", "connection refused", permanent=False)
TAKEN = Trouble("NameTaken", "it crawls something else; write another metadata.name", permanent=True)


def test_a_missing_secret_stalls_the_job_and_says_what_to_run() -> None:
    seen = replace(fresh(), trouble=MISSING)
    assert (planned(seen).actions, status_of(seen).state) == ((), "Stalled")
    for kind in ("Seeded", "Progressing"):
        assert (said(seen, kind).status, said(seen, kind).reason) == ("False", "BackendsSecretMissing")
        assert "kubectl create" in said(seen, kind).message
    assert (event_reasons(seen), event_reasons(told(seen))) == (["BackendsSecretMissing"], [])


def test_a_secret_that_is_there_at_last_starts_the_job() -> None:
    seen = replace(told(replace(fresh(), trouble=MISSING)), trouble=None)
    assert event_reasons(seen) == ["Recovered"]
    assert status_of(settled(seen)).state == "Crawling"


def test_a_backend_out_of_reach_leaves_everything_as_it_was() -> None:
    before = told(crawling())
    seen = replace(before, trouble=AWAY, row=None, progress=None, frontier=None, bucket=None)
    status = status_of(seen)
    assert planned(seen).actions == ()
    assert (status.state, status.searches, status.progress) == ("Crawling", 420, "25.00%")
    assert (said(status, "Seeded").status, said(status, "Progressing").reason) == ("True", "LedgerUnavailable")


def test_a_backend_out_of_reach_is_told_once_and_so_is_its_return() -> None:
    before = told(crawling())
    seen = replace(before, trouble=AWAY, row=None, progress=None, frontier=None, bucket=None)
    assert (event_reasons(seen), event_reasons(told(seen))) == (["LedgerUnavailable"], [])
    back = replace(before, crawljob=told(seen).crawljob)
    assert (event_reasons(back), event_reasons(told(back))) == (["Recovered"], [])


def test_a_new_job_waits_for_a_backend_out_of_reach() -> None:
    seen = replace(fresh(), trouble=AWAY)
    assert (planned(seen).actions, status_of(seen).state, planned(seen).requeue_after_s) == ((), "Pending", 5.0)


def test_counts_that_can_be_read_are_told_while_redis_is_away() -> None:
    seen = replace(told(crawling()), trouble=Trouble("RedisUnavailable", "no", permanent=False), frontier=None)
    assert seen.progress is not None
    assert status_of(replace(seen, progress=replace(seen.progress, searches=999))).searches == 999


def test_a_job_whose_name_is_taken_has_no_workers() -> None:
    """They would find the other job by its name, and crawl it."""
    seen = crawling(trouble=TAKEN, row={"uid": "uid-0"})
    assert actions_of(seen) == ["ScaleDeployment"]
    assert actions_of(replace(seen, deployment=None)) == []
    assert (status_of(seen).state, event_reasons(seen)) == ("Stalled", ["NameTaken"])


def test_the_end_of_the_job_that_has_our_name_is_not_ours() -> None:
    seen = crawling(trouble=TAKEN, row={"uid": "uid-0", "finished_at": NOW})
    assert (status_of(seen).state, said(seen, "Succeeded").status) == ("Stalled", "Unknown")


def test_a_cluster_without_a_sandbox_says_so() -> None:
    made = plan(fresh(), settings=replace(SETTINGS, sandbox_url=""))
    assert made.status is not None
    assert (made.actions, made.status.state) == ((), "Stalled")
    assert said(made.status, "Seeded").reason == "SandboxMissing"
    assert "--set sandbox.enabled=true" in said(made.status, "Seeded").message


def test_a_job_that_names_its_sandbox_needs_none_in_the_cluster() -> None:
    made = plan(fresh({"source": {"baseURL": "http://mine"}}), settings=replace(SETTINGS, sandbox_url=""))
    assert len(made.actions) == 3


def test_an_invalid_spec_is_explained_and_its_workers_left_alone() -> None:
    seen = told(crawling())
    wrong = replace(seen, crawljob=replace(seen.crawljob, job=None, invalid="spec.retry: write 8", generation=3))
    status = status_of(wrong)
    assert (planned(wrong).actions, status.state, planned(wrong).requeue_after_s) == ((), "Stalled", None)
    assert (said(status, "Seeded").reason, said(status, "Seeded").message) == ("InvalidSpec", "spec.retry: write 8")
    assert (status.searches, status.observed_generation, event_reasons(wrong)) == (420, 3, ["InvalidSpec"])
