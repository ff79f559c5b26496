"""What cluster tests share: the cluster, an installation a process, and what it looked like when a test failed."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator

import pytest
from support.cluster.kube import Cluster, connect
from support.cluster.kube_release import Release, released


def pytest_itemcollected(item: pytest.Item) -> None:
    """All tests of this folder need nodes. What one breaks is its own process's installation, or (slow ones) a node."""
    item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    return connect()


@pytest.fixture(scope="session")
def release(cluster: Cluster) -> Iterator[Release]:
    """The chart in demo mode, in a namespace of this process's own."""
    with released(cluster, f"artistcrawl-e2e-{os.getpid()}") as release:
        yield release


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add pods, events and logs to a failed test's report, while they are there."""
    report = yield
    if report.when == "call" and report.failed and isinstance(item, pytest.Function):
        release = item.funcargs.get("release")
        if isinstance(release, Release):
            report.sections.append(("cluster", release.explain()))
    return report
