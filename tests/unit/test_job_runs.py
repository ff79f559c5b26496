"""Which run is to begin, and what a run brought, in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from support.fakes.observations import NOW, STARTED, job_of, row_of, view_of

from crawl_core.job import runs
from crawl_core.values.runs import RunRow

RUN = RunRow(
    id=7,
    number=2,
    started_at=STARTED,
    finished_at=NOW,
    total=1_296,
    covered=1_296,
    searches=1_296,
    requests=1_300,
    artists=812,
    artists_new=10,
    added=12,
    gone=3,
    dead_letters=0,
    incomplete=0,
    data_deleted_at=None,
)


@pytest.mark.parametrize(
    ("wanted", "current", "ended", "begins"),
    [
        (None, 1, True, None),
        (1, 1, True, None),
        (2, 1, True, 2),
        (2, 1, False, None),
        (7, 3, True, 7),
        (2, 3, True, None),
    ],
)
def test_a_greater_number_begins_once_the_current_run_has_ended(
    wanted: int | None, current: int, ended: bool, begins: int | None
) -> None:
    spec = job_of({} if wanted is None else {"run": wanted}).spec
    row = row_of(view_of(), run=current, finished_at=NOW if ended else None)
    assert runs.to_begin(spec, row) == begins


def test_a_run_that_waits_is_told_and_no_other() -> None:
    assert runs.waiting(3, current=2) == "Run 3 begins when run 2 has ended."
    assert [runs.waiting(wanted, current=2) for wanted in (None, 1, 2)] == ["", "", ""]


def test_without_a_run_before_nothing_is_called_new() -> None:
    """Those new to the source are another number: a second job's first run may have none of them."""
    first = runs.view_of(replace(RUN, number=1, added=None, gone=None))
    assert (first.new, first.gone) == (None, None)
    told = runs.line(first, now_s=NOW.timestamp())
    assert told.startswith("run 1: 812 artists (not compared) by 1,300 requests in 1 h, ended ")


def test_a_run_is_told_in_one_line() -> None:
    later_s = (NOW + timedelta(days=3)).timestamp()
    told = runs.line(runs.view_of(RUN), now_s=later_s)
    assert told.startswith("run 2: 812 artists (12 new, 3 gone) by 1,300 requests in 1 h, ended Mar 01 ")
    assert runs.line(runs.view_of(replace(RUN, data_deleted_at=NOW)), now_s=later_s).endswith(", data deleted")


def test_the_current_run_goes_on_and_lacks_what_was_not_compared() -> None:
    current = replace(RUN, finished_at=None, added=None, gone=None)
    told = runs.line(runs.view_of(current), now_s=NOW.timestamp())
    assert told == "run 2: 812 artists by 1,300 requests in 1 h, goes on"


def test_runs_are_a_table() -> None:
    first = replace(RUN, number=1, added=None, gone=None, artists=1_000)
    lines = runs.table([runs.view_of(RUN), runs.view_of(first)], now_s=NOW.timestamp()).splitlines()
    assert [line.split()[0] for line in lines] == ["RUN", "2", "1"]
    assert [line.split()[-3:] for line in lines[1:]] == [["812", "12", "3"], ["1,000", "-", "-"]]
    assert len({len(line) for line in lines}) == 1
