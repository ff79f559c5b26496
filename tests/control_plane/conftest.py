"""What tests against a real API server share: the server, our CRD on it, and a namespace for each test."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, config
from support.processes.api_server import ApiServer, api_server
from support.processes.operator_process import Scene, operated

CRD_FILE = Path(__file__).parents[2] / "k8s" / "crds" / "crawljobs.artistcrawl.dev.yaml"
CRAWLJOBS = ("artistcrawl.dev", "v1alpha1")
ESTABLISHED_WITHIN_S = 30


def pytest_itemcollected(item: pytest.Item) -> None:
    """All tests of this folder need an API server."""
    item.add_marker(pytest.mark.control_plane)


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ApiServer]:
    """The API server, its kubeconfig and kubectl."""
    with api_server() as server:
        yield server


@pytest.fixture(scope="session")
def install_crd(bare_kube: client.ApiClient) -> Callable[[dict[str, Any]], None]:
    """Apply a CRD and wait until its objects can be made."""

    def install(crd: dict[str, Any]) -> None:
        api, name = client.ApiextensionsV1Api(bare_kube), crd["metadata"]["name"]
        api.patch_custom_resource_definition(
            name, crd, field_manager="tests", force=True, _content_type="application/apply-patch+yaml"
        )
        give_up = time.monotonic() + ESTABLISHED_WITHIN_S
        while not _established(api.read_custom_resource_definition(name)):
            assert time.monotonic() < give_up, f"{name} is not established"
            time.sleep(0.1)

    return install


def _established(crd: client.V1CustomResourceDefinition) -> bool:
    conditions = (crd.status.conditions if crd.status else None) or []
    return any(condition.type == "Established" and condition.status == "True" for condition in conditions)


@pytest.fixture(scope="session")
def bare_kube(control_plane: ApiServer) -> Iterator[client.ApiClient]:
    """A client, whether our CRD is there or not."""
    with config.new_client_from_config(config_file=str(control_plane.kubeconfig)) as api:
        yield api


@pytest.fixture(scope="session")
def kube(bare_kube: client.ApiClient, install_crd: Callable[[dict[str, Any]], None]) -> client.ApiClient:
    """A client of an API server that has the newest CRD."""
    install_crd(yaml.safe_load(CRD_FILE.read_text()))
    return bare_kube


@pytest.fixture
def namespace(kube: client.ApiClient) -> Iterator[str]:
    """A namespace of this test's own. Its end is asked for, not waited for."""
    api = client.CoreV1Api(kube)
    made = api.create_namespace({"metadata": {"generateName": "artistcrawl-test-"}})
    name = str(made.metadata.name)
    yield name
    api.delete_namespace(name)


@pytest.fixture
def scene(
    control_plane: ApiServer, namespace: str, database_url: str, redis_url: str, tmp_path: Path
) -> Iterator[Scene]:
    """A namespace with an empty database and an empty Redis, for operators to serve."""
    with operated(control_plane, namespace, database_url, redis_url, tmp_path) as found:
        yield found


@pytest.fixture(scope="session")
def refusal(kube: client.ApiClient) -> Callable[[Any], str]:
    """What the API server says to a CrawlJob, as `kubectl apply` would send it; empty where it accepts it."""

    def ask(document: Any) -> str:
        try:
            client.CustomObjectsApi(kube).create_namespaced_custom_object(
                *CRAWLJOBS, "default", "crawljobs", document, dry_run="All", field_validation="Strict"
            )
        except client.ApiException as error:
            if error.status not in (400, 422):
                raise
            return str(json.loads(error.body)["message"])
        return ""

    return ask
