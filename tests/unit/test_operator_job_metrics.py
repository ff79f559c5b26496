"""What metrics say of a CrawlJob: what was seen of it this time, and nothing that nobody knows."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from support.fakes.observations import (
    CLIENT_ID,
    NOW,
    STARTED,
    bucket,
    crawling,
    fresh,
    planned,
    told,
    view_of,
    workers_of,
)

from crawl_core.job.bucket_name import bucket_of
from crawl_core.job.views import FrontierView
from crawl_core.readings.job import JobFigures
from crawl_operator.expose.job_metrics import JobMetrics, job_figures
from crawl_operator.values import names
from crawl_operator.values.model import Key, Observation, Trouble

LEDGER_DOWN = Trouble("LedgerUnavailable", "PostgreSQL cannot be reached", permanent=False)
REDIS_DOWN = Trouble("RedisUnavailable", "redis does not answer", permanent=False)
ESTIMATE = NOW + timedelta(hours=3)


def shown(seen: Observation) -> JobFigures:
    """After a round."""
    return job_figures(seen, planned(seen).status)


def series(figures: JobFigures) -> dict[tuple[str, ...], float]:
    """Values by the metric's name (without artistcrawl_) and labels, but for the CrawlJob's own."""
    return {
        (each.metric.declaration.name.removeprefix("artistcrawl_"), *each.labels[2:]): each.value
        for each in figures.readings()
    }


def paused(seen: Observation) -> Observation:
    return replace(seen, crawljob=replace(seen.crawljob, annotations={names.ANNOTATION_PAUSED: "true"}))


def without(seen: Observation, trouble: Trouble, **unread: None) -> Observation:
    """The same CrawlJob a while later, when something could not be read."""
    return replace(told(seen), now=NOW + timedelta(seconds=30), trouble=trouble, **unread)  # type: ignore[arg-type]


def test_a_crawling_job_has_all_that_is_known_of_it() -> None:
    seen = crawling(
        {"deadline": "48h"},
        progress={"covered": 20_000, "rate_limited": 3},
        workers={"replicas": 1},
        frontier=FrontierView(True, pending=96, leased=4, overdue=1, completed=20, expired=2, epoch="e"),
        memory=replace(crawling().memory, covered_per_s=10.0),
    )
    seen = replace(seen, bucket=replace(bucket(seen.row, requests=7), slots_free=5))  # type: ignore[arg-type]
    found, name = series(shown(seen)), seen.row.bucket or ""  # type: ignore[union-attr]
    total = seen.row.total  # type: ignore[union-attr]
    expected = {
        ("job_info", "Sandbox", name): 1,
        ("job_state", "Crawling"): 1,
        ("job_state", "Stalled"): 0,
        ("job_condition", "Seeded", "True", "Seeded"): 1,
        ("job_condition", "DeadlineExceeded", "False", "OnTrack"): 1,
        ("job_progress_ratio",): 20_000 / total,
        ("job_strings",): total,
        ("job_strings_covered",): 20_000,
        ("job_searches",): 420,
        ("job_requests",): 430,
        ("job_artists",): 900,
        ("job_artists_new",): 800,
        ("job_truncated",): 1,
        ("job_dead_letters",): 0,
        ("job_retries",): 2,
        ("job_rate_limited",): 3,
        ("job_requests_per_second",): 20 / 60,
        ("job_start_timestamp_seconds",): STARTED.timestamp(),
        ("job_deadline_timestamp_seconds",): (STARTED + timedelta(hours=48)).timestamp(),
        ("job_last_commit_timestamp_seconds",): (NOW - timedelta(seconds=5)).timestamp(),
        ("job_observed_timestamp_seconds",): NOW.timestamp(),
        ("job_workers", "desired"): 1,
        ("job_workers", "ready"): 1,
        ("job_ranges", "open"): 100,
        ("job_ranges", "done"): 20,
        ("frontier_ranges", "pending"): 96,
        ("frontier_ranges", "leased"): 4,
        ("frontier_ranges", "overdue"): 1,
        ("frontier_expired_total",): 2,
        ("frontier_completed_total",): 20,
        ("bucket_limit_requests", name): 7,
        ("bucket_window_seconds", name): 30,
        ("bucket_slots_free", name): 5,
        ("bucket_frozen_until_timestamp_seconds", name): 0,
        ("bucket_freeze_epoch", name): 1,
    }
    assert {key: found.get(key) for key in expected} == expected


def test_an_estimate_is_that_of_the_status() -> None:
    seen = crawling(memory=replace(crawling().memory, covered_per_s=10.0))
    status = planned(seen).status
    assert status is not None
    assert status.estimated_completion_time is not None
    said = datetime.fromisoformat(status.estimated_completion_time).timestamp()
    assert job_figures(seen, status).estimated_at_s == said


def test_a_job_that_was_just_applied_has_a_state_and_no_counts() -> None:
    found = series(shown(fresh()))
    assert (found["job_state", "Pending"], ("job_strings",) in found) == (1, False)
    assert ("job_start_timestamp_seconds",) not in found


def test_a_ledger_out_of_reach_leaves_state_and_conditions_and_no_number_of_before() -> None:
    seen = without(crawling({"deadline": "48h"}), LEDGER_DOWN, row=None, progress=None, frontier=None, bucket=None)
    found, figures = series(shown(seen)), shown(seen)
    assert found["job_state", "Crawling"] == 1
    assert found["job_condition", "Progressing", "Unknown", "LedgerUnavailable"] == 1
    assert (figures.progress, figures.frontier, figures.bucket, figures.estimated_at_s) == (None, None, None, None)
    assert (figures.started_at_s, figures.deadline_at_s) == (
        STARTED.timestamp(),
        (STARTED + timedelta(hours=48)).timestamp(),
    )


def test_what_the_ledger_says_is_shown_while_redis_is_out_of_reach() -> None:
    seen = crawling(memory=replace(crawling().memory, covered_per_s=10.0))
    assert shown(seen).estimated_at_s is not None
    figures = shown(without(seen, REDIS_DOWN, frontier=None, bucket=None))
    assert (figures.progress, figures.frontier, figures.bucket) == (seen.progress, None, None)
    # It does not go on as it did.
    assert figures.estimated_at_s is None


def test_the_bucket_keeps_its_name_while_it_cannot_be_read() -> None:
    seen = crawling()
    before = [key for key in series(shown(seen)) if key[0] == "job_info"]
    after = without(seen, LEDGER_DOWN, row=None, progress=None, frontier=None, bucket=None)
    assert [key for key in series(shown(after)) if key[0] == "job_info"] == before
    assert before[0][2] == bucket_of(view_of().job, client_id=CLIENT_ID)  # type: ignore[arg-type]


def test_with_a_limit_for_each_node_there_is_no_bucket() -> None:
    found = series(shown(crawling({"rateLimit": {"bucket": "Node"}})))
    assert ("job_info", "Sandbox", "") in found
    assert not [key for key in found if key[0].startswith("bucket_")]


def test_a_frontier_that_redis_lost_has_no_ranges() -> None:
    assert shown(crawling(frontier=FrontierView(known=False))).frontier is None


def test_a_freeze_is_told_by_its_end() -> None:
    seen = crawling(limits={"frozen_s": 600})
    found = series(shown(seen))
    assert found["job_state", "Frozen"] == 1
    assert found["bucket_frozen_until_timestamp_seconds", seen.row.bucket or ""] == NOW.timestamp() + 600  # type: ignore[union-attr]


def test_slots_that_were_not_counted_have_no_series() -> None:
    assert not [key for key in series(shown(crawling())) if key[0] == "bucket_slots_free"]


def test_a_finished_job_is_covered_sends_nothing_and_says_when_it_was_done() -> None:
    seen = told(crawling(row={"finished_at": NOW - timedelta(minutes=1)}, progress={"covered": 1, "open_ranges": 0}))
    found = series(shown(seen))
    assert (found["job_state", "Succeeded"], found["job_progress_ratio",]) == (1, 1)
    assert (found["job_requests_per_second",], found["job_completion_timestamp_seconds",]) == (
        0,
        NOW.timestamp() - 60,
    )


def test_a_suspended_job_has_its_counts_and_no_estimate() -> None:
    seen = told(crawling(memory=replace(crawling().memory, covered_per_s=10.0)))
    found = series(shown(crawling({"suspend": True}, view={"status": seen.crawljob.status})))
    assert (found["job_state", "Suspended"], found["job_searches",]) == (1, 420)
    assert ("job_estimated_completion_timestamp_seconds",) not in found


def test_a_paused_job_has_its_state_and_no_number_that_nobody_will_renew() -> None:
    seen = told(crawling(memory=replace(crawling().memory, covered_per_s=10.0)))
    figures = shown(paused(replace(seen, deployment=workers_of(seen.crawljob, replicas=5, ready=4))))
    assert ("Progressing", "Unknown", "Paused") in figures.conditions
    assert (figures.state, figures.progress, figures.frontier, figures.bucket) == ("Crawling", None, None, None)
    assert (figures.estimated_at_s, figures.workers_desired, figures.workers_ready) == (None, 5, 4)


def test_workers_of_an_earlier_crawljob_are_not_counted() -> None:
    seen = crawling()
    theirs = workers_of(seen.crawljob, replicas=5, owner_uid="uid-0")
    figures = job_figures(replace(seen, deployment=theirs), None)
    assert (figures.workers_desired, figures.workers_ready) == (0, 0)


def test_a_round_that_plans_no_status_shows_the_one_that_is_written() -> None:
    seen = told(crawling())
    assert job_figures(seen, None).state == "Crawling"
    assert job_figures(seen, None).conditions == shown(seen).conditions


def test_an_invalid_spec_is_a_stalled_job_of_no_known_source() -> None:
    seen = replace(crawling(), row=None, progress=None, frontier=None, bucket=None)
    seen = replace(seen, crawljob=replace(seen.crawljob, job=None, invalid="spec.keyspace: write ..."))
    found = series(shown(seen))
    assert (found["job_state", "Stalled"], found["job_info", "", ""]) == (1, 1)


# --- which of them are shown


@pytest.fixture
def kept() -> JobMetrics:
    figures = JobMetrics()
    figures.update(crawling(view={"name": "one"}), None)
    figures.update(crawling(view={"name": "two"}), None)
    return figures


def shown_names(kept: JobMetrics) -> list[str]:
    return [each.name for each in kept.all()]


def test_a_later_look_replaces_an_earlier_one(kept: JobMetrics) -> None:
    kept.update(crawling(view={"name": "one"}, now=NOW + timedelta(hours=1)), None)
    assert {each.name: each.observed_at_s - NOW.timestamp() for each in kept.all()} == {"one": 3600, "two": 0}


def test_a_crawljob_that_is_gone_has_no_series(kept: JobMetrics) -> None:
    kept.forget(Key("music", "one"))
    assert shown_names(kept) == ["two"]


def test_a_crawljob_that_is_being_deleted_has_no_series(kept: JobMetrics) -> None:
    kept.update(crawling(view={"name": "one", "deleted_at": NOW}), None)
    assert shown_names(kept) == ["two"]


def test_once_another_operator_led_nothing_of_before_is_shown(kept: JobMetrics) -> None:
    kept.forget_all()
    assert shown_names(kept) == []
