"""The one list of conditions and reasons has each that the code can write, and none else.

That no plan says anything that is not listed is asserted wherever a test plans (`support.fakes.observations.planned`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from crawl_core.spec.status import ConditionType
from crawl_operator.crd.reference import page
from crawl_operator.values import reasons
from crawl_operator.values.condition_list import CONDITIONS, REASONS

ROOT = Path(__file__).parents[2]
SOURCES = [path for room in ("operator", "worker") for path in sorted((ROOT / room).rglob("*.py"))]
LISTED = {each.reason for each in REASONS}
CONSTANTS = {value: name for name, value in vars(reasons).items() if name.isupper() and isinstance(value, str)}
OF_EVENTS_ALONE = {
    "Started", "Resumed", "Unfrozen", "Recovered", "Succeeded", "Restarted", "DeadLettersReplayed", "UnfreezeRequested",
    "Retrying", "DataDeleted", "DataNotDeleted", "Expired", "RunBegan", "RunDeleted", "RunNotDeleted",
}  # fmt: skip


def literal_reasons(path: Path) -> Iterator[str]:
    """Reasons that are written as texts where a condition, a verdict or a trouble is made."""
    place = {"Trouble": 0, "ConditionValue": 1, "Verdict": 1}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id not in place:
            continue
        given = node.args[place[node.func.id] :][:1] or [each.value for each in node.keywords if each.arg == "reason"]
        yield from (f"{path.name}:{node.lineno}" for each in given if isinstance(each, ast.Constant | ast.JoinedStr))


def test_every_reason_of_a_condition_is_listed_and_none_else() -> None:
    assert CONSTANTS.keys() - OF_EVENTS_ALONE == LISTED


def test_no_reason_is_written_but_by_its_name() -> None:
    assert [where for path in SOURCES for where in literal_reasons(path)] == []


def test_every_listed_reason_is_used() -> None:
    lists = {"reasons.py", "condition_list.py"}
    text = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES if path.name not in lists)
    assert [CONSTANTS[each] for each in LISTED if not re.search(rf"\b{CONSTANTS[each]}\b|\"{each}\"", text)] == []


def test_every_condition_is_listed_with_a_reason_for_true() -> None:
    assert set(CONDITIONS) == set(get_args(ConditionType))
    assert {kind for each in REASONS if each.status == "True" for kind in each.conditions} == set(CONDITIONS)


def test_nothing_is_listed_twice() -> None:
    rows = [(kind, each.reason) for each in REASONS for kind in each.conditions]
    assert len(rows) == len(set(rows))


def test_the_page_has_each_reason_under_its_condition() -> None:
    for kind in CONDITIONS:
        section = page().split(f"\n### {kind}\n")[1].split("\n### ")[0]
        named = set(re.findall(r"^\| \w+ \| `(\w+)` \|", section, re.MULTILINE))
        assert named == {each.reason for each in REASONS if kind in each.conditions}
