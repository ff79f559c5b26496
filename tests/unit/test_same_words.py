"""Terminal, kubectl, metrics and boards say the same truths in the same words."""

from __future__ import annotations

import io
import json
from typing import get_args

import pytest
from rich.console import Console
from support.proofs.boards import BOARDS, panels

from crawl_core.job import snapshot
from crawl_core.job.snapshot import Snapshot, line
from crawl_core.job.terminal import render
from crawl_core.metrics import definitions as metrics
from crawl_core.metrics.labels import values_of
from crawl_core.spec import status
from crawl_operator.plugin.picture import detail

LOCAL = Snapshot(
    job="music/artists", state="Frozen", covered=10, strings=100, searches=10, requests=12, artists=7, artists_new=3,
    truncated=1, dead_letters=2, requests_per_minute=18, limit_per_minute=20, eta_s=270.0, workers_alive=1,
    workers_desired=2, frozen_s=60.0, frozen_until="12:00:00",
)  # fmt: skip
WORDS = ("searches", "requests", "artists", "truncated", "dead letters", "workers", "frozen until", "left")
"""Of what people ask about a crawl."""
VALUES = ("Frozen", "10.00%", "7 (3 new)", "18 of 20 a minute", "4 min 30 s", "frozen until 12:00:00")


def shown(seen: Snapshot) -> str:
    console = Console(file=io.StringIO(), width=100)
    console.print(render(seen))
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


@pytest.mark.parametrize("text", [shown(LOCAL), line(LOCAL), detail(LOCAL)], ids=["terminal", "pipe", "kubectl"])
def test_every_face_of_a_crawl_has_the_same_values(text: str) -> None:
    assert [value for value in VALUES if value not in text] == []


def test_the_boards_have_a_panel_for_each_of_these_words() -> None:
    board = next(board for board in BOARDS if board.stem == "crawl")
    workers = next(board for board in BOARDS if board.stem == "workers")
    titles = " ".join(
        panel["title"].lower() for file in (board, workers) for panel in panels(json.loads(file.read_text()))
    )
    assert [word for word in WORDS if word not in titles] == []


@pytest.mark.parametrize("text", [shown(LOCAL), line(LOCAL), detail(LOCAL)], ids=["terminal", "pipe", "kubectl"])
def test_every_face_uses_these_words(text: str) -> None:
    assert [word for word in WORDS if word not in text and word != "truncated"] == []


def test_states_are_the_crawljobs_in_metrics_and_boards() -> None:
    states = list(get_args(status.State))
    assert sorted(values_of(metrics.JOB_STATE.declaration.labels["state"])) == sorted(states)
    crawl = next(board for board in BOARDS if board.stem == "crawl").read_text()
    assert [state for state in states if f'"{state}"' not in crawl] == []


def test_a_run_shows_the_crawljobs_states_and_five_of_its_own() -> None:
    own = set(get_args(snapshot.ShownState)) - set(get_args(status.State))
    assert own == {"Starting", "Draining", "Interrupted", "Refused", "Failed"}
    assert set(get_args(status.State)) < set(get_args(snapshot.ShownState))
