"""Operators for tests: real processes against a real API server, to be killed, stopped and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from support.processes.api_server import ApiServer
from support.proofs.scrapes import Scrape, scrape


def eventually(condition: Callable[[], Any], what: str, *, timeout_s: float = 30, explain: str = "") -> Any:
    """Wait until a condition says something true, and return that."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        if result := condition():
            return result
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"{what}: not within {timeout_s} s{explain}")
        time.sleep(0.1)


@dataclass
class OperatorProcess:
    """One `artistcrawl operator`, and its log."""

    process: subprocess.Popen[bytes]
    log: Path

    def lines(self, action: str = "") -> list[dict[str, Any]]:
        """What it logged, of one action if named."""
        records = []
        for line in self.log.read_text().splitlines():
            with suppress(ValueError):
                records.append(json.loads(line))
        return [line for line in records if not action or line.get("action") == action]

    def did(self, action: str, *, times: int = 1, timeout_s: float = 30) -> dict[str, Any]:
        """Wait until an action was logged that often; the line."""
        eventually(
            lambda: len(self.lines(action)) >= times or self.process.poll() is not None,
            action,
            timeout_s=timeout_s,
            explain=f"\n{self.log.read_text()[-3000:]}",
        )
        records = self.lines(action)
        assert len(records) >= times, f"it ended without {action}:\n{self.log.read_text()[-3000:]}"
        return records[times - 1]

    @property
    def port(self) -> int:
        """Of its probes."""
        return int(self.did("probes.serving")["port"])

    def scraped(self) -> Scrape:
        """Its metrics now."""
        return scrape(f"http://127.0.0.1:{self.did('metrics.serving')['port']}/metrics")

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def pause(self) -> None:
        """SIGSTOP."""
        self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        """SIGCONT."""
        self.process.send_signal(signal.SIGCONT)

    def stop(self, timeout_s: float = 20) -> int:
        """SIGTERM; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout_s)

    def ended(self, timeout_s: float = 30) -> int:
        """Wait until it has ended by itself; its exit status."""
        return self.process.wait(timeout_s)


@dataclass
class Scene:
    """A namespace with backends, and the operators that serve it."""

    server: ApiServer
    namespace: str
    postgres_url: str
    redis_url: str
    folder: Path
    operators: list[OperatorProcess] = field(default_factory=list)

    def operator(self, *flags: str, kubeconfig: Path | None = None) -> OperatorProcess:
        """Start one more operator."""
        log = self.folder / f"operator-{len(self.operators)}.jsonl"
        command = [sys.executable, "-m", "crawl_worker.cli", "operator", "--namespaces", self.namespace]
        command += ["--lease-namespace", self.namespace, "--worker-image", "artistcrawl/worker:test"]
        command += ["--sandbox-url", "http://sandbox.invalid:8080", "--probe-port", "0", "--metrics-port", "0"]
        command += flags
        environment = {**self.server.environment, "KUBECONFIG": str(kubeconfig or self.server.kubeconfig)}
        with log.open("wb") as stream:
            process = subprocess.Popen(command, stdout=stream, stderr=stream, start_new_session=True, env=environment)
        started = OperatorProcess(process, log)
        self.operators.append(started)
        return started

    def leader(self, *flags: str, kubeconfig: Path | None = None) -> OperatorProcess:
        """Start an operator and wait until it leads and has seen what there is."""
        started = self.operator(*flags, kubeconfig=kubeconfig)
        started.did("lease.acquired")
        started.did("watches.complete")
        return started

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """Run kubectl in the namespace; what it printed."""
        return self.server.kubectl("-n", self.namespace, *arguments, stdin=stdin, check=check).stdout

    def apply(self, spec: dict[str, Any] | None = None, *, name: str = "artists", **metadata: Any) -> None:
        """Apply a CrawlJob, small unless the spec says otherwise."""
        whole = {"keyspace": {"minLength": 1, "maxLength": 1}, **(spec or {})}
        data = {
            "apiVersion": "artistcrawl.dev/v1alpha1",
            "kind": "CrawlJob",
            "metadata": {"name": name, **metadata},
            "spec": whole,
        }
        self.kubectl("apply", "-f", "-", stdin=json.dumps(data))

    def backends(self, name: str = "artistcrawl-backends") -> None:
        """Make the Secret that says where ledger and Redis are."""
        self.kubectl(
            "create",
            "secret",
            "generic",
            name,
            f"--from-literal=postgres-url={self.postgres_url}",
            f"--from-literal=redis-url={self.redis_url}",
        )

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """An object; {} where there is none."""
        text = self.kubectl("get", kind, name, "-o", "json", "--ignore-not-found", check=False)
        return dict(json.loads(text)) if text.strip() else {}

    def deployment(self, name: str = "artists") -> dict[str, Any]:
        """The CrawlJob's Deployment; {} where there is none."""
        selector = f"artistcrawl.dev/crawljob={name}"
        items = json.loads(self.kubectl("get", "deployments", "-l", selector, "-o", "json"))["items"]
        return dict(items[0]) if items else {}

    def wait(self, condition: str, *, name: str = "artists", timeout_s: int = 30) -> None:
        """kubectl wait, as a user would."""
        waited = self.server.kubectl(
            "-n",
            self.namespace,
            "wait",
            f"crawljob/{name}",
            f"--for={condition}",
            f"--timeout={timeout_s}s",
            check=False,
        )
        assert waited.returncode == 0, f"{waited.stderr}\n{self.explain()}"

    def until(self, condition: Callable[[], Any], what: str, *, timeout_s: float = 30) -> Any:
        """Wait for something in the cluster or the ledger."""
        try:
            return eventually(condition, what, timeout_s=timeout_s)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.explain()}") from error

    def value(self, statement: str) -> Any:
        """The first value of a query on the ledger; None before there is a schema."""
        try:
            with psycopg.connect(self.postgres_url, connect_timeout=5) as connection:
                row = connection.execute(statement.encode()).fetchone()
        except psycopg.errors.UndefinedTable:
            return None
        return row[0] if row else None

    def explain(self) -> str:
        """What the CrawlJobs say, and what the operators logged last."""
        crawljobs = self.kubectl("get", "crawljobs", "-o", "yaml", check=False)[-4000:]
        return "\n".join(
            [crawljobs, *(f"{operator.log.name}: {operator.log.read_text()[-2500:]}" for operator in self.operators)]
        )


@contextmanager
def operated(server: ApiServer, namespace: str, postgres_url: str, redis_url: str, folder: Path) -> Iterator[Scene]:
    """A namespace with the Secret of its backends; its operators are ended afterwards."""
    scene = Scene(server, namespace, postgres_url, redis_url, folder)
    scene.backends()
    try:
        yield scene
    finally:
        for operator in scene.operators:
            with suppress(ProcessLookupError):
                os.kill(operator.process.pid, signal.SIGCONT)
            operator.process.terminate()
        for operator in scene.operators:
            try:
                operator.process.wait(15)
            except subprocess.TimeoutExpired:
                operator.process.kill()
                operator.process.wait(10)
        # CrawlJobs with a finalizer would keep the namespace for ever, now that nobody takes it away.
        patch = '{"metadata":{"finalizers":null}}'
        for name in scene.kubectl("get", "crawljobs", "-o", "name", check=False).split():
            scene.kubectl("patch", name, "--type=merge", "-p", patch, check=False)
