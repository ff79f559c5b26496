"""The scrape job of k8s/README.md on a real Prometheus: which pods it takes, and whose labels are kept.

Pods are told to it as Kubernetes would tell of them; builds of Prometheus without Kubernetes can run this.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Gauge, start_http_server
from support.processes.prometheus_process import Prometheus, prometheus
from support.proofs.documented_scrape import documented_configuration

OPERATORS_NAMESPACE, JOBS_NAMESPACE = "operators", "music"


def documented(static: list[dict[str, Any]]) -> dict[str, Any]:
    """The documented configuration, with these pods instead of a cluster's."""
    (job,) = documented_configuration()["scrape_configs"]
    del job["kubernetes_sd_configs"]
    return {"scrape_configs": [{**job, "scrape_interval": "1s", "static_configs": static}]}


def pod(target: str, *, name: str = "operator-1", port: str = "metrics", phase: str = "Running") -> dict[str, Any]:
    """A port of a pod, as Kubernetes tells of it."""
    meta = {
        "namespace": OPERATORS_NAMESPACE,
        "pod_name": name,
        "pod_container_name": "operator",
        "pod_container_port_name": port,
        "pod_phase": phase,
        "pod_node_name": "node-1",
    }
    return {"targets": [target], "labels": {f"__meta_kubernetes_{key}": value for key, value in meta.items()}}


@pytest.fixture(scope="module")
def server() -> Iterator[Prometheus]:
    registry = CollectorRegistry()
    Gauge("artistcrawl_job_artists", "A", ["namespace"], registry=registry).labels(JOBS_NAMESPACE).set(1)
    Gauge("artistcrawl_operator_leader", "A", registry=registry).set(1)
    served, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    target = f"127.0.0.1:{served.server_address[1]}"
    pods = [pod(target), pod(target, name="probed", port="probes"), pod(target, name="ended", phase="Succeeded")]
    try:
        with prometheus(documented(pods)) as started:
            started.until(lambda: started.query("artistcrawl_operator_leader"), "a first scrape")
            yield started
    finally:
        served.shutdown()
        thread.join()
        served.server_close()


def labels_of(server: Prometheus, metric: str) -> list[dict[str, str]]:
    return [series["metric"] for series in server.query(metric)]


def test_only_the_metrics_port_of_a_running_pod_is_scraped(server: Prometheus) -> None:
    assert [labels["pod"] for labels in labels_of(server, "up")] == ["operator-1"]


def test_the_series_of_a_crawljob_keeps_its_own_namespace(server: Prometheus) -> None:
    (labels,) = labels_of(server, "artistcrawl_job_artists")
    assert (labels["namespace"], labels["pod"]) == (JOBS_NAMESPACE, "operator-1")


def test_a_series_of_the_operator_has_its_pods_namespace_and_node(server: Prometheus) -> None:
    (labels,) = labels_of(server, "artistcrawl_operator_leader")
    wanted = {"job": "artistcrawl", "namespace": OPERATORS_NAMESPACE, "node": "node-1", "container": "operator"}
    assert {name: labels[name] for name in wanted} == wanted
