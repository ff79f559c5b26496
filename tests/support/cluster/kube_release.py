"""An installation in a namespace of its own: the chart in demo mode, as a user gets it, and ways into its backends."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.cluster.kube import Cluster, eventually, forwarded, run
from support.processes.sandbox_process import SandboxProcess

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts" / "artistcrawl"
CRD_FILE = ROOT / "k8s" / "crds" / "crawljobs.artistcrawl.dev.yaml"
NAME = "artistcrawl"
TAG = "dev"
ARTISTS = 2000
"""Of the sandbox's catalogue, seed 0: as its own default is."""


@dataclass(frozen=True)
class Release:
    """One installation."""

    cluster: Cluster
    namespace: str
    postgres_url: str
    sandbox: SandboxProcess

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout_s: float = 180) -> str:
        return self.cluster.kubectl("-n", self.namespace, *arguments, stdin=stdin, timeout_s=timeout_s)

    def get(self, *arguments: str) -> dict[str, Any]:
        return self.cluster.get("-n", self.namespace, *arguments)

    def pods(self, selector: str) -> list[dict[str, Any]]:
        """Pods that are not on their way out."""
        pods = self.get("pods", "-l", selector)["items"]
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def component(self, name: str) -> list[dict[str, Any]]:
        """The pods of operator, postgres, redis or sandbox."""
        return self.pods(f"app.kubernetes.io/instance={NAME},app.kubernetes.io/component={name}")

    def kill(self, pod: dict[str, Any]) -> None:
        """SIGKILL for the first process of each container: the kubelet starts it again in the same pod."""
        node, uid = pod["spec"]["nodeName"], pod["metadata"]["uid"]
        # One argument: of several filters ctr takes whatever fits any, which would be every container of the node.
        own = f'labels."io.kubernetes.pod.uid"=="{uid}",labels."io.cri-containerd.kind"=="container"'
        boxes = set(on_node(node, f"ctr -n k8s.io containers ls -q '{own}'").split())
        names = {status["containerID"].rpartition("/")[2] for status in pod["status"]["containerStatuses"]}
        # A pod that was killed before has its former, dead container as well.
        assert names <= boxes, f"{names} of {pod['metadata']['name']} are not among {boxes}"
        for box in names:
            on_node(node, f"ctr -n k8s.io tasks kill -s SIGKILL {box}")

    def upgrade(self, **values: str) -> None:
        """`helm upgrade` with other values; returns when it is rolled out."""
        install(self.cluster, self.namespace, values)

    def explain(self) -> str:
        """What a failed test needs to be understood."""
        return explain(self.cluster, self.namespace)


def explain(cluster: Cluster, namespace: str) -> str:
    """What a namespace looks like: pods, CrawlJobs, Events and logs."""
    looks = (
        ("get", "pods", "-o", "wide"),
        ("get", "crawljobs", "-o", "yaml"),
        ("get", "events", "--sort-by=.lastTimestamp"),
        ("logs", "-l", f"app.kubernetes.io/instance={NAME}", "--all-containers", "--prefix", "--tail=40"),
        ("logs", "-l", "artistcrawl.dev/crawljob", "--prefix", "--tail=40"),
    )
    sections = []
    for look in looks:
        try:
            text = cluster.kubectl("-n", namespace, *look)
        except AssertionError as error:
            text = str(error)
        sections.append(f"$ kubectl {' '.join(look)}\n{text[-8000:]}")
    return "\n\n".join(sections)


def on_node(node: str, script: str) -> str:
    """Run a script on a node, which is a container."""
    return run("docker", "exec", node, "bash", "-c", script)


LABEL = "artistcrawl-test"
"""On what a drain may evict: this installation's own workers and operators, not those of the tests beside."""


def values_of(cluster: Cluster, namespace: str) -> dict[str, Any]:
    """Backends and sandbox keep to the node that no test drains; PostgreSQL is the oldest that we promise."""
    backends_node = {"kubernetes.io/hostname": cluster.nodes[1]}
    return {
        "fullnameOverride": NAME,
        "crds": {"enabled": False},
        "image": {"tag": TAG},
        "podLabels": {LABEL: namespace},
        "worker": {"image": {"tag": TAG}, "labels": {LABEL: namespace}},
        "demo": {
            "enabled": True,
            "postgres": {"image": {"tag": "15"}, "persistence": {"fixOwner": True}, "nodeSelector": backends_node},
            "redis": {"nodeSelector": backends_node},
        },
        "sandbox": {"artists": ARTISTS, "limit": "none", "nodeSelector": backends_node},
    }


def install(cluster: Cluster, namespace: str, values: dict[str, str] | None = None) -> None:
    """Install or upgrade, and wait until all is ready."""
    changes = [part for key, value in (values or {}).items() for part in ("--set", f"{key}={value}")]
    options = ("--namespace", namespace, "--values", "-", *changes, "--wait", "--timeout", "180s")
    try:
        cluster.helm(
            "upgrade", "--install", NAME, str(CHART), *options, stdin=json.dumps(values_of(cluster, namespace))
        )
    except AssertionError as error:
        raise AssertionError(f"{error}\n{explain(cluster, namespace)}") from None


@contextmanager
def released(cluster: Cluster, namespace: str) -> Iterator[Release]:
    """Our CRD as it is in the tree, the chart in a new namespace, and ports to PostgreSQL and sandbox."""
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRD_FILE))
    cluster.kubectl("create", "namespace", namespace)
    try:
        install(cluster, namespace)
        with (
            forwarded(namespace, f"svc/{NAME}-postgres", 5432) as postgres,
            forwarded(namespace, f"svc/{NAME}-sandbox", 8080) as api,
        ):
            password = _secret(cluster, namespace, f"{NAME}-demo", "postgres-password")
            url = f"postgresql://artistcrawl:{password}@127.0.0.1:{postgres}/artistcrawl"
            yield Release(cluster, namespace, url, ForwardedSandbox(f"http://127.0.0.1:{api}"))
    finally:
        cluster.kubectl("delete", "crawljobs", "--all", "-n", namespace, "--wait=false")
        cluster.kubectl("delete", "namespace", namespace, "--wait=false")


def _secret(cluster: Cluster, namespace: str, name: str, key: str) -> str:
    data = cluster.get("-n", namespace, "secret", name)["data"]
    return base64.b64decode(data[key]).decode()


class ForwardedSandbox(SandboxProcess):
    """The sandbox's pages through a port; its process is none of ours. A broken connection is tried again."""

    def __init__(self, url: str) -> None:
        self.url = url

    def _call(self, path: str, data: bytes | None = None) -> bytes:
        answers: list[bytes] = []

        def asked() -> bool:
            try:
                answers.append(super(ForwardedSandbox, self)._call(path, data))
            except OSError:
                return False
            return True

        eventually(asked, f"the sandbox's {path}")
        return answers[0]
