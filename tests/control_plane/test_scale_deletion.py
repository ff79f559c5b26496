"""Many CrawlJobs with their data, deleted while no operator runs: none stays Terminating, whatever PostgreSQL does."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.processes.api_server import ApiServer
from support.processes.operator_process import Scene, operated
from support.processes.servers import Postgres

GONE_WITHIN_S = 60
COUNTS = [30, pytest.param(100, marks=pytest.mark.slow)]


@pytest.fixture
def postgres_scene(
    control_plane: ApiServer, namespace: str, fresh_postgres: Postgres, redis_url: str, tmp_path: Path
) -> Iterator[Scene]:
    """A namespace whose PostgreSQL may be killed."""
    with operated(control_plane, namespace, fresh_postgres.url(), redis_url, tmp_path) as found:
        yield found


def deleted_unseen(scene: Scene, count: int) -> None:
    """Have CrawlJobs recorded, seeded and given workers; then delete them while no operator runs."""
    operator = scene.leader()
    document = {
        "apiVersion": "artistcrawl.dev/v1alpha1",
        "kind": "CrawlJob",
        "spec": {"keyspace": {"minLength": 1, "maxLength": 1}, "dataPolicy": "Delete"},
    }
    items = [{**document, "metadata": {"name": f"artists-{number}"}} for number in range(count)]
    scene.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    scene.kubectl("wait", "crawljobs", "--all", "--for=condition=Seeded", "--timeout=90s")
    workers = ("get", "deployments", "-l", "artistcrawl.dev/crawljob", "-o", "name")
    scene.until(lambda: len(scene.kubectl(*workers).split()) == count, "workers", timeout_s=60)
    operator.stop()
    scene.kubectl("delete", "crawljobs", "--all", "--wait=false")
    assert len(left(scene)) == count


def left(scene: Scene) -> list[str]:
    """The CrawlJobs that are still there."""
    return scene.kubectl("get", "crawljobs", "-o", "name").split()


def reasons(scene: Scene) -> list[str]:
    """Of all Events."""
    return scene.kubectl("get", "events", "-o", "custom-columns=REASON:.reason").split()


@pytest.mark.parametrize("count", COUNTS)
def test_many_crawljobs_go_once_an_operator_is_back(scene: Scene, count: int) -> None:
    deleted_unseen(scene, count)
    scene.operator()
    scene.until(lambda: not left(scene), "all gone", timeout_s=GONE_WITHIN_S)
    assert scene.value("SELECT count(*) FROM crawl_job WHERE deleted_at IS NULL") == 0


@pytest.mark.parametrize("count", COUNTS)
def test_many_crawljobs_go_though_postgres_is_down(postgres_scene: Scene, fresh_postgres: Postgres, count: int) -> None:
    deleted_unseen(postgres_scene, count)
    fresh_postgres.stop_immediately()
    postgres_scene.operator()
    postgres_scene.until(lambda: not left(postgres_scene), "all gone", timeout_s=GONE_WITHIN_S)
    assert reasons(postgres_scene).count("DataNotDeleted") == count


@pytest.mark.slow
def test_many_crawljobs_go_though_postgres_takes_connections_and_never_answers(
    postgres_scene: Scene, fresh_postgres: Postgres
) -> None:
    deleted_unseen(postgres_scene, 100)
    os.kill(fresh_postgres.pid, signal.SIGSTOP)
    try:
        postgres_scene.operator()
        postgres_scene.until(lambda: not left(postgres_scene), "all gone", timeout_s=GONE_WITHIN_S)
    finally:
        os.kill(fresh_postgres.pid, signal.SIGCONT)
    assert reasons(postgres_scene).count("DataNotDeleted") == 100
