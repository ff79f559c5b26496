"""Alerts, tried by Prometheus's own tool, and the queries of their runbooks, asked of a real ledger."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import psycopg
import pytest
from support.processes.servers import unavailable

GRAFANA = Path(__file__).parents[2] / "grafana"
RULES = sorted((GRAFANA / "rules").glob("*.yaml"))
TESTS = sorted((GRAFANA / "rules" / "tests").glob("*.yaml"))
QUERIES = [
    (path.stem, query)
    for path in sorted((GRAFANA / "runbooks").glob("*.md"))
    for query in re.findall(r'artistcrawl psql -c "(.*)"', path.read_text(encoding="utf-8"))
]


@pytest.fixture(scope="session")
def promtool() -> str:
    """Prometheus's tool for rules."""
    found = shutil.which("promtool")
    if found is None:
        unavailable("promtool is not installed: it comes with Prometheus, in Debian by: apt install prometheus")
    return str(found)


def answer(*command: str) -> tuple[int, str]:
    """The status, and all that was said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_prometheus_accepts_the_rules(promtool: str) -> None:
    status, said = answer(promtool, "check", "rules", *map(str, RULES))
    assert status == 0, said
    assert said.count("SUCCESS: 1 rules found") == len(RULES)


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_an_alert_fires_when_it_should_and_only_then(promtool: str, path: Path) -> None:
    status, said = answer(promtool, "test", "rules", str(path))
    assert status == 0, said


def test_the_tool_tells_of_an_alert_that_should_not_fire(promtool: str, tmp_path: Path) -> None:
    """Else the tests above could not fail."""
    shutil.copytree(GRAFANA / "rules", tmp_path / "rules")
    rule = tmp_path / "rules" / "ArtistcrawlWorkersNotReady.yaml"
    rule.write_text(rule.read_text(encoding="utf-8").replace("for: 10m", "for: 1m"), encoding="utf-8")
    status, said = answer(
        promtool, "test", "rules", str(tmp_path / "rules" / "tests" / "ArtistcrawlWorkersNotReady_test.yaml")
    )
    assert status != 0
    assert "FAILED" in said


@pytest.mark.parametrize(("runbook", "query"), QUERIES)
def test_a_query_of_a_runbook_is_answered(ledger_url: str, runbook: str, query: str) -> None:
    with psycopg.connect(ledger_url) as connection:
        assert connection.execute(query).description  # type: ignore[arg-type]
