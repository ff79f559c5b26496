"""What alerts and their tests name is declared: a metric that is renamed would make an alert silent for ever."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from crawl_core.errors import LedgerUnavailableError, RedisUnavailableError
from crawl_core.metrics import definitions as metrics
from crawl_core.metrics.declared import Declaration
from crawl_core.metrics.labels import values_of
from crawl_core.spec import parse_crawljob, sections
from crawl_core.spec.status import ConditionType
from crawl_operator.observe.observer import trouble_of
from crawl_operator.values import names, reasons

RULES = Path(__file__).parents[2] / "grafana" / "rules"
every_rule = pytest.mark.parametrize("path", sorted(RULES.glob("*.yaml")), ids=lambda path: path.stem)

OF_THE_SCRAPE = {"pod", "instance", "job", "container", "node"}
OF_OTHERS = re.compile(r"up|ALERTS|process_\w+")
MATCHER = re.compile(r"""(\w+)\s*(=~|!~|!=|=)\s*(["'])(.*?)\3""")


def rule_in(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8"))["groups"][0]["rules"][0])


def declared() -> dict[str, tuple[Declaration, set[str]]]:
    """Every metric by its name, and the labels that its series have."""
    found = {}
    for group in metrics.GROUPS:
        served = set(group.served_with)
        if group is metrics.BACKENDS:
            served = {"namespace", "crawljob", "worker"}
        elif group is metrics.OPERATOR:
            served = {"namespace"}
        for each in group.declarations:
            found[each.name] = (each, served | set(each.labels) | OF_THE_SCRAPE)
    return found


def reasons_of_conditions() -> set[str]:
    """All of the operator's, and two of those that `observe` finds by itself."""
    said = {value for name, value in vars(reasons).items() if name.isupper() and isinstance(value, str)}
    job = parse_crawljob(
        '{"apiVersion": "artistcrawl.dev/v1alpha1", "kind": "CrawlJob", "metadata": {"name": "a"}}', origin=""
    )
    ledger = trouble_of(LedgerUnavailableError(""), job, names.POSTGRES_URL)
    redis = trouble_of(RedisUnavailableError(""), job, names.REDIS_URL)
    return said | reasons.NOTED_BY_WORKERS | {ledger.reason, redis.reason}


DECLARED = declared()
FREE = {
    (metrics.JOB_CONDITION.declaration.name, "type"): set(get_args(ConditionType)),
    (metrics.JOB_CONDITION.declaration.name, "status"): {"True", "False", "Unknown"},
    (metrics.JOB_CONDITION.declaration.name, "reason"): reasons_of_conditions() | {"BackendsSecretMissing"},
    (metrics.JOB_INFO.declaration.name, "source"): set(get_args(sections.Source.model_fields["type"].annotation)),
}


def selectors(text: str) -> Iterator[tuple[str, str]]:
    """Names of metrics, with what stands in the braces after them. Of a template only what it queries."""
    queried = [
        said for template in re.findall(r"\{\{.*?\}\}", text, re.DOTALL) for said in re.findall(r'"(.*?)"', template)
    ]
    plain = "\n".join([re.sub(r"\{\{.*?\}\}", " ", text, flags=re.DOTALL), *queried])
    for found in re.finditer(r"(?<![\w.-])(\w+)\{([^}]*)\}|(?<![\w.-])(artistcrawl_\w+)", plain):
        yield found[1] or found[3], found[2] or ""


def undeclared(text: str) -> list[str]:
    """What is named in it and declared nowhere: metrics, labels, values."""
    wrong = []
    for metric, matchers in selectors(text):
        if OF_OTHERS.fullmatch(metric):
            continue
        if metric not in DECLARED:
            wrong.append(metric)
            continue
        declaration, labels = DECLARED[metric]
        for label, operator, _, value in MATCHER.findall(matchers):
            values = value.split("|") if "~" in operator else [value]
            known = FREE.get((metric, label)) or set(values_of(declaration.labels.get(label, "")))
            if label not in labels:
                wrong.append(f"{metric}: label {label}")
            wrong += [f"{metric}: {label}={each}" for each in values if known and each not in known]
    return wrong


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("down{} + artistcrawl_job_progress", ["down", "artistcrawl_job_progress"]),
        ("artistcrawl_job_state{state=~'Frozen|Fine'}", ["artistcrawl_job_state: state=Fine"]),
        ('artistcrawl_job_state{worker="a"}', ["artistcrawl_job_state: label worker"]),
        ("artistcrawl_job_condition{reason='Tired'}", ["artistcrawl_job_condition: reason=Tired"]),
        ('{{ with query "artistcrawl_job_mood" }}{{ end }}', ["artistcrawl_job_mood"]),
    ],
)
def test_what_is_not_declared_is_found(text: str, wrong: list[str]) -> None:
    assert undeclared(text) == wrong


@every_rule
def test_a_rule_names_only_what_is_declared(path: Path) -> None:
    rule = rule_in(path)
    assert list(selectors(rule["expr"]))
    assert undeclared("\n".join([rule["expr"], *rule["annotations"].values()])) == []


@every_rule
def test_the_tests_of_a_rule_make_up_no_series(path: Path) -> None:
    tests = yaml.safe_load((RULES / "tests" / f"{path.stem}_test.yaml").read_text(encoding="utf-8"))["tests"]
    series = [each["series"] for test in tests for each in test["input_series"]]
    assert undeclared("\n".join(series)) == []


@every_rule
def test_a_counter_is_only_used_by_its_increase(path: Path) -> None:
    expression = rule_in(path)["expr"]
    for counter in {metric for metric, _ in selectors(expression) if metric.endswith("_total")}:
        used = len(re.findall(rf"\b{counter}\b", expression))
        assert len(re.findall(rf"\b(?:rate|increase)\(\s*{counter}\b", expression)) == used
