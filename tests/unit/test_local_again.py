"""The commands that a run prints work on what the run worked on."""

from __future__ import annotations

import argparse
from pathlib import Path

from crawl_worker.data.backends import Urls
from crawl_worker.local.again import data_words, run_words, variables_note

POSTGRES, REDIS = "postgresql://me:hunter2@db/ledger", "redis://:hunter2@redis/0"


def flags(**given: object) -> argparse.Namespace:
    absent = dict.fromkeys(("data", "catalogue", "processes", "postgres", "redis"))
    return argparse.Namespace(**{**absent, "file": Path("job.yaml"), **given})


def test_a_run_goes_on_with_its_own_flags() -> None:
    arguments = flags(data=Path("my data"), catalogue=Path("a.csv"), processes=3)
    expected = "job.yaml --data 'my data' --catalogue a.csv --processes 3"
    assert run_words(arguments, Urls("", "")) == expected


def test_a_run_goes_on_with_the_servers_that_were_named_but_for_their_passwords() -> None:
    arguments = flags(postgres=POSTGRES, redis="redis://redis/0")
    assert run_words(arguments, Urls(POSTGRES, "redis://redis/0")) == "job.yaml --redis redis://redis/0"
    assert variables_note(arguments, Urls(POSTGRES, "redis://redis/0")).startswith("Set ARTISTCRAWL_POSTGRES_URL first")


def test_with_a_folder_no_variable_counts_so_passwords_are_masked() -> None:
    arguments = flags(postgres=POSTGRES, redis=REDIS, data=Path("d"))
    expected = "job.yaml --data d --postgres 'postgresql://me:***@db/ledger' --redis 'redis://:***@redis/0'"
    assert run_words(arguments, Urls(POSTGRES, REDIS)) == expected
    assert variables_note(arguments, Urls(POSTGRES, REDIS)) == ""


def test_addresses_from_the_environment_are_read_there_again_and_put_on_no_command_line() -> None:
    assert run_words(flags(), Urls(POSTGRES, REDIS)) == "job.yaml"
    note = "They read ARTISTCRAWL_POSTGRES_URL and ARTISTCRAWL_REDIS_URL, as this run did."
    assert variables_note(flags(), Urls(POSTGRES, REDIS)) == note
    assert variables_note(flags(), Urls("", "")) == ""


def test_the_data_is_found_where_the_run_wrote_it(tmp_path: Path) -> None:
    named, variable = flags(postgres="postgresql://me@db/ledger"), flags()
    assert data_words(named, Urls("postgresql://me@db/ledger", REDIS), data=tmp_path) == (
        "--postgres postgresql://me@db/ledger"
    )
    assert data_words(variable, Urls(POSTGRES, REDIS), data=tmp_path) == ""
    assert data_words(flags(), Urls("", ""), data=tmp_path) == f"--data {tmp_path}"
