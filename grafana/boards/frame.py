"""What all boards have in common: their variables, the links between them and to the runbooks, their time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from grafana_foundation_sdk.builders import dashboard as dashboards
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    DashboardCursorSync,
    DashboardLink,
    DashboardLinkType,
    VariableHide,
    VariableModel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from grafana.boards.queries import PROMETHEUS_REF
from grafana.boards.rows import Shelf, placed
from grafana.boards.sdk import POSTGRES, Made

CRAWL, WORKERS, OPERATOR = "artistcrawl-crawl", "artistcrawl-workers", "artistcrawl-operator"
_BOARDS = {CRAWL: "Crawl", WORKERS: "Workers", OPERATOR: "Operator"}
RUNBOOKS = "${runbooks}"
"""Where the runbooks are: a variable, so that who keeps them elsewhere sets one value."""


def board(uid: str, description: str, variables: Sequence[VariableModel], parts: Iterable[Shelf | str]) -> Dashboard:
    """A board of these panels."""
    links: list[Builder[DashboardLink]] = [*(_to(other) for other in _BOARDS if other != uid), _runbooks()]
    made = (
        dashboards.Dashboard(f"artistcrawl / {_BOARDS[uid]}")
        .uid(uid)
        .description(description)
        .tags(["artistcrawl"])
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .time("now-6h", "now")
        .timezone("browser")
        .refresh("30s")
        .variables([Made(variable) for variable in variables])
        .links(links)
        .build()
    )
    made.panels = placed(parts)
    return made


def prometheus() -> VariableModel:
    """Which Prometheus. It comes first: the linter takes the first for the board's own."""
    return dashboards.DatasourceVariable("datasource").label("Data source").type("prometheus").build()


def postgres() -> VariableModel:
    """Which ledger."""
    return dashboards.DatasourceVariable("postgres").label("Ledger").type(POSTGRES).build()


def runbooks() -> VariableModel:
    """Where the runbooks are."""
    where = "https://github.com/artistcrawl/artistcrawl/blob/main/grafana/runbooks"
    made = dashboards.ConstantVariable("runbooks").label("Runbooks").value(where).build()
    made.hide = VariableHide.HIDE_VARIABLE
    made.current = VariableOption(selected=True, text=where, value=where)
    return made


def one(name: str, label: str, query: str) -> VariableModel:
    """One of the values that a label has."""
    return _asked(name, label, query).build()


def some(name: str, label: str, query: str) -> VariableModel:
    """Any of the values that a label has, at first all."""
    return (
        _asked(name, label, query)
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(VariableOption(selected=True, text="All", value="$__all"))
        .build()
    )


def _asked(name: str, label: str, query: str) -> dashboards.QueryVariable:
    return (
        dashboards.QueryVariable(name)
        .label(label)
        .datasource(PROMETHEUS_REF)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )


def _to(uid: str) -> dashboards.DashboardLink:
    """With the variables and the time of this board."""
    return (
        dashboards.DashboardLink(_BOARDS[uid])
        .type(DashboardLinkType.LINK)
        .icon("dashboard")
        .tooltip(f"The board {_BOARDS[uid]}, of the same CrawlJob and time")
        .url(f"/d/{uid}")
        .include_vars(True)
        .keep_time(True)
    )


def _runbooks() -> dashboards.DashboardLink:
    return (
        dashboards.DashboardLink("Runbooks")
        .type(DashboardLinkType.LINK)
        .icon("doc")
        .tooltip("What each alert means, and what to do")
        .url(RUNBOOKS)
        .target_blank(True)
    )
