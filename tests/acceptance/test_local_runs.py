"""One job crawled three times on one machine, while its catalogue changes: what each run brought, and what is left."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.processes.run_process import run
from support.processes.servers import server_folder
from support.proofs.oracle import Oracle, strings_of, write_catalogue

QUICKSTART = Path(__file__).parents[2] / "k8s" / "samples" / "quickstart.yaml"
STRINGS = list(strings_of("0123456789abcdefghijklmnopqrstuvwxyz", 2))
LOST, RENAMED, ADDED = 40, 15, 5


@dataclass(frozen=True)
class Crawled:
    """What came of the three runs."""

    data: Path
    job: Path
    catalogue: Path
    summaries: list[dict[str, Any]]
    texts: list[str]
    oracles: list[Oracle]

    def command(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "crawl_worker.cli", *map(str, arguments), "--data", str(self.data)]
        return subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)

    def rows(self, what: str, *arguments: str) -> list[dict[str, Any]]:
        """What an export writes."""
        done = self.command("export", what, "--format", "jsonl", "--output", "-", *arguments)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def query(self, statement: str) -> list[list[str]]:
        done = self.command("psql", "-c", f"COPY ({statement}) TO STDOUT")
        assert done.returncode == 0, done.stderr
        return [line.split("\t") for line in done.stdout.splitlines()]


def change(file: Path) -> None:
    """The catalogue of the third run: the first artists are gone, the next have other names, and some are new."""
    with file.open(encoding="utf-8", newline="") as before:
        rows = list(csv.DictReader(before))
    assert len(rows) > 10 * (LOST + RENAMED)
    for row in rows[LOST : LOST + RENAMED]:
        row["name"] = f"{row['name']} renamed"
    rows = rows[LOST:]
    rows += [{**rows[0], "id": f"new{number:019d}", "name": f"newcomer {number}"} for number in range(ADDED)]
    with file.open("w", encoding="utf-8", newline="") as after:
        writer = csv.DictWriter(after, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def crawled() -> Iterator[Crawled]:
    """The quickstart, faster, from a catalogue of its own: crawled, again, and once more after that has changed."""
    with server_folder() as folder:
        catalogue = write_catalogue(folder / "artists.csv", 1_500, alphabet="abc019")
        document = yaml.safe_load(QUICKSTART.read_text())
        document["spec"]["rateLimit"] |= {"requests": 1000, "window": "1s"}
        document["spec"]["source"] = {"requestTimeout": "1s"}
        job = folder / "quickstart.yaml"
        job.write_text(yaml.safe_dump(document))
        done = Crawled(folder / "data", job, catalogue, [], [], [])
        for number in (1, 2, 3):
            if number == 3:
                change(catalogue)
            again = () if number == 1 else ("--again",)
            with run(job, done.data, "--catalogue", str(catalogue), "--json", *again) as crawl:
                assert crawl.wait() == 0, crawl.stderr
                done.summaries.append(crawl.summary())
                done.texts.append(crawl.stderr)
            done.oracles.append(Oracle.of(catalogue))
        yield done


def found(crawled: Crawled, number: int) -> set[str]:
    """The artists that a run must have returned; some have no word of two characters of the keyspace."""
    return crawled.oracles[number - 1].exhaustive(STRINGS)


def new_and_gone(crawled: Crawled) -> tuple[int, int]:
    """Of the third run."""
    new, gone = found(crawled, 3) - found(crawled, 2), found(crawled, 2) - found(crawled, 3)
    assert len(new) >= ADDED
    assert LOST / 2 < len(gone) <= LOST
    return len(new), len(gone)


def test_each_run_asks_every_string_again_with_the_least_requests_there_are(crawled: Crawled) -> None:
    for summary, oracle in zip(crawled.summaries, crawled.oracles, strict=True):
        assert (summary["state"], summary["covered"]) == ("Succeeded", len(STRINGS))
        assert (summary["searches"], summary["requests"]) == (len(STRINGS), oracle.pages(STRINGS))
        assert (summary["retries"], summary["rate_limited"]) == (0, 0)


def test_the_summary_says_which_run_it_was_and_what_is_new_and_gone(crawled: Crawled) -> None:
    first, second, third = crawled.summaries
    new, gone = new_and_gone(crawled)
    assert [(each["run"], each["new"], each["gone"]) for each in (first, second, third)] == [
        (1, None, None),
        (2, 0, 0),
        (3, new, gone),
    ]
    assert f"run           3 ({new} artists new and {gone} gone since the run before)" in crawled.texts[2]


def test_runs_and_status_say_the_same_afterwards(crawled: Crawled) -> None:
    runs = json.loads(crawled.command("runs", "--json").stdout)
    assert [(each["run"], each["artists"], each["new"], each["gone"]) for each in runs] == [
        (number, len(found(crawled, number)), each["new"], each["gone"])
        for number, each in ((3, crawled.summaries[2]), (2, crawled.summaries[1]), (1, crawled.summaries[0]))
    ]
    (status,) = json.loads(crawled.command("status", "--json").stdout)
    assert (status["state"], status["run"], status["new"], status["gone"]) == ("Succeeded", 3, *new_and_gone(crawled))
    assert (status["source"], status["source_type"]) == ("artists.csv", "Sandbox")
    assert "source: artists.csv (Sandbox)" in crawled.command("status").stdout


def test_artists_that_are_gone_stay_and_a_renamed_one_keeps_its_row(crawled: Crawled) -> None:
    """Key and first_seen are of the first run, the name is of the last that returned it. last_seen moves with a change,
    and else once a day; which run returned whom is exact."""
    artists = {row["id"]: row for row in crawled.rows("artists")}
    assert set(artists) == found(crawled, 1) | found(crawled, 3)
    began = dict(crawled.query("SELECT run, started_at AT TIME ZONE 'UTC' FROM runs"))
    third = began["3"].replace(" ", "T")
    for artist_id in found(crawled, 1) & found(crawled, 3):
        row = artists[artist_id]
        assert row["name"] == crawled.oracles[2].names[artist_id]
        assert row["first_seen"] < began["2"].replace(" ", "T")
        assert (row["last_seen"] > third) == row["name"].endswith(" renamed")
    gone = found(crawled, 1) - found(crawled, 3)
    assert all(artists[artist_id]["last_seen"] < third for artist_id in gone)
    assert all(artists[artist_id]["name"] == crawled.oracles[0].names[artist_id] for artist_id in gone)
    renamed = [row for row in artists.values() if row["name"].endswith(" renamed")]
    assert len(renamed) == RENAMED
    # One row an artist, so one key.
    assert crawled.query("SELECT count(*), count(DISTINCT artist_key) FROM artists") == [[str(len(artists))] * 2]
    first_runs = dict(crawled.query("SELECT id, first_run FROM artists WHERE name LIKE '% renamed'"))
    assert {first_runs[artist_id] for artist_id in set(first_runs) & found(crawled, 1)} == {"1"}


def test_an_earlier_run_is_exported_and_queried_by_its_number(crawled: Crawled) -> None:
    for number in (1, 2, 3):
        exported = {row["id"] for row in crawled.rows("artists", "--job", "quickstart", "--run", str(number))}
        assert exported == found(crawled, number)
        assert len(crawled.rows("searches", "--run", str(number))) == len(STRINGS)
    gone = "SELECT artist_id FROM run_artists WHERE run = 2 EXCEPT SELECT artist_id FROM run_artists WHERE run = 3"
    assert len(crawled.query(gone)) == new_and_gone(crawled)[1]


def test_another_catalogue_is_refused_and_nothing_is_mixed(crawled: Crawled) -> None:
    refused = crawled.command("run", crawled.job)
    assert refused.returncode == 78
    assert "was crawled from artists.csv, not from sandbox" in refused.stderr
    assert crawled.query("SELECT source, detail ->> 'catalogue' FROM sources") == [["artists.csv", "artists.csv"]]


def test_an_interrupted_run_goes_on_and_a_later_one_that_is_wanted_begins_at_its_end(crawled: Crawled) -> None:
    """--again is refused then; the number in the file is kept in mind."""
    words = ("--catalogue", str(crawled.catalogue), "--json")
    with run(crawled.job, crawled.data, *words, "--again") as crawl:
        crawl.wait_for_searches(3 * len(STRINGS) + 100)
        crawl.interrupt()
        assert crawl.wait() == 130, crawl.stderr
        assert (crawl.summary()["run"], crawl.summary()["new"]) == (4, None)
    refused = crawled.command("run", crawled.job, "--catalogue", crawled.catalogue, "--again")
    assert refused.returncode == 78
    assert "run 4 of default/quickstart has not ended" in refused.stderr
    assert "go on without --again" in refused.stderr
    document = yaml.safe_load(crawled.job.read_text())
    document["spec"]["run"] = 5
    crawled.job.write_text(yaml.safe_dump(document))
    with run(crawled.job, crawled.data, *words) as crawl:
        assert crawl.wait() == 0, crawl.stderr
        assert "Run 5 begins when run 4 has ended." in crawl.stderr
        assert (crawl.summary()["run"], crawl.summary()["new"], crawl.summary()["gone"]) == (5, 0, 0)
    least = crawled.oracles[2].pages(STRINGS)
    runs = json.loads(crawled.command("runs", "--json").stdout)
    assert [(each["run"], each["requests"], each["new"], each["gone"]) for each in runs[:2]] == [
        (5, least, 0, 0),
        (4, least, 0, 0),
    ]
