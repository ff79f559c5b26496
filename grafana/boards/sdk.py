"""What the SDK's builders do not make, in one place: a query to PostgreSQL, data links, overrides.

What a builder makes is not made here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.dashboard import (
    DashboardFieldConfigSourceOverrides,
    DynamicConfigValue,
    MatcherConfig,
)

POSTGRES = "grafana-postgresql-datasource"
"""Grafana's name of the plugin."""


@dataclass(slots=True)
class SqlRows(Dataquery):
    """Rows of a query in SQL."""

    sql: str
    ref_id: str = "A"

    def to_json(self) -> dict[str, object]:
        """As Grafana keeps it; `rawQuery` and `editorMode` keep it from being taken for one of the query builder."""
        return {
            "refId": self.ref_id,
            "datasource": {"type": POSTGRES, "uid": "${postgres}"},
            "editorMode": "code",
            "format": "table",
            "rawQuery": True,
            "rawSql": self.sql,
        }


@dataclass(frozen=True, slots=True)
class Made(Builder[Any]):
    """Something built already, for where a builder is wanted."""

    made: Any

    def build(self) -> Any:
        """What it is."""
        return self.made


@dataclass(frozen=True, slots=True)
class DataLink:
    """A link of a value or a cell. The SDK knows links of boards only, whose further fields mean nothing here."""

    title: str
    url: str

    def to_json(self) -> dict[str, object]:
        """As Grafana keeps it."""
        return {"title": self.title, "url": self.url, "targetBlank": False}


def coloured(names: Mapping[str, str]) -> tuple[Made, ...]:
    """Fields of these names, or patterns, in these colours."""
    return tuple(override(name, {"color": {"mode": "fixed", "fixedColor": colour}}) for name, colour in names.items())


def override(names: str, properties: Mapping[str, object]) -> Made:
    """Properties of the fields of a name, or of those that a pattern finds, as /pattern/."""
    matcher = "byRegexp" if names.startswith("/") else "byName"
    return Made(
        DashboardFieldConfigSourceOverrides(
            matcher=MatcherConfig(id_val=matcher, options=names),
            properties=[DynamicConfigValue(id_val=name, value=value) for name, value in properties.items()],
        )
    )
