"""What `kubectl crawl` makes of a CrawlJob's object."""

from __future__ import annotations

import copy
import io
from datetime import datetime
from typing import Any

import pytest
from rich.console import Console

from crawl_core.job.terminal import render
from crawl_operator.plugin.picture import attention, detail, snapshot_of, table
from crawl_operator.values import names

NOW_S = datetime.fromisoformat("2026-01-02T12:00:00Z").timestamp()
CRAWLJOB: dict[str, Any] = {
    "apiVersion": "artistcrawl.dev/v1alpha1",
    "kind": "CrawlJob",
    "metadata": {"name": "artists", "namespace": "music", "generation": 3, "creationTimestamp": "2026-01-02T11:00:00Z"},
    "spec": {"keyspace": {"minLength": 2, "maxLength": 2}, "rateLimit": {"requests": 10, "window": "30s"}},
    "status": {
        "state": "Crawling",
        "progress": "42.31%",
        "searches": 548,
        "requests": 550,
        "artists": 120_345,
        "artistsNew": 119_000,
        "truncated": 2,
        "deadLetters": 1,
        "requestsPerMinute": 19,
        "workers": {"desired": 2, "ready": 1},
        "startTime": "2026-01-02T11:00:00Z",
        "estimatedCompletionTime": "2026-01-02T14:00:00Z",
        "observedGeneration": 3,
    },
}


def crawljob(*, metadata: dict[str, Any] | None = None, spec: dict[str, Any] | None = None, **status: Any) -> Any:
    made = copy.deepcopy(CRAWLJOB)
    made["metadata"].update(metadata or {})
    made["spec"].update(spec or {})
    made["status"].update(status)
    return made


def condition(type_: str, status: str, reason: str, message: str = "what to do") -> dict[str, str]:
    return {"type": type_, "status": status, "reason": reason, "message": message}


def shown(found: Any) -> str:
    console = Console(width=80, record=True, file=io.StringIO(), color_system=None)
    console.print(render(snapshot_of(found, now_s=NOW_S)))
    return console.export_text()


@pytest.mark.parametrize(
    "text",
    [
        "artistcrawl music/artists  Crawling",
        "1 h",
        "42.31%",
        "left 2 h",
        "1,296",
        "120,345 (119,000 new)",
        "19 of 20 a minute",
        "1 of 2",
    ],
)
def test_the_view_of_a_terminal_shows(text: str) -> None:
    assert text in shown(CRAWLJOB)


def test_the_view_shows_nothing_that_a_status_does_not_count() -> None:
    text = shown(CRAWLJOB)
    assert "retries" not in text
    assert "covered" not in text


@pytest.mark.parametrize("text", ["42.31% of 1,296 strings", "19 of 20 a minute", "120,345 (119,000 new)", "2 h"])
def test_the_text_for_a_pipe_says_the_same(text: str) -> None:
    assert text in detail(snapshot_of(CRAWLJOB, now_s=NOW_S))


def test_a_crawljob_without_a_status_is_pending() -> None:
    fresh = {name: value for name, value in CRAWLJOB.items() if name != "status"}
    assert snapshot_of(fresh, now_s=NOW_S).state == "Pending"
    assert "no operator has looked at it" in attention(fresh, now_s=NOW_S)[0]


def test_a_new_crawljob_is_given_a_moment() -> None:
    fresh = {**CRAWLJOB, "status": None, "metadata": {**CRAWLJOB["metadata"], "creationTimestamp": None}}
    assert attention(fresh, now_s=NOW_S) == []


def test_a_spec_that_a_newer_version_wrote_is_shown_without_what_cannot_be_read() -> None:
    seen = snapshot_of(crawljob(spec={"galaxy": {}}), now_s=NOW_S)
    assert (seen.strings, seen.limit_per_minute, seen.searches) == (0, 20.0, 548)


def test_a_freeze_is_told_until_it_ends() -> None:
    assert "frozen until" in shown(crawljob(frozenUntil="2026-01-02T12:00:10Z"))
    assert "frozen until" not in shown(crawljob(frozenUntil="2026-01-02T11:59:59Z"))


def test_smaller_pages_than_asked_for_are_told_while_it_crawls() -> None:
    small = {"pageSize": 10, "pageSizeTriedAt": "2026-01-02T11:00:00Z"}
    spec = {**CRAWLJOB["spec"], "source": {"type": "Sandbox", "pageSize": 50}}
    assert "the API allows 10 artists a page, not 50" in shown(crawljob(spec=spec, **small))
    assert "the API allows" not in shown(crawljob(spec=spec, state="Succeeded", **small))


def test_time_stands_still_once_a_job_is_done() -> None:
    done = crawljob(state="Succeeded", completionTime="2026-01-02T11:30:00Z")
    assert snapshot_of(done, now_s=NOW_S).elapsed_s == 1_800
    assert snapshot_of(done, now_s=NOW_S).eta_s == 0


@pytest.mark.parametrize(
    "said",
    [
        condition("Seeded", "False", "NameTaken"),
        condition("Seeded", "False", "SecretMissing"),
        condition("Progressing", "False", "WorkersUnavailable"),
        condition("RateLimited", "False", "SharedBucketStricter"),
        condition("RateLimited", "True", "QuotaExceeded"),
        condition("DeadlineExceeded", "True", "DeadlineExceeded"),
        condition("Succeeded", "True", "CompletedWithDeadLetters"),
    ],
    ids=lambda said: said["reason"],
)
def test_what_needs_a_person_is_told_with_its_message(said: dict[str, str]) -> None:
    assert attention(crawljob(conditions=[said]), now_s=NOW_S) == [f"{said['reason']}: what to do"]


@pytest.mark.parametrize(
    "said",
    [
        condition("Seeded", "True", "Seeded"),
        condition("Progressing", "True", "LimitBinds"),
        condition("RateLimited", "True", "FrozenByAPI"),
        condition("Suspended", "True", "Suspended"),
        condition("Succeeded", "False", "NameTaken"),
        condition("Newer", "False", "Unheard"),
    ],
    ids=lambda said: said["reason"],
)
def test_the_course_of_things_is_not(said: dict[str, str]) -> None:
    assert attention(crawljob(conditions=[said]), now_s=NOW_S) == []


def test_one_trouble_in_two_conditions_is_told_once() -> None:
    both = [condition("Seeded", "False", "NameTaken"), condition("Progressing", "False", "NameTaken")]
    assert len(attention(crawljob(conditions=both), now_s=NOW_S)) == 1


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        ({"generation": 4}, "has not seen the newest spec"),
        ({"deletionTimestamp": "2026-01-02T11:00:00Z"}, "being deleted"),
        ({"annotations": {names.ANNOTATION_PAUSED: "true"}}, "left alone by the operator"),
        ({"annotations": {names.ANNOTATION_UNFREEZE: "now"}}, "unfreeze was asked for"),
        ({"annotations": {names.ANNOTATION_RETRY_DEAD_LETTERS: "now"}}, "retry-dead-letters was asked for"),
    ],
)
def test_what_the_operator_has_not_done_is_told(metadata: dict[str, Any], text: str) -> None:
    remarks = attention(crawljob(metadata=metadata), now_s=NOW_S)
    assert [remark for remark in remarks if text in remark]


def test_what_the_operator_has_done_is_not() -> None:
    asked = crawljob(metadata={"annotations": {names.ANNOTATION_UNFREEZE: "now"}}, handled={"unfreeze": "now"})
    assert attention(asked, now_s=NOW_S) == []


def test_a_table_has_a_line_for_each_and_its_remarks_below() -> None:
    other = crawljob(metadata={"name": "b"}, conditions=[condition("Seeded", "False", "NameTaken")])
    lines = table([CRAWLJOB, other], now_s=NOW_S, everywhere=False).splitlines()
    assert [line.split()[0] for line in lines] == ["JOB", "artists", "b", "NameTaken:"]


def test_only_a_table_of_all_namespaces_names_them() -> None:
    assert "music/" not in table([CRAWLJOB], now_s=NOW_S, everywhere=False)
    assert "music/artists" in table([CRAWLJOB], now_s=NOW_S, everywhere=True)
