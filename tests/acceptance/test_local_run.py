"""A job crawled from nothing to its end on one machine, and what can be done with the data afterwards."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.processes.run_process import run, write_job
from support.processes.servers import Valkey, server_folder

STRINGS = 36**2


@dataclass(frozen=True)
class Finished:
    job: Path
    data: Path
    summary: dict[str, Any]
    stderr: str


@pytest.fixture(scope="module")
def finished() -> Iterator[Finished]:
    """A small job, run to its end with --json and no terminal."""
    with server_folder() as folder:
        job = write_job(
            folder / "job.yaml",
            keyspace={"minLength": 2, "maxLength": 2},
            rateLimit={"requests": 1000, "window": "1s"},
            workers={"max": 2},
        )
        with run(job, folder / "data", "--json") as crawl:
            assert crawl.wait() == 0, crawl.stderr
            yield Finished(job, folder / "data", crawl.summary(), crawl.stderr)


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "crawl_worker.cli", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)


def test_json_prints_one_object_that_says_what_was_done(finished: Finished) -> None:
    summary = finished.summary
    assert summary["state"] == "Succeeded"
    assert summary["strings"] == summary["searches"] == STRINGS
    assert summary["requests"] >= STRINGS
    assert 1_500 < summary["artists"] == summary["artists_new"] <= 2_000
    assert (summary["retries"], summary["rate_limited"], summary["dead_letters"]) == (0, 0, 0)
    assert {"truncated", "seconds", "job", "data"} <= summary.keys()


def test_without_a_terminal_there_are_plain_lines(finished: Finished) -> None:
    assert "\x1b" not in finished.stderr
    assert re.search(r"^\d\d:\d\d:\d\d Succeeded +100.00%  searches 1,296", finished.stderr, re.MULTILINE)


def test_the_summary_says_where_the_data_is_and_how_to_use_it(finished: Finished) -> None:
    assert f"The data is in {finished.data}" in finished.stderr
    assert f"artistcrawl export artists --data {finished.data} --format csv" in finished.stderr


def test_the_same_command_again_says_that_it_is_finished_and_starts_no_worker(finished: Finished) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in (finished.data / "logs").iterdir())
    again = command("run", finished.job, "--data", finished.data)
    assert again.returncode == 0
    assert "was finished before; nothing is left to do. To crawl it again, as run 2:" in again.stdout
    assert f"artistcrawl run {finished.job} --data {finished.data} --again" in again.stdout
    assert sorted((path, path.stat().st_mtime_ns) for path in (finished.data / "logs").iterdir()) == before


def test_the_paste_ready_query_works(finished: Finished) -> None:
    line = next(line for line in finished.stderr.splitlines() if "artistcrawl psql" in line)
    statement = re.search(r'-c "(.*)"', line)
    assert statement is not None
    answer = command("psql", "--data", finished.data, "-c", statement[1])
    assert "(10 rows)" in answer.stdout, answer.stderr


def test_the_paste_ready_export_works(finished: Finished, tmp_path: Path) -> None:
    output = tmp_path / "artists.csv"
    done = command("export", "artists", "--data", finished.data, "--format", "csv", "--output", output)
    assert done.returncode == 0, done.stderr
    with output.open(newline="") as rows:
        assert len(list(csv.DictReader(rows))) == finished.summary["artists"]


def test_status_agrees_with_the_summary(finished: Finished) -> None:
    (status,) = json.loads(command("status", "--data", finished.data, "--json").stdout)
    assert (status["job"], status["state"], status["progress"]) == ("default/tiny", "Succeeded", 1.0)
    assert status["artists"] == finished.summary["artists"]


def test_status_is_a_table_for_people(finished: Finished) -> None:
    head, row, source = command("status", "--data", finished.data).stdout.splitlines()
    assert head.split() == ["JOB", "STATE", "RUN", "PROGRESS", "ARTISTS", "REQUESTS", "A", "MIN", "LEFT"]
    assert row.split()[:4] == ["default/tiny", "Succeeded", "1", "100.00%"]
    assert source == "source: sandbox"


def test_status_of_an_unknown_job_names_the_known_ones(finished: Finished) -> None:
    answer = command("status", "--data", finished.data, "nobody")
    assert answer.returncode == 78
    assert "'nobody' is no job of this ledger; it has: default/tiny" in answer.stderr


def test_there_are_no_dead_letters_to_retry(finished: Finished) -> None:
    assert "has no dead letters" in command("retry-dead-letters", "--data", finished.data).stdout


def test_a_bucket_is_unfrozen_by_its_name(finished: Finished) -> None:
    name = command("unfreeze", "--list", "--data", finished.data).stdout.split()[0]
    done = command("unfreeze", name, "--data", finished.data)
    assert f"{name} is not frozen any more" in done.stdout, done.stderr


def test_a_changed_keyspace_is_refused_with_the_remedy(finished: Finished, tmp_path: Path) -> None:
    changed = write_job(tmp_path / "job.yaml", keyspace={"minLength": 1, "maxLength": 2})
    refused = command("run", changed, "--data", finished.data)
    assert refused.returncode == 78
    assert "another metadata.name" in refused.stderr


def test_a_catalogue_is_refused_where_the_made_up_artists_were_crawled(finished: Finished, tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("id,name\n0000000000000000000001,abc\n")
    done = command("run", finished.job, "--data", finished.data, "--again", "--catalogue", tmp_path / "real.csv")
    assert done.returncode == 78
    assert "was crawled from sandbox, not from real.csv, and the two would mix: leave --catalogue out" in done.stderr


def test_with_addresses_it_uses_those_servers_and_starts_none(
    tmp_path: Path, ledger_url: str, fresh_redis: Valkey
) -> None:
    job = write_job(
        tmp_path / "job.yaml",
        keyspace={"minLength": 1, "maxLength": 1},
        rateLimit={"requests": 1000, "window": "1s"},
    )
    addresses = ["--postgres", ledger_url, "--redis", fresh_redis.url]
    with run(job, tmp_path / "data", "--json", *addresses) as crawl:
        assert crawl.wait() == 0, crawl.stderr
        assert crawl.summary()["searches"] == 36
        assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["logs", "run.lock"]
    (status,) = json.loads(command("status", "--json", "--postgres", ledger_url).stdout)
    assert status["state"] == "Succeeded"
