"""What `artistcrawl psql` hands to psql: all of the URL on the command line but its password."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crawl_core.errors import ConfigurationError
from crawl_worker import cli
from crawl_worker.commands.psql import apart


@pytest.mark.parametrize(
    ("url", "where", "password"),
    [
        ("postgresql://me:a%20b@db:5433/ledger", "user=me dbname=ledger host=db port=5433", "a b"),
        ("postgresql://db/ledger?user=me&password=s3", "user=me dbname=ledger host=db", "s3"),
        ("postgresql:///ledger?host=/run/pg", "dbname=ledger host=/run/pg", ""),
        ("postgresql://db/ledger?prepare=off", "dbname=ledger host=db", ""),
    ],
)
def test_the_password_is_taken_out_of_a_url(url: str, where: str, password: str) -> None:
    found, secret = apart(url)
    assert (sorted(found.split()), secret) == (sorted(where.split()), password)


def test_a_url_that_cannot_be_read_is_not_shown() -> None:
    with pytest.raises(ConfigurationError, match="write postgresql://") as refused:
        apart("postgresql://me:hunter2@db:port:port/x?y")
    assert "hunter2" not in str(refused.value)


def test_psql_finds_the_password_in_its_environment_and_nobody_in_its_arguments(tmp_path: Path, monkeypatch) -> None:
    program = tmp_path / "psql"
    program.write_text(f'#!/bin/sh\necho "$* and $PGPASSWORD" > {tmp_path}/called\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert cli.main(["psql", "--csv", "--postgres", "postgresql://me:hunter2@db/ledger"]) == 0
    called = (tmp_path / "called").read_text()
    assert "--csv" in called
    assert called.count("hunter2") == 1
    assert called.endswith(" and hunter2\n")
