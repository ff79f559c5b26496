"""A real Prometheus, for tests of boards and alerts: it scrapes what it is told, and answers queries.

    with prometheus(configuration(["127.0.0.1:9464"], rules=[...])) as server: server.query("up")

It needs the program on the PATH; where that is missing a test is skipped on a laptop and fails in CI. It refuses to
keep anything: its data goes with the block.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.processes.servers import free_port, server_folder, unavailable

START_S = 30.0
SCRAPE_S = 1
"""Seconds between two scrapes: a crawl in a test lasts a minute, not weeks."""

_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class QueryError(AssertionError):
    """Prometheus does not take the expression."""


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running server."""

    url: str

    def query(self, expression: str, *, at_s: float | None = None) -> list[dict[str, Any]]:
        """The series of an instant query; of a scalar, one without labels."""
        parameters = {"query": expression, **({} if at_s is None else {"time": str(at_s)})}
        result = self._get("/api/v1/query", parameters)["data"]
        if result["resultType"] == "scalar":
            return [{"metric": {}, "value": result["result"]}]
        series: list[dict[str, Any]] = result["result"]
        return series

    def reached(self, expression: str) -> list[dict[str, Any]]:
        """As query; nothing where the server does not answer yet."""
        try:
            return self.query(expression)
        except OSError:
            return []

    def value(self, expression: str) -> float | None:
        """Of the only series; None where there is none."""
        series = self.query(expression)
        assert len(series) <= 1, series
        return float(series[0]["value"][1]) if series else None

    def ranged(self, expression: str, *, from_s: float, to_s: float, step_s: float) -> list[dict[str, Any]]:
        """The series of a range query."""
        parameters = {"query": expression, "start": str(from_s), "end": str(to_s), "step": str(step_s)}
        series: list[dict[str, Any]] = self._get("/api/v1/query_range", parameters)["data"]["result"]
        return series

    def firing(self) -> set[str]:
        """Names of alerts that fire."""
        alerts = self._get("/api/v1/alerts", {})["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def until(self, condition: Callable[[], Any], what: str, *, timeout_s: float = 60.0) -> Any:
        """Poll until it holds; what it returned."""
        deadline_s = time.monotonic() + timeout_s
        while not (result := condition()):
            assert time.monotonic() < deadline_s, f"not within {timeout_s} s: {what}"
            time.sleep(0.2)
        return result

    def _get(self, path: str, parameters: dict[str, str]) -> dict[str, Any]:
        try:
            with _opener.open(f"{self.url}{path}?{urllib.parse.urlencode(parameters)}", timeout=30) as answer:
                body: dict[str, Any] = json.loads(answer.read())
                return body
        except urllib.error.HTTPError as error:
            with error:
                raise QueryError(f"{parameters.get('query')}: {json.loads(error.read()).get('error')}") from None


def configuration(targets: Sequence[str], *, rules: Sequence[Path] = (), scrape_s: int = SCRAPE_S) -> dict[str, Any]:
    """Prometheus's own configuration, as JSON (which is YAML)."""
    return {
        "global": {"scrape_interval": f"{scrape_s}s", "evaluation_interval": f"{scrape_s}s"},
        "rule_files": [str(rule) for rule in rules],
        "scrape_configs": [
            {"job_name": "artistcrawl", "honor_labels": True, "static_configs": [{"targets": list(targets)}]}
        ],
    }


def program(name: str) -> str:
    """Where it is; else this test cannot be run here."""
    path = shutil.which(name)
    if path is None:
        unavailable(f"{name} is not installed (Debian: apt-get install prometheus)")
    return str(path)


@contextmanager
def prometheus(config: dict[str, Any]) -> Iterator[Prometheus]:
    """Start it, wait until it answers, and end it with the block."""
    command = program("prometheus")
    with server_folder() as folder:
        file, port = folder / "prometheus.json", free_port()
        file.write_text(json.dumps(config))
        arguments = [f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}", "--log.level=warn"]
        arguments += [f"--web.listen-address=127.0.0.1:{port}"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([command, *arguments], stdout=log, stderr=log, cwd=folder)
        try:
            server = Prometheus(f"http://127.0.0.1:{port}")
            _wait_for(server, process, folder / "log")
            yield server
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.wait(20)


def _wait_for(server: Prometheus, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + START_S
    while True:
        with suppress(OSError), _opener.open(f"{server.url}/-/ready", timeout=5):
            return
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline_s, f"not within {START_S} s: {log.read_text()}"
        time.sleep(0.05)
