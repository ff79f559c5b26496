"""The committed boards keep the rules of Grafana's dashboard-linter (lint/rule_*.go), but for what .lint excludes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from grafana_foundation_sdk.models import units
from support.proofs.boards import panels

DASHBOARDS = Path(__file__).parents[2] / "grafana" / "dashboards"
BOARDS = sorted(DASHBOARDS.glob("*.json"))
EXCLUSIONS = yaml.safe_load((DASHBOARDS / ".lint").read_text())["exclusions"]
UNITS = {value for name, value in vars(units).items() if isinstance(value, str) and not name.startswith("_")}

WITH_TEXT = {"stat", "timeseries", "table", "gauge", "bargauge", "heatmap", "state-timeline"}
"""The linter looks at fewer kinds; there is no reason to."""
WITH_PROMQL = {"stat", "table", "timeseries", "gauge", "state-timeline"}

Board = dict[str, Any]


class Broken(NamedTuple):
    """A rule that a board, or one of its panels, does not keep."""

    rule: str
    dashboard: str
    panel: str
    why: str


def variables(board: Board, kind: str) -> list[dict[str, Any]]:
    return [each for each in board["templating"]["list"] if each["type"] == kind]


def broken_by_board(board: Board) -> Iterator[tuple[str, str]]:
    """(rule, why) of what the board as a whole does not keep."""
    sources = variables(board, "datasource")
    for source in sources:
        allowed = {f"{source['query']}_datasource"} | ({"datasource"} if len(sources) == 1 else set())
        if source["name"] not in allowed:
            yield "template-datasource-rule", f"the data source {source['name']} should be one of {allowed}"
    for name in ("job", "instance"):
        found = next((each for each in variables(board, "query") if each["name"] == name), None)
        wanted = {"label": name.title(), "multi": True, "allValue": ".+"}
        if found is None:
            yield f"template-{name}-rule", "it is missing"
        elif found["datasource"]["uid"] != "${datasource}" or any(found.get(key) != wanted[key] for key in wanted):
            yield f"template-{name}-rule", f"it should have {wanted} and the data source ${{datasource}}"
    for each in variables(board, "query"):
        if not re.fullmatch(r"(label_names|label_values|metrics|query_result)\(.+\)", each["query"]):
            yield "template-label-promql-rule", each["query"]
        if each["refresh"] != 2:
            yield "template-on-time-change-reload-rule", each["name"]
    if board["editable"]:
        yield "uneditable-dashboard", "it is editable"


def broken_by_panel(board: Board, panel: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(rule, why) of what a panel does not keep."""
    if panel["type"] not in WITH_TEXT:
        return
    named = {f"${{{each['name']}}}" for each in variables(board, "datasource")}
    if panel["datasource"]["uid"] not in named:
        yield "panel-datasource-rule", panel["datasource"]["uid"]
    if not panel.get("title") or not panel.get("description"):
        yield "panel-title-description-rule", "it lacks one of them"
    for unit in configured_units(panel):
        if unit not in UNITS:
            yield "panel-units-rule", unit
    if not panel.get("targets"):
        yield "panel-no-targets-rule", "it asks nothing"


def configured_units(panel: dict[str, Any]) -> Iterator[str]:
    yield panel["fieldConfig"]["defaults"].get("unit", "none at all")
    for override in panel["fieldConfig"]["overrides"]:
        yield from (each["value"] for each in override["properties"] if each["id"] == "unit")


def broken_by_target(panel: dict[str, Any], expr: str) -> Iterator[tuple[str, str]]:
    """(rule, why) of what a query does not keep."""
    if panel["type"] in WITH_PROMQL and not expr:
        yield "target-promql-rule", "it is empty"
    for function, span in re.findall(r"(\w+)\((?:[^()\[\]]|\{[^}]*\})*\[([^\]:]+)\]", expr):
        if function in {"rate", "irate"} and span != "$__rate_interval":
            yield "target-rate-interval-rule", span
    for counter in re.finditer(r"\w+_total\b", expr):
        if not re.search(r"\b(rate|irate|increase)\($", expr[: counter.start()]):
            yield "target-counter-agg-rule", counter.group()
    for selector in re.findall(r"\{([^{}]*)\}", expr):
        for label in ("job", "instance"):
            if f'{label}=~"${label}"' not in selector:
                yield f"target-{label}-rule", selector


def all_broken(board: Board) -> Iterator[Broken]:
    for rule, why in broken_by_board(board):
        yield Broken(rule, board["title"], "", why)
    for panel in panels(board):
        for rule, why in broken_by_panel(board, panel):
            yield Broken(rule, board["title"], panel["title"], why)
        for target in panel["targets"]:
            for rule, why in broken_by_target(panel, target.get("expr", "")):
                yield Broken(rule, board["title"], panel["title"], why)


def excluded(broken: Broken) -> bool:
    entries = EXCLUSIONS.get(broken.rule, {}).get("entries", [])
    return any(
        entry["dashboard"] == broken.dashboard and entry.get("panel", broken.panel) == broken.panel for entry in entries
    )


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_a_board_keeps_every_rule_that_it_is_not_excluded_from(path: Path) -> None:
    board = json.loads(path.read_text())
    assert [broken for broken in all_broken(board) if not excluded(broken)] == []


def test_nothing_is_excluded_that_would_be_kept() -> None:
    broken = [each for path in BOARDS for each in all_broken(json.loads(path.read_text()))]
    unneeded = [
        (rule, entry)
        for rule, exclusion in EXCLUSIONS.items()
        for entry in exclusion["entries"]
        if not any(
            each.rule == rule and each.dashboard == entry["dashboard"] and entry.get("panel", each.panel) == each.panel
            for each in broken
        )
    ]
    assert unneeded == []


def test_every_exclusion_has_a_reason_and_is_for_certain_boards() -> None:
    assert [rule for rule, each in EXCLUSIONS.items() if not (each.get("reason") and each.get("entries"))] == []


SOUND = {
    "title": "a board",
    "editable": False,
    "templating": {
        "list": [
            {"type": "datasource", "name": "datasource", "query": "prometheus"},
            *(
                {
                    "type": "query", "name": name, "label": name.title(), "multi": True, "allValue": ".+", "refresh": 2,
                    "query": f"label_values(up, {name})", "datasource": {"uid": "${datasource}"},
                }
                for name in ("job", "instance")
            ),
        ]
    },
    "panels": [
        {
            "type": "stat", "title": "Up", "description": "Whether it is.", "datasource": {"uid": "${datasource}"},
            "fieldConfig": {"defaults": {"unit": "none"}, "overrides": []},
            "targets": [{"expr": 'rate(x_total{job=~"$job", instance=~"$instance"}[$__rate_interval])'}],
        }
    ],
}  # fmt: skip


def test_a_sound_board_breaks_nothing() -> None:
    assert list(all_broken(SOUND)) == []


@pytest.mark.parametrize(
    ("rule", "before", "after"),
    [
        ("uneditable-dashboard", '"editable": false', '"editable": true'),
        ("template-datasource-rule", '"name": "datasource"', '"name": "DS_PROMETHEUS"'),
        ("template-job-rule", '"label": "Job"', '"label": "The job"'),
        ("template-instance-rule", '"name": "instance"', '"name": "pod"'),
        ("template-label-promql-rule", "label_values(up, job)", "labels(up, job)"),
        ("template-on-time-change-reload-rule", '"refresh": 2', '"refresh": 1'),
        ("panel-datasource-rule", '"uid": "${datasource}"}, "fieldConfig"', '"uid": "P1"}, "fieldConfig"'),
        ("panel-title-description-rule", "Whether it is.", ""),
        ("panel-units-rule", '"unit": "none"', '"unit": "apples"'),
        ("panel-no-targets-rule", '"targets": [', '"targets": [], "former": ['),
        ("target-promql-rule", '"expr"', '"rawSql"'),
        ("target-rate-interval-rule", "$__rate_interval", "5m"),
        ("target-counter-agg-rule", "rate(", "sum("),
        ("target-job-rule", 'job=~\\"$job\\"', 'job=\\"mine\\"'),
        ("target-instance-rule", 'instance=~\\"$instance\\"', 'pod=\\"mine\\"'),
    ],
)  # fmt: skip
def test_a_board_that_breaks_a_rule_is_found_out(rule: str, before: str, after: str) -> None:
    text = json.dumps(SOUND)
    assert before in text
    assert rule in {each.rule for each in all_broken(json.loads(text.replace(before, after)))}
