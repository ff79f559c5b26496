"""A CrawlJob that is crawled again: the next run begins once, is seeded, and is told apart from the one before."""

from __future__ import annotations

import time
from typing import Any

import psycopg
import pytest
from redis import Redis
from support.processes.api_server import ApiServer
from support.processes.operator_process import Scene

from crawl_operator.plugin import cli

COVER = """
UPDATE crawl_range r SET state = 'done', cursor = NULL, covered = n.total
FROM crawl_run n JOIN crawl_job j ON j.run_id = n.id WHERE n.id = r.run_id RETURNING 1
"""
"""The current run's only range was searched to its end."""
RUNS = "SELECT array_agg(number ORDER BY number) FROM crawl_run"
RANGES = "SELECT array_agg(n.number ORDER BY n.number) FROM crawl_range r JOIN crawl_run n ON n.id = r.run_id"


@pytest.fixture
def crawling(scene: Scene) -> Scene:
    """An operator leads, and a CrawlJob is recorded and seeded."""
    scene.leader()
    scene.apply()
    scene.wait("condition=Seeded")
    return scene


@pytest.fixture
def done(crawling: Scene) -> Scene:
    """Its first run has ended."""
    end_run(crawling)
    return crawling


def end_run(scene: Scene) -> None:
    scene.value(COVER)
    scene.kubectl("annotate", "crawljob", "artists", "--overwrite", f"look={time.monotonic()}")
    scene.wait("condition=Succeeded")


def want(scene: Scene, number: int) -> None:
    scene.kubectl("patch", "crawljob", "artists", "--type=merge", "-p", f'{{"spec":{{"run":{number}}}}}')


def status(scene: Scene) -> dict[str, Any]:
    return dict(scene.get("crawljob", "artists").get("status") or {})


def pending(scene: Scene) -> list[int]:
    """Ids of the ranges that wait in Redis."""
    uid = scene.get("crawljob", "artists")["metadata"]["uid"]
    with Redis.from_url(scene.redis_url) as redis:
        return [int(each) for each in redis.zrange(f"artistcrawl:job:{{{uid}}}:pending", 0, -1)]


def open_ids(scene: Scene) -> list[int]:
    return list(scene.value("SELECT array_agg(id) FROM crawl_range WHERE state = 'open'") or [])


def seeded(scene: Scene) -> bool:
    ids = open_ids(scene)
    return bool(ids) and set(ids) <= set(pending(scene))


def test_a_greater_run_begins_is_seeded_and_given_workers(done: Scene) -> None:
    assert status(done)["run"] == 1
    want(done, 2)
    done.wait("condition=Succeeded=Unknown")
    done.until(lambda: seeded(done), "the ranges of run 2 in Redis")
    done.until(done.deployment, "workers")
    done.wait("condition=Seeded")
    found = status(done)
    assert (found["run"], found.get("completionTime"), found["covered"]) == (2, None, 0)
    assert [(run["number"], "completionTime" in run) for run in found["runs"]] == [(2, False), (1, True)]
    assert "RunBegan" in done.kubectl("get", "events", "-o", "custom-columns=REASON:.reason")


def test_a_run_that_is_wanted_early_begins_by_itself_when_the_current_one_has_ended(crawling: Scene) -> None:
    want(crawling, 2)
    waits = 'jsonpath={.status.conditions[?(@.type=="Succeeded")].message}'
    crawling.wait(f"{waits}=The keyspace is not covered yet. Run 2 begins when run 1 has ended.")
    assert crawling.value(RUNS) == [1]
    crawling.value(COVER)
    crawling.wait("jsonpath={.status.run}=2")
    assert crawling.value(RUNS) == [1, 2]


def test_it_begins_once_though_the_operator_is_killed_right_after(done: Scene) -> None:
    want(done, 2)
    with psycopg.connect(done.postgres_url, autocommit=True) as connection:
        give_up_s = time.monotonic() + 30
        while connection.execute(RUNS).fetchone() != ([1, 2],):
            assert time.monotonic() < give_up_s
    done.operators[0].kill()
    done.operator()
    done.wait("jsonpath={.status.run}=2", timeout_s=60)
    done.until(lambda: seeded(done), "the ranges of run 2 in Redis", timeout_s=60)
    assert (done.value(RUNS), len(open_ids(done))) == ([1, 2], 1)


def test_again_and_delete_run_by_the_plugin(done: Scene, control_plane: ApiServer, capsys) -> None:
    def crawl(*arguments: str) -> tuple[int, str]:
        ended = cli.main(["--kubeconfig", str(control_plane.kubeconfig), "-n", done.namespace, *arguments])
        return ended, capsys.readouterr().out

    assert crawl("again", "artists", "--wait")[0] == 0
    end_run(done)
    done.until(lambda: status(done)["runs"][0].get("gone") == 0, "the comparison")
    assert crawl("again", "artists", "--wait")[0] == 0
    assert crawl("delete-run", "artists", "2", "--yes", "--wait")[0] == 0
    done.until(lambda: done.value(RANGES) == [1, 3], "the rows of run 2 gone", timeout_s=90)
    assert [run["number"] for run in status(done)["runs"]] == [3, 2, 1]
    done.until(lambda: "dataDeletionTime" in status(done)["runs"][1], "the status")
    table = crawl("runs", "artists")[1].splitlines()
    assert [row.split()[0] for row in table] == ["RUN", "3", "2", "1"]


def test_the_current_run_is_not_deleted(done: Scene) -> None:
    done.kubectl("annotate", "crawljob", "artists", "artistcrawl.dev/delete-run=1")
    done.wait("jsonpath={.status.handled.deleteRun}=1")
    assert "RunNotDeleted" in done.kubectl("get", "events", "-o", "custom-columns=REASON:.reason")
    assert done.value(RANGES) == [1]


def test_applied_again_it_belongs_to_the_current_run(done: Scene) -> None:
    want(done, 2)
    done.wait("jsonpath={.status.run}=2")
    done.kubectl("delete", "crawljob", "artists")
    done.apply()
    done.wait("condition=Seeded")
    done.until(lambda: status(done).get("run") == 2, "the run")
    assert done.value(RUNS) == [1, 2]
