"""`artistcrawl runs` and `artistcrawl delete-run`: what each run brought, and one of them given up."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from support.fakes.ledgers import (
    artist,
    batch_of,
    open_ledger,
    record,
    table_counts,
    take,
)

from crawl_core.ledger import batches, jobs, ranges, runs
from crawl_core.ledger.ledger import Ledger
from crawl_core.values.rows import Counters
from crawl_worker import cli


def in_ledger(url: str, act: Callable[[Ledger], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with open_ledger(url) as ledger:
            return await act(ledger)

    return asyncio.run(run())


async def crawl(ledger: Ledger, *artists: str) -> None:
    """The current run of the only job to its end."""
    (job,) = await jobs.all(ledger)
    await jobs.reopen(ledger, job.uid)
    found = {"artists": [artist(each) for each in artists], "strings": ["aa00"]}
    for range_id in await ranges.open_ids(ledger, job.id, limit=100):
        row, owner = await take(ledger, range_id)
        counters = Counters(covered=36, requests=1)
        assert await batches.commit(ledger, batch_of(row, owner, cursor=None, counters=counters, **found))
        found = {}
    assert await jobs.finish(ledger, job.id)


@pytest.fixture
def crawled(ledger_url: str) -> str:
    """A ledger with default/artists, crawled three times; the third run has not ended."""

    async def crawl_again(ledger: Ledger) -> None:
        job = await record(ledger)
        await crawl(ledger, "A", "B", "D")
        assert await runs.begin(ledger, job.id, 2)
        await crawl(ledger, "B", "C")
        assert await runs.begin(ledger, job.id, 3)

    in_ledger(ledger_url, crawl_again)
    return ledger_url


def command(url: str, *arguments: str) -> int:
    return cli.main([*arguments, "--postgres", url])


def test_runs_are_listed_the_latest_first(crawled: str, capsys) -> None:
    assert command(crawled, "runs") == 0
    name, heads, *rows = capsys.readouterr().out.splitlines()
    assert name == "default/artists"
    assert heads.split()[-4:] == ["REQUESTS", "ARTISTS", "NEW", "GONE"]
    assert [(row.split()[0], row.split()[-4:]) for row in rows] == [
        ("3", ["0", "0", "-", "-"]),
        ("2", ["2", "2", "-", "-"]),
        ("1", ["2", "3", "-", "-"]),
    ]


def test_runs_as_json_have_every_count(crawled: str, capsys) -> None:
    assert command(crawled, "runs", "artists", "--json") == 0
    third, second, first = json.loads(capsys.readouterr().out)
    assert (third["current"], third["finished_at"], third["new"]) == (True, None, None)
    assert (second["run"], second["covered"], second["strings"], second["requests"]) == (2, 72, 72, 2)
    assert (first["job"], first["artists"], first["new"], first["gone"]) == ("default/artists", 3, None, None)


def test_a_deleted_run_leaves_its_counts_the_other_runs_and_all_artists(crawled: str, capsys) -> None:
    """How the run after it differs is counted first."""
    assert command(crawled, "delete-run", "artists", "1", "--yes") == 0
    counts = in_ledger(crawled, table_counts)
    assert (counts["search"], counts["run_artist"], counts["artist"], counts["crawl_range"]) == (1, 2, 4, 4)
    capsys.readouterr()
    command(crawled, "runs", "--json")
    _, second, first = json.loads(capsys.readouterr().out)
    assert (second["new"], second["gone"], second["data_deleted_at"]) == (1, 2, None)
    assert first["artists"] == 3
    assert first["data_deleted_at"] is not None
    command(crawled, "runs")
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()[1:]] == [
        "DATA",
        "kept",
        "kept",
        "deleted",
    ]
    assert command(crawled, "delete-run", "artists", "1", "--yes") == 0
    assert "the data of run 1 of default/artists was deleted before" in capsys.readouterr().out


def test_the_current_run_is_refused_with_the_remedies(crawled: str, capsys) -> None:
    assert command(crawled, "delete-run", "artists", "3", "--yes") == 78
    said = capsys.readouterr().err
    assert "artistcrawl run FILE --again" in said
    assert "artistcrawl delete default/artists" in said


def test_a_run_that_is_not_there_names_those_there_are(crawled: str, capsys) -> None:
    assert command(crawled, "delete-run", "artists", "7", "--yes") == 78
    assert "default/artists has no run 7; it has: 3, 2, 1" in capsys.readouterr().err


def test_without_a_terminal_delete_run_wants_to_be_told_yes(crawled: str, capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert command(crawled, "delete-run", "artists", "1") == 78
    assert "write artistcrawl delete-run --yes default/artists 1" in capsys.readouterr().err


def test_at_a_terminal_delete_run_asks_and_says_what_is_lost(crawled: str, capsys, monkeypatch) -> None:
    terminal = io.StringIO("n\n")
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", terminal)
    assert command(crawled, "delete-run", "artists", "2") == 1
    asked = capsys.readouterr().err
    assert "default/artists, run 2: 2 artists (not compared) by 2 requests" in asked
    assert "Run 3 goes on, and cannot be compared with it then." in asked
    assert in_ledger(crawled, table_counts)["run_artist"] == 5
