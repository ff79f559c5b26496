"""What reaches the operator: at once after its start, and after every way in which a watch can end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from support.processes.operator_process import Scene
from support.processes.tcp_proxy import TcpProxy

WITHIN_S = 25.0
"""Seconds in which a slow and busy machine has the first event; a common one has it in five."""

RULES = [
    {"apiGroups": ["artistcrawl.dev"], "resources": ["crawljobs"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "patch"]},
]


@pytest.fixture
def proxy(scene: Scene) -> Iterator[TcpProxy]:
    address = urlsplit(yaml.safe_load(scene.server.kubeconfig.read_text())["clusters"][0]["cluster"]["server"])
    with TcpProxy((str(address.hostname), int(address.port or 443))) as found:
        yield found


def kubeconfig_by(proxy: TcpProxy, scene: Scene) -> Path:
    """The kubeconfig, with a proxy on the way."""
    found = yaml.safe_load(scene.server.kubeconfig.read_text())
    found["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{proxy.port}"
    path = scene.folder / "by-proxy"
    path.write_text(yaml.safe_dump(found))
    return path


def kubeconfig_of(rules: list[dict[str, list[str]]], scene: Scene) -> Path:
    """The kubeconfig of a service account with a Role in the namespace, and nothing else."""
    account = f"system:serviceaccount:{scene.namespace}:operator"
    scene.kubectl("create", "serviceaccount", "operator")
    metadata = {"name": "operator", "namespace": scene.namespace}
    api = "rbac.authorization.k8s.io/v1"
    subjects = [{"kind": "ServiceAccount", **metadata}]
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "operator"}
    role = {"apiVersion": api, "kind": "Role", "metadata": metadata, "rules": rules}
    binding = {
        "apiVersion": api,
        "kind": "RoleBinding",
        "metadata": metadata,
        "subjects": subjects,
        "roleRef": reference,
    }
    scene.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": [role, binding]}))
    found = yaml.safe_load(scene.server.kubeconfig.read_text())
    token = scene.kubectl("create", "token", "operator").strip()
    found["users"] = [{"name": account, "user": {"token": token}}]
    found["contexts"][0]["context"]["user"] = account
    path = scene.folder / "of-role"
    path.write_text(yaml.safe_dump(found))
    return path


def test_with_a_role_in_one_namespace_the_first_event_is_there_soon(scene: Scene) -> None:
    scene.apply()
    operator = scene.operator(kubeconfig=kubeconfig_of(RULES, scene))
    started = operator.did("operator.started")
    complete = operator.did("watches.complete")
    assert (complete["crawljobs"], complete["time"] - started["time"] < WITHIN_S) == (1, True)


def test_without_a_role_it_ends_and_says_what_to_write(scene: Scene) -> None:
    operator = scene.operator(kubeconfig=kubeconfig_of(RULES[1:], scene))
    assert operator.ended() == 78
    said = operator.lines("operator.misconfigured")[0]["message"]
    assert f"may not list crawljobs in namespace {scene.namespace}" in said
    assert "resources [crawljobs], verbs [get, list, watch]" in said


def test_without_the_lease_it_ends_and_says_what_to_write(scene: Scene) -> None:
    operator = scene.operator(kubeconfig=kubeconfig_of(RULES[:2], scene))
    assert operator.ended() == 78
    assert "leases" in operator.lines("operator.misconfigured")[0]["message"]


def test_without_a_cluster_it_ends_and_says_what_to_write(scene: Scene) -> None:
    operator = scene.operator(kubeconfig=scene.folder / "nowhere")
    assert operator.ended() == 78
    assert "KUBECONFIG" in operator.lines("operator.misconfigured")[0]["message"]


def test_watches_that_are_cut_go_on(scene: Scene, proxy: TcpProxy) -> None:
    operator = scene.leader(kubeconfig=kubeconfig_by(proxy, scene))
    for name in ("one", "two", "three"):
        proxy.cut()
        scene.apply(name=name)
        scene.wait("condition=Seeded", name=name)
    assert operator.process.poll() is None


def test_an_api_server_that_was_away_is_found_again(scene: Scene, proxy: TcpProxy) -> None:
    operator = scene.leader(kubeconfig=kubeconfig_by(proxy, scene))
    proxy.refuse(True)
    operator.did("lease.lost")
    scene.apply()
    proxy.refuse(False)
    operator.did("lease.acquired", times=2, timeout_s=60)
    scene.wait("condition=Seeded", timeout_s=60)
    assert [line for line in operator.lines() if line["level"] == "error" and line["logger"].startswith("kopf")] == []


def test_an_api_server_that_falls_silent_costs_the_lead_in_time(scene: Scene, proxy: TcpProxy) -> None:
    operator = scene.leader(kubeconfig=kubeconfig_by(proxy, scene))
    proxy.blackhole(True)
    operator.did("lease.lost")
    proxy.blackhole(False)
    operator.did("lease.acquired", times=2, timeout_s=60)
