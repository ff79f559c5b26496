"""What a run says at its end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from crawl_core.job.snapshot import Snapshot
from crawl_core.spec.status import State
from crawl_worker.data.backends import Urls
from crawl_worker.local.outcome import Outcome
from crawl_worker.local.summary import as_object, as_text

LOCAL = Urls("", "")
SEEN = Snapshot(job="default/artists", covered=10, strings=20, searches=10, requests=12, artists=3, artists_new=2)


def text(outcome: Outcome, urls: Urls = LOCAL, where: str = "--data '/data/my crawl'") -> str:
    return as_text(
        outcome, command="artistcrawl run job.yaml", where=where, data=Path("/data"), urls=urls, seconds=3_723
    )


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("Succeeded", "has succeeded: every string of the keyspace is covered"),
        ("Interrupted", "To go on:\n  artistcrawl run job.yaml"),
        ("Suspended", "is suspended: the password is wrong; everything received is kept. Raise spec.deadline"),
        ("Stalled", "has stalled: the password is wrong"),
    ],
)
def test_the_headline_says_how_it_ended_and_what_to_do(state: State, said: str) -> None:
    assert said in text(Outcome(state, SEEN, message="the password is wrong"))


def test_a_job_that_is_suspended_by_its_spec_says_what_to_set() -> None:
    assert "set it to false and run again" in text(Outcome("Suspended", SEEN))


def test_commands_can_be_pasted_into_a_shell() -> None:
    assert "--data '/data/my crawl' --format csv" in text(Outcome("Succeeded", SEEN))


def test_no_password_is_printed() -> None:
    urls = Urls("postgresql://me:hunter2@db/ledger", "redis://:hunter2@redis")
    outcome = Outcome("Succeeded", SEEN)
    assert "hunter2" not in text(outcome, urls)
    assert "hunter2" not in str(as_object(outcome, data=Path("d"), urls=urls, seconds=1))
    assert "postgresql://me:***@db/ledger" in text(outcome, urls)


def test_incomplete_strings_come_with_the_command_that_searches_them_again() -> None:
    outcome = Outcome("Succeeded", Snapshot(job="default/artists", incomplete=2))
    assert "2 strings have fewer results than the total says" in text(outcome)
    assert "retry-dead-letters --incomplete --data '/data/my crawl' default/artists" in text(outcome)
    assert as_object(outcome, data=Path("d"), urls=LOCAL, seconds=1)["incomplete"] == 2


def test_dead_letters_come_with_the_command_that_retries_them() -> None:
    seen = Snapshot(job="default/artists", dead_letters=2)
    shown = text(Outcome("Succeeded", seen))
    assert "artistcrawl retry-dead-letters --data '/data/my crawl' default/artists" in shown


def test_a_finished_job_comes_with_the_command_that_begins_its_next_run() -> None:
    shown = text(Outcome("Succeeded", replace(SEEN, run=3), finished_before=True))
    assert "To crawl it again, as run 4:\n  artistcrawl run job.yaml --again" in shown


def test_the_run_is_named_with_what_is_new_and_gone_once_it_has_ended() -> None:
    ended = Outcome("Succeeded", replace(SEEN, run=2, new=12, gone=3))
    assert "run           2 (12 artists new and 3 gone since the run before)" in text(ended)
    result = as_object(ended, data=Path("d"), urls=LOCAL, seconds=1)
    assert (result["run"], result["new"], result["gone"]) == (2, 12, 3)
    assert "run           1\n" in text(Outcome("Interrupted", replace(SEEN, run=1)))


def test_the_object_has_every_number() -> None:
    result = as_object(Outcome("Interrupted", SEEN), data=Path("/data"), urls=LOCAL, seconds=1.23456)
    assert (result["state"], result["strings"], result["requests"], result["seconds"]) == ("Interrupted", 20, 12, 1.235)
    assert result["data"] == "/data"
    assert "message" not in result


def test_a_command_with_a_masked_password_says_that_it_must_be_put_in() -> None:
    urls = Urls("postgresql://me:hunter2@db/ledger", "redis://redis")
    shown = text(Outcome("Succeeded", SEEN), urls, where="--postgres postgresql://me:***@db/ledger")
    assert "Write the password where *** stands." in shown
    assert "Write the password" not in text(Outcome("Succeeded", SEEN), urls, where="")


def test_commands_without_words_for_the_data_have_no_gap() -> None:
    shown = text(Outcome("Succeeded", SEEN), Urls("postgresql://db/ledger", "redis://redis"), where="")
    assert "artistcrawl export artists --format csv" in shown
    assert "artistcrawl psql -c" in shown


def test_a_start_that_is_cut_short_promises_no_data() -> None:
    nothing = Outcome("Interrupted", Snapshot(job="default/artists"), message="it was waiting for PostgreSQL")
    shown = as_text(
        nothing, command="artistcrawl run job.yaml", where="", data=Path("/data"), urls=LOCAL, seconds=1, stored=False
    )
    assert shown.endswith("To go on:\n  artistcrawl run job.yaml")
    assert "kept" not in shown
    assert "export" in text(nothing)
