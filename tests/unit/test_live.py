"""The live view: what stands where, and that 80 columns are enough."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from crawl_core.job.snapshot import Snapshot, line
from crawl_core.job.terminal import render

FULL = Snapshot(
    job="default/quickstart",
    state="Frozen",
    elapsed_s=83,
    covered=710_592,
    strings=1_679_616,
    searches=710_592,
    requests=710_911,
    retries=3,
    rate_limited=1,
    artists=123_456,
    artists_new=120_001,
    truncated=12,
    dead_letters=2,
    requests_per_minute=598,
    limit_per_minute=600,
    eta_s=200_000,
    workers_alive=1,
    workers_desired=2,
    frozen_s=70_000,
    frozen_until="08:12",
    last_error="worker-1: the API answers 500 " + "and goes on " * 20,
)


def shown(snapshot: Snapshot, *, width: int = 80) -> str:
    console = Console(width=width, record=True, file=io.StringIO(), color_system=None)
    console.print(render(snapshot))
    return console.export_text()


@pytest.mark.parametrize(
    "text",
    [
        "artistcrawl default/quickstart  Frozen",
        "1 min 23 s",
        "42.30%",
        "left 2 d 7 h",
        "710,592 of 1,679,616",
        "123,456 (120,001 new)",
        "598 of 600 a minute",
        "1 of 2",
        "frozen until 08:12 (in 19 h 26 min)",
        "last error: worker-1: the API answers 500",
    ],
)
def test_the_view_shows(text: str) -> None:
    assert text in shown(FULL)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    lines = shown(FULL, width=width).splitlines()
    assert len(lines) == 9
    assert max(map(len, lines)) <= width


def test_the_largest_numbers_still_fit_in_80_columns() -> None:
    huge = replace(
        FULL, strings=2_821_109_907_456, covered=2_821_109_907_455, artists=15_400_000, artists_new=15_400_000
    )
    text = shown(huge)
    assert "2,821,109,907,455 of 2,821,109,907,456" in text
    assert "15,400,000 (15,400,000 new)" in text


def test_nothing_is_said_about_a_freeze_or_an_error_where_there_is_none() -> None:
    text = shown(replace(FULL, frozen_s=0, last_error=""))
    assert "frozen until" not in text
    assert "last error" not in text


def test_a_plain_line_holds_the_same_and_no_control_characters() -> None:
    text = line(FULL)
    assert text.isprintable()
    assert "42.30%" in text
    assert "artists 123,456 (120,001 new)" in text
    assert "frozen until 08:12" in text


def test_a_plain_line_tells_the_last_error_while_nothing_moves() -> None:
    assert "last error" not in line(FULL)
    assert "(last error: worker-1: the API answers 500" in line(replace(FULL, requests_per_minute=0))


def test_a_job_that_has_not_begun_can_be_shown() -> None:
    assert "left ?" in shown(Snapshot(job="default/new"))


def test_what_is_nearly_done_is_not_called_done() -> None:
    nearly = replace(FULL, covered=1_679_615)
    assert "99.99%" in shown(nearly)
    assert "100.00%" in shown(replace(nearly, state="Succeeded", covered=1_679_616))


def test_a_clusters_share_is_shown_as_its_status_says_it() -> None:
    assert Snapshot(job="default/artists", share=0.4231).percentage == "42.31%"
