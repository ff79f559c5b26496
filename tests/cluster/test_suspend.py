"""Suspending ends the workers and nothing else: whatever the pause, the crawl goes on where it was."""

from __future__ import annotations

import time

import pytest
from support.cluster.kube import eventually
from support.cluster.kube_crawl import CONCURRENCY, applied
from support.cluster.kube_release import Release

from crawl_core.frontier.frontier import LEASE_TTL_S


@pytest.mark.timeout(300)
def test_a_crawl_suspended_for_longer_than_a_lease_repeats_nothing(release: Release) -> None:
    with applied(release, "suspended") as crawl:
        crawl.wait_for_searches(200)
        crawl.patch('{"suspend": true}')
        crawl.wait_for("Suspended")
        eventually(lambda: not crawl.workers_pods(), "no workers")
        arrived = len(crawl.answered())
        # What is waited for is exactly this time: a lease must have run out.
        time.sleep(LEASE_TTL_S + 2)
        assert len(crawl.answered()) == arrived
        crawl.patch('{"suspend": false}')
        crawl.prove()
        assert crawl.repeated() <= CONCURRENCY
