"""The live view of a crawl: a Snapshot drawn for a terminal, in the local run and in `kubectl crawl`. Pure.

Nothing else here needs rich, which a worker's image does not have.
"""

from __future__ import annotations

import os

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from crawl_core.job import snapshot as words
from crawl_core.job.snapshot import ShownState, Snapshot
from crawl_core.wording import duration, number

_COLOURS: dict[ShownState, str] = {
    "Crawling": "green",
    "Succeeded": "bold green",
    "Frozen": "yellow",
    "Draining": "yellow",
    "Stalled": "bold red",
}


LEAST_COLUMNS = 60
"""In fewer the picture would be mostly ellipses."""


def can_redraw(console: Console) -> bool:
    """Whether a picture can be drawn there, and drawn again in its place. Else there are lines."""
    known = os.environ.get("TERM", "") not in ("", "dumb", "unknown") or os.name == "nt"
    return console.is_terminal and known and console.width >= LEAST_COLUMNS


def drawn(snapshot: Snapshot, console: Console) -> RenderableType:
    """The picture; where the terminal was made too narrow for it meanwhile, the line of a log in its place."""
    return render(snapshot) if console.width >= LEAST_COLUMNS else Text(words.line(snapshot))


def render(snapshot: Snapshot) -> RenderableType:
    """The view of a terminal, good from 60 columns on."""
    return Group(_headline(snapshot), _bar(snapshot), _figures(snapshot), *_remarks(snapshot))


def _headline(snapshot: Snapshot) -> RenderableType:
    grid = Table.grid(expand=True)
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    grid.add_column(justify="right", no_wrap=True)
    state = Text(snapshot.state, style=_COLOURS.get(snapshot.state, ""))
    run = f"  run {snapshot.run}" if snapshot.run else ""
    left = Text.assemble(("artistcrawl ", "bold"), snapshot.job, run, "  ", state)
    grid.add_row(left, Text(duration(snapshot.elapsed_s), style="dim"))
    return grid


def _bar(snapshot: Snapshot) -> RenderableType:
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(ratio=1)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    bar = ProgressBar(total=1.0, completed=snapshot.progress)
    grid.add_row(bar, snapshot.percentage, f"left {words.left(snapshot)}")
    return grid


def _figures(snapshot: Snapshot) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    for style in ("dim", "", "dim", ""):
        grid.add_column(style=style, no_wrap=True)
    grid.add_row("searches", number(snapshot.searches), "artists", words.artists(snapshot))
    grid.add_row("requests", number(snapshot.requests), "truncated", number(snapshot.truncated))
    grid.add_row("rate", words.rate(snapshot), "dead letters", _alarming(snapshot.dead_letters))
    if snapshot.share is not None:
        grid.add_row("workers", words.workers(snapshot))
    else:
        retries = f"{number(snapshot.retries)}  "
        failed = Text.assemble(retries, ("429s  ", "dim"), _alarming(snapshot.rate_limited))
        grid.add_row("workers", words.workers(snapshot), "retries", failed)
    return Group(Text.assemble(("strings   ", "dim"), words.strings(snapshot)), grid)


def _remarks(snapshot: Snapshot) -> list[RenderableType]:
    remarks: list[RenderableType] = []
    if snapshot.frozen_s > 0:
        remarks.append(Text(words.freeze(snapshot), style="yellow"))
    if snapshot.incomplete:
        remarks.append(Text(words.incomplete(snapshot), style="yellow"))
    remarks.extend(Text(note, style="yellow") for note in snapshot.notes)
    if snapshot.last_error:
        remarks.append(Text(f"last error: {snapshot.last_error}", style="red", no_wrap=True, overflow="ellipsis"))
    return remarks


def _alarming(count: int) -> Text:
    return Text(number(count), style="red" if count else "")
