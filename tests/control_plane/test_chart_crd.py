"""The CRD in a release's life: installed, brought up to date by an upgrade, kept with its CrawlJobs afterwards."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client
from support.processes.api_server import ApiServer
from support.processes.servers import unavailable

CHART = Path(__file__).parents[2] / "charts" / "artistcrawl"
CRD_FILE = CHART / "files" / "crawljobs.artistcrawl.dev.yaml"
NAME = "crawljobs.artistcrawl.dev"
FORMER = "What the former version said of it."
Helm = Callable[..., str]


def description_of(crd: dict[str, Any]) -> str:
    """What the CRD says of itself: a text that a former version could have had otherwise."""
    return str(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["description"])


def installed(server: ApiServer) -> dict[str, Any]:
    """The CRD in the cluster."""
    return dict(json.loads(server.kubectl("get", "crd", NAME, "-o", "json").stdout))


@pytest.fixture
def former(tmp_path: Path) -> Path:
    """The chart with a CRD of an earlier version."""
    path = tmp_path / "former"
    shutil.copytree(CHART, path)
    crd = yaml.safe_load(CRD_FILE.read_text())
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["description"] = FORMER
    (path / "files" / CRD_FILE.name).write_text(yaml.safe_dump(crd))
    return path


@pytest.fixture
def helm(kube: client.ApiClient, control_plane: ApiServer, namespace: str) -> Iterator[Helm]:
    """Run Helm in the test's namespace."""

    def run(command: str, *arguments: str) -> str:
        try:
            done = subprocess.run(
                ["helm", command, namespace, *arguments, "-n", namespace],
                env=dict(control_plane.environment),
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
        except FileNotFoundError:
            unavailable("helm is not on PATH")
        assert done.returncode == 0, done.stderr
        return done.stdout

    yield run
    run("uninstall", "--ignore-not-found", "--no-hooks")


def test_an_upgrade_brings_the_crd_and_an_uninstall_leaves_it_with_its_crawljobs(
    control_plane: ApiServer, namespace: str, helm: Helm, former: Path
) -> None:
    # Taken over from the session's other tests, which share it, as from one who applied it by hand.
    helm("install", str(former), "--take-ownership")
    assert installed(control_plane)["metadata"]["labels"]["app.kubernetes.io/instance"] == namespace
    spec = {"suspend": True}
    job = {"apiVersion": "artistcrawl.dev/v1alpha1", "kind": "CrawlJob", "metadata": {"name": "kept"}, "spec": spec}
    control_plane.kubectl("-n", namespace, "apply", "-f", "-", stdin=json.dumps(job))
    helm("upgrade", str(CHART))
    now = description_of(installed(control_plane))
    # Without its hooks, whose pods need nodes.
    helm("uninstall", "--no-hooks")
    kept = control_plane.kubectl("-n", namespace, "get", "crawljob", "kept", "-o", "name").stdout
    assert (now, description_of(installed(control_plane))) == (
        description_of(yaml.safe_load(CRD_FILE.read_text())),
    ) * 2
    assert kept.strip() == "crawljob.artistcrawl.dev/kept"
