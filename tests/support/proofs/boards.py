"""The committed boards and alerts, as queries: what they ask of Prometheus, with Grafana's variables filled in.

It refuses to know what a board should ask: whatever stands in the JSON is asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

GRAFANA = Path(__file__).parents[3] / "grafana"
BOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
RULES = sorted((GRAFANA / "rules").glob("*.yaml"))


@dataclass(frozen=True, slots=True)
class Expression:
    """One query of a panel, or of an alert."""

    where: str
    """Board and panel, or the alert's name."""
    text: str


def expressions(board: Path, **variables: str) -> list[Expression]:
    """Every PromQL expression of a board."""
    name = board.stem
    return [
        Expression(f"{name}: {panel['title']} [{target['refId']}]", filled(target["expr"], variables))
        for panel in panels(json.loads(board.read_text()))
        for target in panel.get("targets", [])
        if "expr" in target
    ]


def alerts() -> list[Expression]:
    """The expression of every alert."""
    return [
        Expression(rule["alert"], rule["expr"])
        for file in RULES
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]


def impatient(folder: Path) -> list[Path]:
    """The alerts' rules, without their patience: nothing here lasts for minutes."""
    made = []
    for file in RULES:
        groups = yaml.safe_load(file.read_text())
        for group in groups["groups"]:
            for rule in group["rules"]:
                rule.pop("for", None)
                rule.pop("keep_firing_for", None)
        made.append(folder / file.name)
        made[-1].write_text(yaml.safe_dump(groups))
    return made


def panels(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All panels but the rows themselves, those of collapsed rows too."""
    for panel in board["panels"]:
        if panel["type"] != "row":
            yield panel
        yield from panel.get("panels", [])


def filled(text: str, variables: dict[str, str]) -> str:
    """An expression as Grafana sends it."""
    # The longest first: $__rate_interval begins with no other, but $namespace would be found in $namespaces.
    for name in sorted(variables, key=len, reverse=True):
        text = text.replace("${" + name + "}", variables[name]).replace(f"${name}", variables[name])
    return text
