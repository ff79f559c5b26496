"""Queries, and which data source answers them: every one names a variable of the board."""

from __future__ import annotations

from pathlib import Path

from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models.dashboard import DataSourceRef
from grafana_foundation_sdk.models.prometheus import PromQueryFormat, QueryEditorMode

from grafana.boards.sdk import POSTGRES, Made, SqlRows

PROMETHEUS_REF = DataSourceRef(type_val="prometheus", uid="${datasource}")
POSTGRES_REF = DataSourceRef(type_val=POSTGRES, uid="${postgres}")
_SQL = Path(__file__).parent / "sql"


def now(expr: str, legend: str = "") -> Dataquery:
    """The values at the end of the board's time. What is no longer reported has none: an old number is not shown."""
    return _query(expr, legend).instant()


def course(expr: str, legend: str = "", *, least_step: str = "") -> Dataquery:
    """The values over the board's time. Rates are taken over four times `least_step` or more, where it is given."""
    made = _query(expr, legend).range()
    return made.interval(least_step) if least_step else made


def buckets(expr: str) -> Dataquery:
    """The buckets of a histogram over the board's time, for a heatmap."""
    return _query(expr, "{{le}}").range().format(PromQueryFormat.HEATMAP)


def rows(expr: str) -> Dataquery:
    """The values at the end of the board's time, a row each, with a column for each label."""
    return _query(expr, "").instant().format(PromQueryFormat.TABLE)


def sql(name: str) -> Made:
    """The rows of a file in sql/, without the comment at its head."""
    lines = (_SQL / f"{name}.sql").read_text(encoding="utf-8").splitlines()
    while lines and (not lines[0].strip() or lines[0].startswith("--")):
        lines.pop(0)
    return Made(SqlRows("\n".join(lines).strip().rstrip(";")))


def _query(expr: str, legend: str) -> Dataquery:
    return Dataquery().expr(expr).legend_format(legend).editor_mode(QueryEditorMode.CODE).datasource(PROMETHEUS_REF)
