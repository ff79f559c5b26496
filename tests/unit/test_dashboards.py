"""The committed boards: as they are generated, complete, and about metrics and words that there are."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from support.proofs.boards import panels

from crawl_core.metrics import definitions
from crawl_core.metrics.declared import Declaration
from crawl_core.metrics.labels import values_of

GRAFANA = Path(__file__).parents[2] / "grafana"
PATHS = sorted((GRAFANA / "dashboards").glob("*.json"))
BOARDS = {path.stem: json.loads(path.read_text()) for path in PATHS}
RULES = [
    rule
    for path in (GRAFANA / "rules").glob("*.yaml")
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
]
DECLARED = {each.name: each for group in definitions.GROUPS for each in group.declarations}
OF_SCRAPE = {"job", "instance"}
SERVED_WITH = {each.name: set(group.served_with) for group in definitions.GROUPS for each in group.declarations}
OF_WORKERS = {"namespace", "crawljob", "worker"}
"""Labels of what a worker serves: its own metrics, its connections and its process's."""

FOREIGN = {"ALERTS", "ALERTS_FOR_STATE"}
ALERT_LABELS = {"alertname", "alertstate", "severity", "namespace", "crawljob"}
PROMQL_WORDS = {
    "sum", "max", "min", "avg", "count", "count_values", "group", "topk", "and", "or", "unless", "bool", "time", "rate",
    "increase", "changes", "histogram_quantile", "label_replace",
}  # fmt: skip


class Target(NamedTuple):
    """A query of a panel."""

    board: str
    panel: dict[str, Any]
    target: dict[str, Any]

    @property
    def expr(self) -> str:
        return self.target.get("expr", "")


TARGETS = [
    Target(name, panel, target)
    for name, board in BOARDS.items()
    for panel in panels(board)
    for target in panel["targets"]
]
PROMQL = [each for each in TARGETS if each.expr]


def promql_of(board: str) -> Iterator[Target]:
    yield from (each for each in PROMQL if each.board == board)


def where(each: Target) -> str:
    return f"{each.board}: {each.panel['title']} {each.target['refId']}"


def metric_of(name: str) -> Declaration | None:
    """The declaration of a series' name."""
    return DECLARED.get(name) or DECLARED.get(re.sub(r"_(bucket|sum|count)$", "", name))


def selectors(expr: str) -> Iterator[tuple[str, str]]:
    """(name of the series, its matchers) of all that an expression reads."""
    for found in re.finditer(r"\b(artistcrawl_\w+|process_\w+|ALERTS\w*)\b(?:\{([^}]*)\})?", expr):
        yield found[1], found[2] or ""


def matchers(text: str) -> Iterator[tuple[str, list[str]]]:
    """(label, the values that are named) of each matcher."""
    for label, operator, value in re.findall(r'(\w+)(=~|!~|!=|=)"([^"]*)"', text):
        yield label, value.split("|") if "~" in operator else [value]


def labels_of(name: str) -> set[str]:
    """The labels that a series of this name may have."""
    if name in FOREIGN:
        return ALERT_LABELS
    declaration = metric_of(name)
    if declaration is None:
        return OF_SCRAPE | OF_WORKERS
    own = set(declaration.labels) | ({"le"} if declaration.kind == "histogram" else set())
    connections = OF_WORKERS if declaration in definitions.BACKENDS.declarations else set()
    return own | OF_SCRAPE | connections | SERVED_WITH[declaration.name]


# --- As a whole -------------------------------------------------------------------------------------------------------


def test_the_boards_are_what_is_generated(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "grafana.boards", str(tmp_path)]
    subprocess.run(command, cwd=GRAFANA.parent, check=True)  # python -m grafana.boards mends it
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in PATHS
    }


def test_the_boards_keep_their_addresses() -> None:
    assert {name: board["uid"] for name, board in BOARDS.items()} == {
        "crawl": "artistcrawl-crawl",
        "workers": "artistcrawl-workers",
        "operator": "artistcrawl-operator",
    }


def test_each_board_leads_to_the_others_with_its_variables_and_time_and_to_the_runbooks() -> None:
    uids = {board["uid"] for board in BOARDS.values()}
    for board in BOARDS.values():
        kept = {link["url"] for link in board["links"] if link["includeVars"] and link["keepTime"]}
        assert kept == {f"/d/{uid}" for uid in uids - {board["uid"]}}
        assert "${runbooks}" in {link["url"] for link in board["links"]}


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_the_panels_of_a_board_have_their_own_numbers(board: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in board["panels"]]
    assert sorted(set(ids)) == sorted(ids)


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_the_panels_of_a_board_leave_no_gap_and_cover_none(board: dict[str, Any]) -> None:
    places = [panel["gridPos"] for panel in board["panels"]]
    covered = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    height = max(place["y"] + place["h"] for place in places)
    assert sorted(covered) == [(x, y) for x in range(24) for y in range(height)]


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_alerts_come_first(board: dict[str, Any]) -> None:
    assert "ALERTS" in board["panels"][0]["targets"][0]["expr"]


# --- Panels -----------------------------------------------------------------------------------------------------------


def test_every_panel_says_what_it_means_and_what_it_means_when_it_is_empty() -> None:
    silent = [
        f"{name}: {panel.get('title')}"
        for name, board in BOARDS.items()
        for panel in panels(board)
        if not (panel.get("title") and panel.get("description") and panel["fieldConfig"]["defaults"].get("noValue"))
    ]
    assert silent == []


def test_every_panel_asks_a_data_source_that_the_board_lets_people_choose() -> None:
    for name, board in BOARDS.items():
        chosen = {
            f"${{{each['name']}}}": each["query"]
            for each in board["templating"]["list"]
            if each["type"] == "datasource"
        }
        for panel in panels(board):
            for source in (panel["datasource"], *(target["datasource"] for target in panel["targets"])):
                assert chosen.get(source["uid"]) == source["type"], f"{name}: {panel['title']}"


def test_every_line_of_a_graph_has_a_name() -> None:
    kinds = {"timeseries", "state-timeline", "heatmap"}
    assert [where(each) for each in PROMQL if each.panel["type"] in kinds and not each.target["legendFormat"]] == []


@pytest.mark.parametrize("board", BOARDS)
def test_a_line_is_named_by_labels_that_it_has(board: str) -> None:
    for each in promql_of(board):
        named = set(re.findall(r"\{\{(\w+)\}\}", each.target["legendFormat"]))
        kept = {label.strip() for labels in re.findall(r"\bby \(([^)]*)\)", each.expr) for label in labels.split(",")}
        # What is not aggregated keeps its labels.
        assert named <= (kept or labels_of(next(selectors(each.expr))[0])), where(each)


def test_red_is_for_what_needs_a_person() -> None:
    """Grafana's own names of colours say nothing here; the one red has a few uses, all of them meant."""
    for path in PATHS:
        assert not re.search(
            r'"(dark-|light-|semi-dark-|super-light-)?(red|orange|yellow|green|blue|purple)"', path.read_text()
        )


# --- PromQL -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("board", BOARDS)
def test_an_expression_reads_declared_series_by_their_labels(board: str) -> None:
    for each in promql_of(board):
        for name, text in selectors(each.expr):
            assert name in FOREIGN or name.startswith("process_") or metric_of(name), f"{where(each)}: no {name}"
            for label, values in matchers(text):
                assert label in labels_of(name), f"{name} has no label {label}"
                declaration = metric_of(name)
                known = values_of(declaration.labels.get(label, "")) if declaration else []
                assert not known or set(values) <= set(known), f"{label} of {name} is one of {known}"


@pytest.mark.parametrize("board", BOARDS)
def test_an_expression_aggregates_by_labels_that_there_are(board: str) -> None:
    for each in promql_of(board):
        there = set().union(*(labels_of(name) for name, _ in selectors(each.expr)))
        made = set(re.findall(r'(?:count_values by \([^)]*\) \(|, )"(\w+)", ', each.expr))
        for labels in re.findall(r"\b(?:by|on|ignoring|group_left) \(([^)]*)\)", each.expr):
            assert {label.strip() for label in labels.split(",") if label.strip()} <= there | made, where(each)


@pytest.mark.parametrize("board", BOARDS)
def test_an_expression_has_no_other_words_than_promql_has(board: str) -> None:
    for each in promql_of(board):
        rest = re.sub(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(?:by|on|ignoring|group_left) \([^)]*\)', " ", each.expr)
        words = set(re.findall(r"[A-Za-z_]\w*", rest)) - {name for name, _ in selectors(each.expr)}
        assert words <= PROMQL_WORDS, where(each)


@pytest.mark.parametrize("board", BOARDS)
def test_counters_are_read_as_rates_and_gauges_are_not(board: str) -> None:
    for each in promql_of(board):
        reading = re.compile(r"\b(?:(rate|increase)\()?(artistcrawl_\w+|process_\w+)\b")
        for function, name in reading.findall(each.expr):
            declaration = metric_of(name)
            counted = declaration.kind != "gauge" if declaration else name.endswith("_total")
            assert bool(function) == counted, f"{where(each)}: {name}"


@pytest.mark.parametrize("board", BOARDS)
def test_a_span_of_time_follows_the_board(board: str) -> None:
    for each in promql_of(board):
        assert set(re.findall(r"\[([^\]]+)\]", each.expr)) <= {"$__rate_interval", "$__range"}, where(each)


def test_what_is_shown_of_a_crawljob_is_of_the_one_chosen() -> None:
    """But for the budget, which all CrawlJobs on a bucket share."""
    shared = {"artistcrawl_limiter_arrivals_total", "artistcrawl_bucket_limit_requests"}
    for each in (*promql_of("crawl"), *promql_of("workers")):
        for name, text in selectors(each.expr):
            chosen = 'namespace="$namespace", crawljob="$crawljob"' in text
            assert chosen or name in shared or (name in FOREIGN and 'crawljob=""' in text), f"{where(each)}: {name}"


# --- SQL --------------------------------------------------------------------------------------------------------------


def test_every_query_in_sql_is_a_file_without_its_header_and_every_file_is_shown() -> None:
    files = {
        re.sub(r"\A(--[^\n]*\n|\s*\n)*", "", path.read_text()).strip().rstrip(";")
        for path in (GRAFANA / "boards" / "sql").glob("*.sql")
    }
    assert {each.target["rawSql"] for each in TARGETS if "rawSql" in each.target} == files


# --- Words ------------------------------------------------------------------------------------------------------------


def words_on(board: str, title: str) -> list[str]:
    """The words that a panel makes of numbers, in the numbers' order."""
    (panel,) = (panel for panel in panels(BOARDS[board]) if panel["title"] == title)
    options = panel["fieldConfig"]["defaults"]["mappings"][0]["options"]
    return [options[number]["text"] for number in sorted(options, key=int)]


def states(declaration: Declaration) -> list[str]:
    return values_of(declaration.labels["state"])


@pytest.mark.parametrize("title", ["State", "State over time"])
def test_a_crawljobs_states_are_said_in_the_words_of_its_status(title: str) -> None:
    assert words_on("crawl", title) == states(definitions.JOB_STATE.declaration)


def test_a_workers_states_are_said_in_the_words_of_its_metric() -> None:
    assert words_on("workers", "What each worker did") == states(definitions.WORKER_STATE.declaration)


@pytest.mark.parametrize("each", [each for each in PROMQL if " * (artistcrawl" in each.expr], ids=where)
def test_each_state_is_coded_as_its_place(each: Target) -> None:
    coded = re.findall(r'(\d+) \* \((artistcrawl_(?:job|worker)_state)\{[^}]*state="(\w+)"\} == 1\)', each.expr)
    (name,) = {name for _, name, _ in coded}
    assert [(int(place), word) for place, _, word in coded] == list(enumerate(states(DECLARED[name]), start=1))


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_every_alert_is_said_in_words(board: dict[str, Any]) -> None:
    (said,) = (
        each["properties"]
        for each in board["panels"][0]["fieldConfig"]["overrides"]
        if each["matcher"]["options"] == "What is wrong"
    )
    (words,) = (each["value"][0]["options"] for each in said if each["id"] == "mappings")
    assert sorted(words) == sorted(rule["alert"] for rule in RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_leads_to_the_runbook_that_the_boards_lead_to(rule: dict[str, Any]) -> None:
    (where_they_are,) = {
        each["query"] for board in BOARDS.values() for each in board["templating"]["list"] if each["name"] == "runbooks"
    }
    assert rule["annotations"]["runbook_url"] == f"{where_they_are}/{rule['alert']}.md"
