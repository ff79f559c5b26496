"""An operator of two namespaces, one of which is taken away from it and given back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from kubernetes import client
from support.processes.operator_process import Scene

GROUP = "rbac.authorization.k8s.io"
RULES = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]


def grant(namespace: str, scene: Scene) -> None:
    """A Role in a namespace for the service account of the scene's."""
    metadata = {"name": "operator", "namespace": namespace}
    role = {"apiVersion": f"{GROUP}/v1", "kind": "Role", "metadata": metadata, "rules": RULES}
    binding = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "subjects": [{"kind": "ServiceAccount", "name": "operator", "namespace": scene.namespace}],
        "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": "operator"},
    }
    items = {"apiVersion": "v1", "kind": "List", "items": [role, binding]}
    scene.server.kubectl("apply", "-f", "-", stdin=json.dumps(items))


@pytest.fixture
def account(scene: Scene) -> Path:
    """The kubeconfig of a service account without rights."""
    scene.kubectl("create", "serviceaccount", "operator")
    found = yaml.safe_load(scene.server.kubeconfig.read_text())
    found["users"] = [{"name": "operator", "user": {"token": scene.kubectl("create", "token", "operator").strip()}}]
    found["contexts"][0]["context"]["user"] = "operator"
    path = scene.folder / "of-account"
    path.write_text(yaml.safe_dump(found))
    return path


@pytest.fixture
def second(kube: client.ApiClient, scene: Scene) -> Iterator[str]:
    """One more namespace."""
    name = f"{scene.namespace}-2"
    api = client.CoreV1Api(kube)
    api.create_namespace({"metadata": {"name": name}})
    yield name
    api.delete_namespace(name)


def test_a_namespace_that_is_taken_away_costs_the_others_one_new_start(
    scene: Scene, second: str, account: Path
) -> None:
    for namespace in (scene.namespace, second):
        grant(namespace, scene)
    both = ("--namespaces", f"{scene.namespace},{second}")
    operator = scene.leader(*both, kubeconfig=account)
    scene.server.kubectl("-n", second, "delete", "rolebinding", "operator")
    assert operator.ended(60) == 1
    assert f"is namespace {second} gone?" in operator.lines("operator.ended")[0]["message"]

    operator = scene.leader(*both, kubeconfig=account)
    scene.apply()
    scene.wait("condition=Seeded")
    assert [line["namespace"] for line in operator.lines("namespace.refused")] == [second]

    grant(second, scene)
    assert operator.ended(60) == 1
    assert f"namespace {second} can be served again" in operator.lines("operator.ended")[0]["message"]
    assert scene.leader(*both, kubeconfig=account).did("operator.started")["namespaces"] == [scene.namespace, second]
