"""Runs of a job: which one is to begin, and what each brought, in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from crawl_core.spec import Spec
from crawl_core.values.jobs import JobRow
from crawl_core.values.runs import RunRow
from crawl_core.wording import duration, instant, number

_HEADS = ("RUN", "BEGAN", "TOOK", "REQUESTS", "ARTISTS", "NEW", "GONE")


def to_begin(spec: Spec, row: JobRow) -> int | None:
    """The number of the run that is to begin now; None: the current one goes on, or no later one is wanted."""
    return spec.run if spec.run is not None and spec.run > row.run and row.finished_at is not None else None


def waiting(wanted: int | None, *, current: int) -> str:
    """What is said of a later run that is wanted while the current one goes on; empty where none is."""
    return "" if wanted is None or wanted <= current else f"Run {wanted} begins when run {current} has ended."


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """What people see of a run. Instants are seconds since 1970."""

    number: int
    began_s: float | None
    ended_s: float | None
    """None: it goes on."""
    requests: int
    artists: int
    new: int | None
    """Artists that the run before had not returned; None: not compared, such as the first run."""
    gone: int | None
    """Artists that only the run before had returned; None: not compared."""
    deleted: bool = False
    """Whether only its counts are left."""


def view_of(run: RunRow) -> RunView:
    """A run of the ledger."""
    return RunView(
        number=run.number,
        began_s=_epoch_s(run.started_at),
        ended_s=_epoch_s(run.finished_at),
        requests=run.requests,
        artists=run.artists,
        new=run.added,
        gone=run.gone,
        deleted=run.data_deleted_at is not None,
    )


def compared(new: int | None, gone: int | None) -> str:
    """How a run differs from the one before, behind its number; empty where it was not compared."""
    if new is None or gone is None:
        return ""
    return f" ({number(new)} artists new and {number(gone)} gone since the run before)"


def line(run: RunView, *, now_s: float) -> str:
    """One run in a line: run 2: 812 artists (12 new, 3 gone) by 1,300 requests in 3 min, ended Nov 29 14:02."""
    found = f"{number(run.artists)} artists{_difference(run)} by {number(run.requests)} requests"
    ended = "goes on" if run.ended_s is None else f"ended {instant(run.ended_s, now_s=now_s)}"
    return f"run {run.number}: {found} in {_took(run, now_s)}, {ended}{', data deleted' if run.deleted else ''}"


def table(runs: Sequence[RunView], *, now_s: float) -> str:
    """Runs, one a line below the names of the columns."""
    rows = [_HEADS, *(_cells(run, now_s) for run in runs)]
    if any(run.deleted for run in runs):
        data = ["DATA", *("deleted" if run.deleted else "kept" for run in runs)]
        rows = [(*row, cell) for row, cell in zip(rows, data, strict=True)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def _cells(run: RunView, now_s: float) -> tuple[str, ...]:
    return (
        str(run.number),
        "-" if run.began_s is None else instant(run.began_s, now_s=now_s),
        f"{_took(run, now_s)}{'' if run.ended_s else ', goes on'}",
        number(run.requests),
        number(run.artists),
        "-" if run.new is None else number(run.new),
        "-" if run.gone is None else number(run.gone),
    )


def _difference(run: RunView) -> str:
    if run.new is not None and run.gone is not None:
        return f" ({number(run.new)} new, {number(run.gone)} gone)"
    return "" if run.ended_s is None else " (not compared)"


def _took(run: RunView, now_s: float) -> str:
    return "?" if run.began_s is None else duration(max(0.0, (run.ended_s or now_s) - run.began_s))


def _epoch_s(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
