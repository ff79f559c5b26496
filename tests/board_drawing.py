"""The boards' own queries, sent as Grafana sends them, by the program that $ARTISTCRAWL_BOARD_DRAW names.

It is no part of the project: where it is not there its tests are skipped, and all else about boards is tested without.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_process import Prometheus


def drawing_program() -> str:
    """Where it is."""
    program = os.environ.get("ARTISTCRAWL_BOARD_DRAW")
    if not program:
        pytest.skip("ARTISTCRAWL_BOARD_DRAW names no program that draws boards")
    return program


def silent_panels(
    board: Path, server: Prometheus, *, postgres_url: str, from_s: float, scrape_s: int, **variables: str
) -> str:
    """What is wrong with a board on these servers, a line a panel without data or with a query that fails."""
    command = [drawing_program(), "check", str(board), "--strict", "--json", "--prometheus", server.url]
    command += ["--postgres", postgres_url, "--from", str(int(from_s * 1000)), "--to", "now"]
    command += ["--scrape-interval", f"{scrape_s}s"]
    for name, value in variables.items():
        command += ["--var", f"{name}={value}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in (0, 1), done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    wrong = [panel for panel in report["panels"] if panel.get("noData") or panel.get("error") or _errors(panel)]
    assert bool(wrong) == (done.returncode == 1), done.stdout
    return "\n".join(f"{panel['title']}: {_errors(panel) or panel.get('error') or 'no data'}" for panel in wrong)


def _errors(panel: dict[str, Any]) -> list[str]:
    return [query["error"] for query in panel.get("queries", []) if query.get("error")]
