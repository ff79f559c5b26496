"""The commands that a run prints work on what the run worked on."""

from __future__ import annotations

import argparse
from pathlib import Path

from crawl_worker.data.backends import Urls
from crawl_worker.local.again import data_words, run_words

POSTGRES, REDIS = "postgresql://me:hunter2@db/ledger", "redis://:hunter2@redis/0"


def flags(**given: object) -> argparse.Namespace:
    absent = dict.fromkeys(("data", "catalogue", "processes", "postgres", "redis"))
    return argparse.Namespace(**{**absent, "file": Path("job.yaml"), **given})


def test_a_run_goes_on_with_its_own_flags() -> None:
    arguments = flags(data=Path("my data"), catalogue=Path("a.csv"), processes=3)
    expected = "job.yaml --data 'my data' --catalogue a.csv --processes 3"
    assert run_words(arguments, Urls("", "")) == expected


def test_a_run_goes_on_with_the_servers_that_were_named_but_for_their_passwords() -> None:
    arguments = flags(postgres=POSTGRES, redis=REDIS)
    expected = "job.yaml --postgres 'postgresql://me:***@db/ledger' --redis 'redis://:***@redis/0'"
    assert run_words(arguments, Urls(POSTGRES, REDIS)) == expected


def test_addresses_from_the_environment_are_named_by_their_variables() -> None:
    expected = 'job.yaml --postgres "$ARTISTCRAWL_POSTGRES_URL" --redis "$ARTISTCRAWL_REDIS_URL"'
    assert run_words(flags(), Urls(POSTGRES, REDIS)) == expected


def test_the_data_is_found_where_the_run_wrote_it(tmp_path: Path) -> None:
    named, variable = flags(postgres=POSTGRES), flags()
    assert data_words(named, Urls(POSTGRES, REDIS), data=tmp_path) == "--postgres 'postgresql://me:***@db/ledger'"
    assert data_words(variable, Urls(POSTGRES, REDIS), data=tmp_path) == '--postgres "$ARTISTCRAWL_POSTGRES_URL"'
    assert data_words(flags(), Urls("", ""), data=tmp_path) == f"--data {tmp_path}"
