"""Redis and PostgreSQL end in the middle of a crawl, or the Secret names another Redis: no limit is ever doubled."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.cluster.kube import eventually
from support.cluster.kube_crawl import WORKERS, applied, is_ready
from support.cluster.kube_release import Release

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


SECRET = "artistcrawl-backends"
SECOND = "second-redis"


def names(release: Release, redis_url: str) -> None:
    """Write the address of Redis into the Secret."""
    data = {"redis-url": base64.b64encode(redis_url.encode()).decode()}
    release.kubectl("patch", "secret", SECRET, "--type=merge", "-p", json.dumps({"data": data}))


@contextmanager
def second_redis(release: Release) -> Iterator[str]:
    """Another Redis beside the release's; its address."""
    options = ("--image=redis:7", "--port=6379", "--expose", "--", "redis-server", "--save", "")
    release.kubectl("run", SECOND, *options, "--maxmemory-policy", "noeviction", "--protected-mode", "no")
    try:
        release.kubectl("wait", "--for=condition=Ready", f"pod/{SECOND}", "--timeout=60s")
        yield f"redis://{SECOND}:6379/0"
    finally:
        release.kubectl("delete", f"pod/{SECOND}", f"service/{SECOND}", "--wait=false")


@pytest.mark.slow
def test_a_secret_that_names_another_redis_ends_all_workers_before_the_first_new_one(release: Release) -> None:
    first = base64.b64decode(release.get("secret", SECRET)["data"]["redis-url"]).decode()
    with second_redis(release) as url, applied(release, "redis-moved") as crawl:
        crawl.wait_for_searches(200)
        before = {pod["metadata"]["uid"] for pod in crawl.workers_pods()}
        try:
            names(release, url)
            eventually(
                lambda: before.isdisjoint(pod["metadata"]["uid"] for pod in crawl.ready_workers()), "no old ones"
            )
            crawl.wait_for_workers(WORKERS)
            crawl.prove()
        finally:
            names(release, first)
