"""What `artistcrawl status` makes of a job's rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from crawl_core.values.jobs import JobRow
from crawl_core.values.limits import Binder, BucketLimits, BucketRow
from crawl_core.values.progress import Progress
from crawl_core.values.runs import RunRow
from crawl_core.wording import instant
from crawl_worker.commands.job_status import status_of
from crawl_worker.commands.status_text import detail, table

NOW_S = 1_800_000_000.0
JOB = JobRow(
    id=1,
    namespace="default",
    name="artists",
    uid="u",
    spec={},
    total=1_679_616,
    bucket="credential:abc",
    bucket_scope="Credential",
    page_size=None,
    problem_reason=None,
    problem_message=None,
    started_at=datetime.fromtimestamp(NOW_S - 3_600, UTC),
    finished_at=None,
    deleted_at=None,
)
PROGRESS = Progress(
    covered=839_808,
    total=1_679_616,
    open_ranges=600,
    done_ranges=696,
    searches=839_808,
    requests=840_000,
    artists=1_000,
    artists_new=900,
    truncated=3,
    dead_letters=0,
    retries=5,
    rate_limited=0,
    last_commit_at=datetime.fromtimestamp(NOW_S - 1, UTC),
    requests_last_minute=600,
)


QUIET = replace(PROGRESS, last_commit_at=JOB.started_at, requests_last_minute=0)
TROUBLED = replace(
    JOB, problem_reason="Unauthorized", problem_message="m", problem_at=datetime.fromtimestamp(NOW_S - 200, UTC)
)


def test_incomplete_strings_are_counted_and_come_with_the_command_that_lists_them() -> None:
    seen = status(progress=replace(PROGRESS, incomplete=2))
    assert seen.incomplete == 2
    assert "artistcrawl retry-dead-letters --incomplete --list default/artists" in detail(seen)


def test_smaller_pages_than_asked_for_are_told_with_the_time_of_the_last_try() -> None:
    told = detail(status(replace(JOB, page_size=10, page_size_tried_at=datetime.fromtimestamp(NOW_S, UTC))))
    assert "the API allows 10 artists a page, not 50: up to 5 times the requests" in told
    assert f"50 are asked for once a day, last at {instant(NOW_S, now_s=NOW_S)}" in told
    assert "50 are asked for next" in detail(status(replace(JOB, page_size=10)))


def test_pages_as_large_as_asked_for_are_not_told_of() -> None:
    small = {"source": {"pageSize": 10}}
    for job in (JOB, replace(JOB, spec=small, page_size=10), replace(JOB, page_size=10, finished_at=JOB.started_at)):
        assert status(job).page_size == ""


def bucket(name: str = "credential:abc", *, frozen_until_s: float = 0.0) -> BucketRow:
    limits = BucketLimits(requests=10, window_s=30.0, request_timeout_s=10.0, even=True)
    return BucketRow(name=name, limits=limits, frozen_until_us=int(frozen_until_s * 1e6), epoch=1)


def status(job: JobRow = JOB, progress: Progress = PROGRESS, *, frozen_until_s: float = 0.0):
    return status_of(job, progress, buckets=[bucket(frozen_until_s=frozen_until_s)], now_s=NOW_S)


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({}, "Crawling"),
        ({"finished_at": JOB.started_at}, "Succeeded"),
        ({"spec": {"suspend": True}}, "Suspended"),
    ],
)
def test_the_state_is_the_jobs(change: dict, state: str) -> None:
    assert status(replace(JOB, **change)).state == state


def test_a_job_without_a_commit_is_pending() -> None:
    assert status(progress=replace(PROGRESS, last_commit_at=None)).state == "Pending"


def test_a_job_that_nobody_commits_to_is_paused() -> None:
    assert status(progress=QUIET).state == "Paused"


def test_a_problem_of_a_job_that_crawls_is_a_remark_with_its_age() -> None:
    troubled = status(TROUBLED)
    assert troubled.state == "Crawling"
    assert "  Unauthorized: m (noted 3 min 20 s ago)" in table([troubled]).splitlines()


def test_a_job_with_a_problem_that_nobody_commits_to_is_stalled() -> None:
    assert status(TROUBLED, QUIET).state == "Stalled"


def test_a_job_with_a_problem_that_never_committed_is_stalled() -> None:
    assert status(TROUBLED, replace(QUIET, last_commit_at=None)).state == "Stalled"


def test_a_problem_that_was_noted_since_the_last_commit_is_a_stall_at_once() -> None:
    noted = replace(TROUBLED, problem_at=datetime.fromtimestamp(NOW_S - 0.5, UTC))
    assert status(noted).state == "Stalled"


def test_a_quota_that_was_exceeded_is_a_remark_and_no_stall() -> None:
    quota = replace(TROUBLED, problem_reason="QuotaExceeded")
    assert status(quota, QUIET).state == "Paused"
    assert "QuotaExceeded: m" in table([status(quota, QUIET)])


def test_a_freeze_explains_why_nobody_commits_in_spite_of_a_problem() -> None:
    assert status(TROUBLED, QUIET, frozen_until_s=NOW_S + 60).state == "Frozen"


def test_a_finished_job_has_no_problem_any_more() -> None:
    assert status(replace(TROUBLED, finished_at=JOB.started_at)).problem == ""


def test_a_frozen_job_says_until_when_and_how_to_lift_it() -> None:
    frozen = status(frozen_until_s=NOW_S + 3_600)
    assert frozen.state == "Frozen"
    assert f"frozen until {frozen.frozen_until}; to lift it: artistcrawl unfreeze credential:abc" in table([frozen])


def test_a_job_with_a_bucket_a_node_names_the_node_that_is_frozen_the_longest() -> None:
    frozen_buckets = [
        bucket("node:10.0.0.1", frozen_until_s=NOW_S + 60),
        bucket("node:10.0.0.2", frozen_until_s=NOW_S + 3_600),
        bucket(frozen_until_s=NOW_S + 7_200),
    ]
    frozen = status_of(replace(JOB, bucket=None, bucket_scope="Node"), PROGRESS, buckets=frozen_buckets, now_s=NOW_S)
    assert frozen.state == "Frozen"
    assert f"node:10.0.0.2 frozen until {frozen.frozen_until}" in detail(frozen)
    assert "artistcrawl unfreeze node:10.0.0.2" in detail(frozen)


SLOW = Binder("default/slow", requests=2, window_s=90.0, even=True, activity="idle")


def test_a_stricter_job_on_the_same_bucket_is_named_with_the_limit_in_force() -> None:
    shown = detail(status_of(JOB, PROGRESS, buckets=[], now_s=NOW_S, binders=[SLOW]))
    assert "2 requests in 1 min 30 s count instead of the job's own 10 requests in 30 s: default/slow" in shown
    assert "artistcrawl delete default/slow" in shown


def test_a_job_with_a_wider_limit_is_not_named() -> None:
    wide = replace(SLOW, requests=20, window_s=30.0)
    assert status_of(JOB, PROGRESS, buckets=[], now_s=NOW_S, binders=[wide]).stricter == ""


def test_a_freeze_that_is_over_is_not_mentioned() -> None:
    assert status(frozen_until_s=NOW_S - 1).frozen_until == ""


def test_the_time_left_is_at_the_pace_of_the_last_minute() -> None:
    assert status().seconds_left == 84_000


def test_a_job_that_has_just_begun_is_given_no_time_left() -> None:
    begun = replace(JOB, started_at=datetime.fromtimestamp(NOW_S - 30, UTC))
    assert status(begun).seconds_left is None


def test_nothing_left_takes_no_time() -> None:
    assert status(progress=replace(PROGRESS, covered=PROGRESS.total)).seconds_left == 0.0


def test_a_job_that_is_nearly_done_is_not_called_done() -> None:
    nearly = status(progress=replace(PROGRESS, covered=PROGRESS.total - 1))
    assert "99.99%" in table([nearly])


def test_without_requests_no_time_is_promised() -> None:
    assert status(progress=replace(PROGRESS, requests_last_minute=0)).seconds_left is None


def test_the_table_fits_in_80_columns() -> None:
    lines = table([status(), status(progress=replace(PROGRESS, dead_letters=7))]).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[1].split() == [
        "default/artists",
        "Crawling",
        "1",
        "50.00%",
        "1,000",
        "840,000",
        "600",
        "23",
        "h",
        "20",
        "min",
    ]
    assert "7 dead letters: artistcrawl retry-dead-letters --list default/artists" in lines[3]


def test_without_jobs_it_says_how_to_start_one() -> None:
    assert "artistcrawl run FILE" in table([])


def test_jobs_of_several_sources_have_theirs_in_a_column_and_those_of_one_below() -> None:
    spotify = {"market": "SE", "termsAccepted": True}
    source = {"type": "Spotify", "credentialsSecretRef": {"name": "s"}, "spotify": spotify}
    real = status(replace(JOB, name="real", spec={"source": source}))
    elsewhere = {"baseURL": "https://mirror.example.com", "tokenURL": "https://mirror.example.com/token"}
    mirror = status(replace(JOB, spec={"source": {**source, **elsewhere}}))
    head, *rows = table([status(), real, mirror]).splitlines()
    assert head.endswith("SOURCE")
    assert [row.partition("min")[2].strip() for row in rows] == [
        "sandbox",
        "spotify (market SE)",
        "mirror.example.com (Spotify, market SE)",
    ]
    assert table([real]).splitlines()[-1] == "source: spotify (market SE)"
    assert "source        spotify (market SE)" in detail(real)
    assert (real.source, real.source_type, real.market) == ("spotify", "Spotify", "SE")


def test_a_run_that_has_ended_says_what_is_new_and_gone() -> None:
    ended = RunRow(
        id=2,
        number=2,
        started_at=JOB.started_at,
        finished_at=JOB.started_at,
        total=2,
        covered=2,
        searches=2,
        requests=2,
        artists=1_000,
        artists_new=5,
        added=12,
        gone=3,
        dead_letters=0,
        incomplete=0,
        data_deleted_at=None,
    )
    job = replace(JOB, run=2, finished_at=JOB.started_at)
    seen = status_of(job, PROGRESS, buckets=(), now_s=NOW_S, ended=ended)
    assert (seen.run, seen.new, seen.gone) == (2, 12, 3)
    assert "run           2 (12 artists new and 3 gone since the run before)" in detail(seen)
    first = status_of(JOB, PROGRESS, buckets=(), now_s=NOW_S, ended=replace(ended, added=None, gone=None))
    assert (first.run, first.new, first.gone) == (1, None, None)
    assert "run           1\n" in detail(first)
    assert (status().new, status().gone) == (None, None)


def test_one_job_is_shown_in_full() -> None:
    text = detail(status())
    assert "50.00% (839,808 of 1,679,616 strings)" in text
    assert "credential:abc" in text


def test_a_problem_that_quotes_the_api_is_one_line_that_a_terminal_does_not_obey() -> None:
    hostile = "\x1b]0;x\x07refused\ndefault/artists  Succeeded  100.00%" + "x" * 10_000
    troubled = replace(TROUBLED, problem_message=hostile)
    for shown in (table([status(troubled)]), detail(status(troubled))):
        assert "\x1b" not in shown
        assert not any(line.startswith("default/artists  Succeeded") for line in shown.splitlines())
        assert max(map(len, shown.splitlines())) < 1_000


def test_a_job_that_nobody_crawls_is_paused_with_the_command_that_goes_on() -> None:
    seen = status_of(JOB, PROGRESS, buckets=(), now_s=NOW_S, to_go_on="artistcrawl run FILE --data d")
    assert (seen.state, seen.seconds_left) == ("Paused", None)
    assert "nobody crawls; to go on: artistcrawl run FILE --data d" in table([seen])
    finished = replace(JOB, finished_at=JOB.started_at)
    assert status_of(finished, PROGRESS, buckets=(), now_s=NOW_S, to_go_on="artistcrawl run FILE").idle == ""
