"""The boards' own queries, sent as Grafana sends them, by the program that $ARTISTCRAWL_BOARD_DRAW names.

It is no part of the project: where it is not there its tests are skipped, and all else about boards is tested without.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from support.processes.prometheus_process import Prometheus


def drawing_program() -> str:
    """Where it is."""
    program = os.environ.get("ARTISTCRAWL_BOARD_DRAW")
    if not program:
        pytest.skip("ARTISTCRAWL_BOARD_DRAW names no program that draws boards")
    return program


SCRAPE_S = 8
"""What Grafana would be told, though tests scrape each second: rates are then over 32 s, in which a process that died
is back, and points are 8 s apart."""
PATIENCE_S = 40.0
"""The last thing that happened may lie behind the last point: then the next one shows it."""


def silent_panels(board: Path, server: Prometheus, *, postgres_url: str, from_s: float, **variables: str) -> str:
    """What is wrong with a board on these servers, a line a panel without data or with a query that fails."""
    deadline_s = time.monotonic() + PATIENCE_S
    while (wrong := _looked_at(board, server, postgres_url, from_s, variables)) and time.monotonic() < deadline_s:
        time.sleep(1)
    return wrong


def _looked_at(board: Path, server: Prometheus, postgres_url: str, from_s: float, variables: dict[str, str]) -> str:
    command = [drawing_program(), "check", str(board), "--strict", "--json", "--prometheus", server.url]
    command += ["--postgres", postgres_url, "--from", str(int(from_s * 1000)), "--to", "now"]
    command += ["--scrape-interval", f"{SCRAPE_S}s"]
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
