"""The live view of a run: pure rendering of a Snapshot, for a terminal and for a pipe.

It refuses to ask for anything: what is not in the Snapshot is not shown.
"""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from crawl_worker.commands.output import duration, number
from crawl_worker.local.snapshot import Snapshot, State

_COLOURS: dict[State, str] = {
    "Crawling": "green",
    "Succeeded": "bold green",
    "Frozen": "yellow",
    "Draining": "yellow",
    "Stalled": "bold red",
}

_LONGEST_ERROR = 200
"""Characters of an error in a log's line."""


def render(snapshot: Snapshot) -> RenderableType:
    """The view of a terminal, good from 60 columns on."""
    return Group(_headline(snapshot), _bar(snapshot), _figures(snapshot), *_remarks(snapshot))


def line(snapshot: Snapshot) -> str:
    """The same as one line of a log."""
    parts = [
        f"{snapshot.state:<9}",
        f"{snapshot.progress:7.2%}",
        f"searches {number(snapshot.searches)}",
        f"artists {number(snapshot.artists)} ({number(snapshot.artists_new)} new)",
        f"requests {number(snapshot.requests)}",
        _rate(snapshot),
        f"workers {snapshot.workers_alive}/{snapshot.workers_desired}",
        f"left {_eta(snapshot)}",
    ]
    if snapshot.frozen_s > 0:
        parts.append(_freeze(snapshot))
    if snapshot.rate_limited:
        parts.append(f"429s {number(snapshot.rate_limited)}")
    if snapshot.dead_letters:
        parts.append(f"dead letters {number(snapshot.dead_letters)}")
    if snapshot.last_error and not snapshot.requests_per_minute:
        parts.append(f"(last error: {snapshot.last_error[:_LONGEST_ERROR]})")
    return "  ".join([*parts, *(f"({note})" for note in snapshot.notes)])


def _headline(snapshot: Snapshot) -> RenderableType:
    grid = Table.grid(expand=True)
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_column(justify="right", no_wrap=True)
    state = Text(snapshot.state, style=_COLOURS.get(snapshot.state, ""))
    left = Text.assemble(("artistcrawl ", "bold"), snapshot.job, "  ", state)
    grid.add_row(left, Text(duration(snapshot.elapsed_s), style="dim"))
    return grid


def _bar(snapshot: Snapshot) -> RenderableType:
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(ratio=1)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    bar = ProgressBar(total=max(1, snapshot.strings), completed=snapshot.covered)
    grid.add_row(bar, f"{snapshot.progress:.2%}", f"left {_eta(snapshot)}")
    return grid


def _figures(snapshot: Snapshot) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    for style in ("dim", "", "dim", ""):
        grid.add_column(style=style, no_wrap=True)
    artists = f"{number(snapshot.artists)} ({number(snapshot.artists_new)} new)"
    workers = f"{snapshot.workers_alive} of {snapshot.workers_desired}"
    retries = Text.assemble(f"{number(snapshot.retries)}  ", ("429s  ", "dim"), _alarming(snapshot.rate_limited))
    grid.add_row("searches", number(snapshot.searches), "artists", artists)
    grid.add_row("requests", number(snapshot.requests), "truncated", number(snapshot.truncated))
    grid.add_row("rate", _rate(snapshot), "dead letters", _alarming(snapshot.dead_letters))
    grid.add_row("workers", workers, "retries", retries)
    covered = f"{number(snapshot.covered)} of {number(snapshot.strings)} covered"
    return Group(Text.assemble(("strings   ", "dim"), covered), grid)


def _remarks(snapshot: Snapshot) -> list[RenderableType]:
    remarks: list[RenderableType] = []
    if snapshot.frozen_s > 0:
        remarks.append(Text(_freeze(snapshot), style="yellow"))
    remarks.extend(Text(note, style="yellow") for note in snapshot.notes)
    if snapshot.last_error:
        remarks.append(Text(f"last error: {snapshot.last_error}", style="red", no_wrap=True, overflow="ellipsis"))
    return remarks


def _alarming(count: int) -> Text:
    return Text(number(count), style="red" if count else "")


def _eta(snapshot: Snapshot) -> str:
    return "?" if snapshot.eta_s is None else duration(snapshot.eta_s)


def _rate(snapshot: Snapshot) -> str:
    limit = f" of {number(snapshot.limit_per_minute)}" if snapshot.limit_per_minute else ""
    return f"{number(snapshot.requests_per_minute)}{limit} a minute"


def _freeze(snapshot: Snapshot) -> str:
    return f"frozen until {snapshot.frozen_until} (in {duration(snapshot.frozen_s)})"
