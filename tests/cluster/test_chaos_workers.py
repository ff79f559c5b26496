"""Workers that die in the middle of a crawl: killed, evicted, or of another version."""

from __future__ import annotations

import json

import pytest
from support.cluster.kube import eventually
from support.cluster.kube_crawl import WORKERS, ClusterCrawl, applied
from support.cluster.kube_release import TAG, Release

pytestmark = pytest.mark.timeout(300)

PREVIOUS_TAG = "previous"


def restarts(crawl: ClusterCrawl) -> int:
    return sum(s["restartCount"] for pod in crawl.workers_pods() for s in pod["status"].get("containerStatuses", []))


def test_a_worker_killed_starts_again_and_nothing_is_lost(release: Release) -> None:
    with applied(release, "killed") as crawl:
        crawl.wait_for_searches(200)
        release.kill(crawl.ready_workers()[0])
        eventually(lambda: restarts(crawl) == 1, "one restart")
        crawl.prove(broken=1)


@pytest.mark.slow
def test_a_pod_deleted_without_grace_is_replaced_and_nothing_is_lost(release: Release) -> None:
    with applied(release, "forced") as crawl:
        crawl.wait_for_searches(200)
        victim = crawl.ready_workers()[0]["metadata"]["name"]
        release.kubectl("delete", "pod", victim, "--grace-period=0", "--force")
        crawl.wait_for_workers(WORKERS)
        crawl.prove(broken=1)


@pytest.mark.slow
def test_an_evicted_worker_drains_and_is_replaced(release: Release) -> None:
    with applied(release, "evicted") as crawl:
        crawl.wait_for_searches(200)
        evict(release, crawl.ready_workers()[0]["metadata"]["name"])
        crawl.wait_for_workers(WORKERS)
        crawl.prove()


def evict(release: Release, pod: str) -> None:
    """The Eviction API, as a drain and the cluster's autoscaler call it."""
    names = {"name": pod, "namespace": release.namespace}
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": names}
    path = f"/api/v1/namespaces/{release.namespace}/pods/{pod}/eviction"
    release.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(body))


@pytest.mark.slow
def test_workers_of_the_version_before_crawl_beside_the_new_operator(release: Release) -> None:
    """`make e2e-slow` builds their image, from the commit before their last change."""
    release.upgrade(**{"worker.image.tag": PREVIOUS_TAG})
    try:
        with applied(release, "previous") as crawl:
            crawl.wait_for_searches(1)
            assert {pod["spec"]["containers"][0]["image"] for pod in crawl.ready_workers()} == {
                f"artistcrawl/worker:{PREVIOUS_TAG}"
            }
            crawl.prove()
    finally:
        release.upgrade(**{"worker.image.tag": TAG})
