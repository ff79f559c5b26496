"""A cluster with nodes, as cluster tests use it: kubectl, helm, its worker nodes, and ports that come back.

It is the one that $KUBECONFIG names; whoever runs these tests has loaded our images there (`make e2e`, .ci/run). It
refuses to choose a cluster by itself, for nodes are drained and killed here.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from support.processes.servers import unavailable

POLL_S = 0.2


class Cluster:
    """kubectl and helm on one cluster."""

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout_s: float = 180) -> str:
        """What kubectl prints; its own words are the failure's."""
        return run("kubectl", *arguments, stdin=stdin, timeout_s=timeout_s)

    def get(self, *arguments: str) -> dict[str, Any]:
        """One object, or a list of them."""
        answer: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "-o", "json"))
        return answer

    def helm(self, *arguments: str, stdin: str | None = None) -> str:
        return run("helm", *arguments, stdin=stdin, timeout_s=300)

    @cached_property
    def nodes(self) -> tuple[str, str]:
        """Two nodes for pods: the first may be drained or killed, the second keeps the backends."""
        workers = self.get("nodes", "-l", "!node-role.kubernetes.io/control-plane")["items"]
        if len(workers) < 2:
            unavailable(f"{len(workers)} worker nodes; these tests need 2 (k8s/kind/cluster.yaml has them)")
        return workers[0]["metadata"]["name"], workers[1]["metadata"]["name"]


def run(*command: str, stdin: str | None = None, timeout_s: float = 180) -> str:
    """Run a program to its end; a failure says what it said."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, f"{shlex.join(command)}: {done.stderr}{done.stdout}"
    return done.stdout


def connect() -> Cluster:
    """The cluster of $KUBECONFIG."""
    if not os.environ.get("KUBECONFIG"):
        unavailable("KUBECONFIG names no cluster; run: make e2e")
    cluster = Cluster()
    try:
        cluster.kubectl("get", "--raw", "/readyz")
    except (AssertionError, OSError) as error:
        unavailable(f"no cluster answers: {error}")
    return cluster


def eventually(condition: Callable[[], Any], what: str, *, timeout_s: float = 90) -> Any:
    """Wait until a condition says something true, and return that."""
    deadline_s = time.monotonic() + timeout_s
    while not (result := condition()):
        assert time.monotonic() < deadline_s, f"not within {timeout_s} s: {what}"
        time.sleep(POLL_S)
    return result


@contextmanager
def forwarded(namespace: str, target: str, port: int) -> Iterator[int]:
    """A local port that leads to a service's, and again when the pod behind it was replaced."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        local = int(probe.getsockname()[1])
    again = f"while :; do kubectl -n {namespace} port-forward {target} {local}:{port}; sleep 0.3; done"
    process = subprocess.Popen(
        ["bash", "-c", again], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        eventually(lambda: _listens(local), f"port-forward to {target}")
        yield local
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
