"""The operator dies or is upgraded in the middle of a crawl: workers do not notice."""

from __future__ import annotations

import pytest
from support.cluster.kube import eventually
from support.cluster.kube_crawl import ClusterCrawl, applied, is_ready
from support.cluster.kube_release import TAG, Release

pytestmark = pytest.mark.timeout(300)

TAKEOVER_WITHIN_S = 20
NEW_TAG = "next"
"""The same image under another tag. How workers are made changes as well, but for those that are there."""


def holder(release: Release) -> str:
    """The process that holds the Lease: POD_ID; empty where none does."""
    return str(release.get("lease", "artistcrawl-operator")["spec"].get("holderIdentity") or "")


def uids(crawl: ClusterCrawl) -> set[str]:
    return {pod["metadata"]["uid"] for pod in crawl.workers_pods()}


def test_an_operator_killed_by_kill_9_is_followed_within_20_s_and_disturbs_no_worker(release: Release) -> None:
    with applied(release, "operator-killed") as crawl:
        crawl.wait_for_searches(200)
        workers, first = uids(crawl), holder(release)
        release.kill(release.get("pod", first.partition("_")[0]))
        eventually(lambda: holder(release) not in ("", first), "another leads", timeout_s=TAKEOVER_WITHIN_S)
        assert uids(crawl) == workers
        crawl.prove()


def test_an_upgrade_of_the_operator_leaves_the_workers_pods_alone(release: Release) -> None:
    with applied(release, "upgraded") as crawl:
        crawl.wait_for_searches(100)
        workers = uids(crawl)
        release.upgrade(**{"image.tag": NEW_TAG, "worker.env.UPGRADED": "yes"})
        try:
            images = {pod["spec"]["containers"][0]["image"] for pod in release.component("operator") if is_ready(pod)}
            assert images == {f"artistcrawl/operator:{NEW_TAG}"}
            assert uids(crawl) == workers
            crawl.prove()
        finally:
            release.upgrade(**{"image.tag": TAG})
