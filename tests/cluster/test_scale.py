"""How many workers there are: what `kubectl scale` says wins, and more workers crawl faster where latency binds."""

from __future__ import annotations

from itertools import pairwise

import pytest
from support.cluster.kube import eventually
from support.cluster.kube_crawl import SPEC, ClusterCrawl, applied
from support.cluster.kube_release import Release

UNBOUND = """
keyspace: {minLength: 3, maxLength: 3, rangeSize: 36}
rateLimit: {requests: 100000, window: 1s, bucket: Job}
workers: {min: 1, max: 8, replicas: 1, concurrency: 4, resources: {requests: {cpu: 20m, memory: 48Mi}}}
"""
LATENCY = "300ms"
MEASURED_S = 20


@pytest.mark.timeout(300)
def test_kubectl_scale_wins(release: Release) -> None:
    with applied(release, "scaled", SPEC.replace("min: 3", "min: 1")) as crawl:
        crawl.wait_for_searches(1)
        release.kubectl("scale", crawl.name, "--replicas=2")
        crawl.wait_for_workers(2)
        release.kubectl("scale", crawl.name, "--replicas=1")
        crawl.wait_for_workers(1)
        crawl.prove()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_eight_workers_crawl_six_times_as_fast_as_one_where_latency_binds(release: Release) -> None:
    release.sandbox.control(latency=LATENCY)
    with applied(release, "fast", UNBOUND) as crawl:
        speeds = {}
        for workers in (1, 2, 4, 8):
            release.kubectl("scale", crawl.name, f"--replicas={workers}")
            crawl.wait_for_workers(workers)
            speeds[workers] = pages_a_second(crawl)
        release.sandbox.control(latency="lognormal:40ms:0.5")
        print({workers: round(speed, 1) for workers, speed in speeds.items()})
        assert all(more > fewer for (_, fewer), (_, more) in pairwise(sorted(speeds.items())))
        assert speeds[8] >= 6 * speeds[1]


def pages_a_second(crawl: ClusterCrawl) -> float:
    """What arrives at the sandbox, by its own clock, over MEASURED_S from now on."""
    before = crawl.sandbox.requests()
    start_s = before[-1]["received_at_s"] + 3 if before else 0.0
    eventually(lambda: crawl.sandbox.requests(start_s + MEASURED_S), "time to pass", timeout_s=MEASURED_S + 30)
    times = [entry["received_at_s"] for entry in crawl.sandbox.requests(start_s)]
    return sum(at < start_s + MEASURED_S for at in times) / MEASURED_S
