"""`artistcrawl delete`: a job ends for good, its limit binds nobody any more, and its artists stay."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from support.fakes.ledgers import artist, batch_of, crawljob, open_ledger, record, table_counts, taken_first_range

from crawl_core.ledger import batches, jobs
from crawl_core.ledger.buckets import BucketRows
from crawl_core.ledger.ledger import Ledger
from crawl_worker import cli


def in_ledger(url: str, act: Callable[[Ledger], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with open_ledger(url) as ledger:
            return await act(ledger)

    return asyncio.run(run())


@pytest.fixture
def crawled(ledger_url: str) -> str:
    """A ledger with default/artists, which found one artist, and default/slow, on one bucket."""

    async def crawl(ledger: Ledger) -> None:
        row, owner = await taken_first_range(ledger, await record(ledger))
        await batches.commit(ledger, batch_of(row, owner, strings=["aa00"], artists=[artist("A")]))
        await record(ledger, crawljob("slow", rateLimit={"requests": 2, "window": "60s"}), uid="uid-2")
        await BucketRows(ledger).ensure("credential:test")

    in_ledger(ledger_url, crawl)
    return ledger_url


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    terminal = io.StringIO(text)
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", terminal)


def names(url: str) -> list[str]:
    return [row.name for row in in_ledger(url, jobs.all)]


def test_it_deletes_the_jobs_rows_and_no_artist(crawled: str, capsys) -> None:
    assert cli.main(["delete", "artists", "--yes", "--postgres", crawled]) == 0
    counts = in_ledger(crawled, table_counts)
    assert (counts["search"], counts["run_artist"], counts["artist"], counts["crawl_range"]) == (0, 0, 1, 2)
    assert names(crawled) == ["slow"]
    assert (
        "what remains: all artists (artistcrawl export artists), and the jobs: default/slow" in capsys.readouterr().out
    )


def test_a_deleted_jobs_limit_binds_nobody(crawled: str) -> None:
    cli.main(["delete", "default/slow", "--yes", "--postgres", crawled])
    row = in_ledger(
        crawled, lambda ledger: BucketRows(ledger).merge_freeze("credential:test", epoch=0, frozen_until_us=0)
    )
    assert (row.limits.requests, row.limits.window_s) == (10, 30)


def test_without_a_terminal_it_wants_to_be_told_yes(crawled: str, capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert cli.main(["delete", "slow", "--postgres", crawled]) == 78
    assert "write artistcrawl delete --yes default/slow" in capsys.readouterr().err
    assert "slow" in names(crawled)


@pytest.mark.parametrize(
    ("text", "left"), [("y\n", ["artists"]), ("\n", ["artists", "slow"]), ("", ["artists", "slow"])]
)
def test_at_a_terminal_it_asks(crawled: str, capsys, monkeypatch, text: str, left: list[str]) -> None:
    answer(monkeypatch, text)
    assert cli.main(["delete", "slow", "--postgres", crawled]) == int(len(left) == 2)
    assert "default/slow has covered 0 of 72 strings" in capsys.readouterr().err
    assert names(crawled) == left


def test_it_warns_of_a_job_that_is_being_crawled(crawled: str, capsys, monkeypatch) -> None:
    answer(monkeypatch, "n\n")
    cli.main(["delete", "artists", "--postgres", crawled])
    assert "is being crawled just now" in capsys.readouterr().err


def test_status_names_the_jobs_whose_stricter_limit_is_in_force(crawled: str, capsys) -> None:
    assert cli.main(["status", "artists", "--postgres", crawled]) == 0
    said = capsys.readouterr().out
    assert "2 requests in 1 min count instead of the job's own 10 requests in 30 s: default/slow" in said
    assert "artistcrawl delete default/slow" in said
