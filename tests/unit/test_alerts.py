"""Alerts and what belongs to them: each has its tests, its runbook, and its line in the table."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

GRAFANA = Path(__file__).parents[2] / "grafana"
RUNBOOK_URL = "https://github.com/artistcrawl/artistcrawl/blob/main/grafana/runbooks/{}.md"
BOARDS = {"artistcrawl-crawl", "artistcrawl-workers", "artistcrawl-operator"}
SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
TABLE = runpy.run_path(str(GRAFANA / "rules" / "table.py"))
RULES = TABLE["files"]()
every_alert = pytest.mark.parametrize("name", RULES)


def rule_of(name: str) -> dict[str, Any]:
    (rule,) = TABLE["rules_of"](RULES[name])
    return dict(rule)


def unit_tests_of(name: str) -> dict[str, Any]:
    text = (GRAFANA / "rules" / "tests" / f"{name}_test.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def test_every_file_beside_the_rules_belongs_to_one() -> None:
    assert sorted(path.name for path in (GRAFANA / "rules" / "tests").iterdir()) == [
        f"{name}_test.yaml" for name in RULES
    ]
    assert sorted(path.name for path in (GRAFANA / "runbooks").iterdir()) == [f"{name}.md" for name in RULES]


@every_alert
def test_an_alert_has_the_name_of_its_file_and_group(name: str) -> None:
    assert name.startswith("Artistcrawl")
    assert rule_of(name)["alert"] == name
    assert [group["name"] for group in yaml.safe_load(RULES[name])["groups"]] == [name]


@every_alert
def test_an_alert_says_how_urgent_it_is_what_to_do_and_where_to_look(name: str) -> None:
    rule = rule_of(name)
    assert rule["labels"].keys() == {"severity"}
    assert rule["labels"]["severity"] in TABLE["SEVERITIES"]
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url", "dashboard"}
    assert rule["annotations"]["runbook_url"] == RUNBOOK_URL.format(name)
    assert rule["annotations"]["dashboard"] in BOARDS
    assert "{{ $labels.namespace }}" in rule["annotations"]["summary"]


@every_alert
def test_an_alert_is_tested_to_fire_and_not_to(name: str) -> None:
    tests = unit_tests_of(name)
    assert tests["rule_files"] == [f"../{name}.yaml"]
    checks = [check for test in tests["tests"] for check in test["alert_rule_test"]]
    assert {check["alertname"] for check in checks} == {name}
    assert {bool(check.get("exp_alerts")) for check in checks} == {True, False}
    # A test in which nothing ever fires is of a case that must not, and says so.
    quiet = [test["name"] for test in tests["tests"] if not any(c.get("exp_alerts") for c in test["alert_rule_test"])]
    assert [said for said in quiet if "not" not in said.split() and "must not" not in said] == []


@every_alert
def test_a_runbook_has_its_four_sections(name: str) -> None:
    text = (GRAFANA / "runbooks" / f"{name}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {name}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS


def test_the_table_in_the_readme_is_made_from_the_rules() -> None:
    readme = (GRAFANA / "README.md").read_text(encoding="utf-8")
    assert readme == TABLE["page"](readme, RULES), "run: python grafana/rules/table.py"
