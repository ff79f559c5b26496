"""What runbooks tell somebody to type exists: whoever was just paged has no time for a command that does not."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from crawl_core.metrics import definitions as metrics
from crawl_core.spec import Spec, parse_crawljob
from crawl_core.spec.status import ConditionType, Status
from crawl_operator.plugin import cli as plugin
from crawl_operator.values import names
from crawl_worker.cli import COMMANDS

ROOT = Path(__file__).parents[2]
RUNBOOKS = sorted((ROOT / "grafana" / "runbooks").glob("*.md"))
RULES = sorted((ROOT / "grafana" / "rules").glob("*.yaml"))
SOURCES = "\n".join(
    path.read_text(encoding="utf-8") for folder in ("worker", "operator") for path in (ROOT / folder).rglob("*.py")
)
ACTIONS = set(re.findall(r'fields\(\s*"([a-z_]+\.[a-z_]+)"', SOURCES))
every_runbook = pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
every_text = pytest.mark.parametrize("path", RUNBOOKS + RULES, ids=lambda path: path.name)


def text_of(path: Path) -> str:
    """Of a rule its annotations, with a word in place of each template."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text
    said = yaml.safe_load(text)["groups"][0]["rules"][0]["annotations"].values()
    return "\n".join(re.sub(r"\{\{.*?\}\}", "WORD", one) for one in said)


def commands(text: str, program: str) -> Iterator[list[str]]:
    """The arguments of each call of a program, up to a pipe, a comment, or the end of the code."""
    for found in re.findall(rf"(?<![\w/.-]){program} ([a-z][^|`#\n]*)", text):
        yield shlex.split(found.strip().rstrip(",.;"))


def slug(heading: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


@every_runbook
def test_a_link_leads_to_a_file_and_its_heading(path: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8")):
        file, _, heading = target.partition("#")
        text = (path.parent / file).read_text(encoding="utf-8")
        assert not heading or heading in map(slug, re.findall(r"^#+ (.+)$", text, re.MULTILINE))


@every_text
def test_kubectl_crawl_takes_what_it_is_given(path: Path) -> None:
    for arguments in commands(text_of(path), "kubectl crawl"):
        assert plugin.parser().parse_args(arguments).command == arguments[0]


@every_text
def test_artistcrawl_has_the_command(path: Path) -> None:
    assert {arguments[0] for arguments in commands(text_of(path), "artistcrawl")} <= set(COMMANDS)


@every_text
def test_what_is_looked_for_in_logs_is_logged(path: Path) -> None:
    searches = [line for line in text_of(path).splitlines() if "grep" in line and "jsonl" not in line]
    named = re.findall(r"action ([a-z_]+\.[a-z_]+)", text_of(path))
    named += [
        action
        for line in searches
        for action in re.findall(r"(?<![\w.-])([a-z_]+\.[a-z_]+)\b", line.split("grep", 1)[1])
    ]
    assert [action for action in named if action not in ACTIONS] == []


@every_runbook
def test_a_patch_is_a_valid_spec(path: Path) -> None:
    for patch in re.findall(r"--type=merge -p '(\{.*?\})'", path.read_text(encoding="utf-8")):
        document = {"apiVersion": names.GROUP + "/v1alpha1", "kind": "CrawlJob", "metadata": {"name": "a"}}
        parse_crawljob(json.dumps(document | json.loads(patch)), origin=path.name)


@every_runbook
def test_fields_that_are_read_are_of_the_crawljob(path: Path) -> None:
    text = "\n".join(line for line in path.read_text(encoding="utf-8").splitlines() if "get crawl " in line)
    fields = {
        "spec": {field.alias for field in Spec.model_fields.values()},
        "status": {field.alias for field in Status.model_fields.values()},
    }
    assert [found for found in re.findall(r"\{\.(spec|status)\.(\w+)", text) if found[1] not in fields[found[0]]] == []
    kinds = set(ConditionType.__args__)  # type: ignore[attr-defined]
    assert set(re.findall(r'@\.type=="(\w+)"', text)) <= kinds


@every_runbook
def test_pods_are_selected_by_labels_that_they_have(path: Path) -> None:
    known = {names.LABEL_JOB, "app.kubernetes.io/component"}
    assert set(re.findall(r" -l (\S+?)=", path.read_text(encoding="utf-8"))) <= known


@every_runbook
def test_metrics_it_names_are_exported(path: Path) -> None:
    exported = {each.name for group in metrics.GROUPS for each in group.declarations}
    assert set(re.findall(r"\bartistcrawl_\w+", path.read_text(encoding="utf-8"))) <= exported
