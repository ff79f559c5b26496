"""Nodes that are drained or die in the middle of a crawl. Only workers and an operator live on the one that does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.cluster.kube import Cluster, eventually, run
from support.cluster.kube_crawl import ClusterCrawl, applied
from support.cluster.kube_release import LABEL, Release

NOT_READY_WITHIN_S = 120


def pods_on(crawl: ClusterCrawl, node: str) -> int:
    return sum(pod["spec"].get("nodeName") == node for pod in crawl.workers_pods())


@contextmanager
def uncordoned_after(cluster: Cluster, node: str) -> Iterator[None]:
    try:
        yield
    finally:
        cluster.kubectl("uncordon", node)


@pytest.mark.timeout(300)
def test_a_drained_node_loses_nothing_and_repeats_nothing(cluster: Cluster, release: Release) -> None:
    node = cluster.nodes[0]
    with applied(release, "drained") as crawl, uncordoned_after(cluster, node):
        crawl.wait_for_searches(200)
        assert pods_on(crawl, node)
        selector = f"--pod-selector={LABEL}={release.namespace}"
        cluster.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", selector, "--timeout=120s")
        assert not pods_on(crawl, node)
        crawl.prove()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_node_that_dies_is_replaced_by_the_others(cluster: Cluster, release: Release) -> None:
    node = cluster.nodes[0]
    with applied(release, "dead-node") as crawl:
        crawl.wait_for_searches(200)
        lost = pods_on(crawl, node)
        assert lost
        with started_again(cluster, node):
            run("docker", "kill", node)
            crawl.prove(broken=lost)


@contextmanager
def started_again(cluster: Cluster, node: str) -> Iterator[None]:
    try:
        yield
    finally:
        run("docker", "start", node)
        eventually(lambda: ready(cluster, node), f"{node} is back", timeout_s=NOT_READY_WITHIN_S)


def ready(cluster: Cluster, node: str) -> bool:
    conditions = cluster.get("node", node)["status"]["conditions"]
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
