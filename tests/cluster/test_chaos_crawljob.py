"""The CrawlJob itself is deleted and applied again in the middle of its crawl, under another UID."""

from __future__ import annotations

import pytest
from support.cluster.kube import eventually
from support.cluster.kube_crawl import applied
from support.cluster.kube_release import Release


@pytest.mark.timeout(300)
def test_a_crawljob_deleted_and_applied_again_goes_on_where_it_was(release: Release) -> None:
    with applied(release, "again") as crawl:
        crawl.wait_for_searches(300)
        first = release.get(crawl.name)["metadata"]["uid"]
        release.kubectl("delete", crawl.name)
        eventually(lambda: not crawl.workers_pods(), "no workers")
        done = crawl.searches()
        assert done >= 300
        crawl.apply_again()
        assert release.get(crawl.name)["metadata"]["uid"] != first
        crawl.prove()
        assert crawl.repeated() == 0
