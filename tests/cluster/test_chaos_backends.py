"""Redis and PostgreSQL end in the middle of a crawl: the one comes back empty, the other with its claim."""

from __future__ import annotations

import pytest
from kube import eventually
from kube_crawl import applied, is_ready
from kube_release import Release

pytestmark = pytest.mark.timeout(300)


def replaced(release: Release, component: str, uid: str) -> bool:
    pods = release.component(component)
    return len(pods) == 1 and pods[0]["metadata"]["uid"] != uid and is_ready(pods[0])


def end(release: Release, component: str) -> None:
    """Delete the pod without grace, and wait for the one that follows it."""
    [pod] = release.component(component)
    release.kubectl("delete", "pod", pod["metadata"]["name"], "--grace-period=0", "--force")
    eventually(lambda: replaced(release, component, pod["metadata"]["uid"]), f"another {component}")


def test_a_redis_that_comes_back_empty_loses_nothing_and_doubles_no_limit(release: Release) -> None:
    with applied(release, "redis-lost") as crawl:
        crawl.wait_for_searches(200)
        workers = len(crawl.workers_pods())
        end(release, "redis")
        crawl.prove(broken=workers)


def test_a_postgres_killed_goes_on_from_its_claim(release: Release) -> None:
    with applied(release, "postgres-killed") as crawl:
        crawl.wait_for_searches(200)
        workers = len(crawl.workers_pods())
        end(release, "postgres")
        crawl.prove(broken=workers)
