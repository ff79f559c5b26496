"""The whole line without pods: a CrawlJob is recorded, seeded and given workers, and follows what its user does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from redis import Redis
from support.processes.operator_process import Scene

from crawl_operator.values import names


def conditions(scene: Scene, name: str = "artists") -> dict[str, dict[str, Any]]:
    """By type."""
    found = (scene.get("crawljob", name).get("status") or {}).get("conditions") or []
    return {each["type"]: each for each in found}


def version(scene: Scene) -> str:
    """Of the Deployment."""
    return str(scene.deployment()["metadata"]["resourceVersion"])


def replicas(scene: Scene) -> int | None:
    """Of the Deployment; None where there is none."""
    found = scene.deployment()
    return int(found["spec"]["replicas"]) if found else None


@pytest.fixture
def crawling(scene: Scene) -> Scene:
    """An operator leads, and a CrawlJob is recorded, seeded and has its Deployment."""
    scene.leader()
    scene.apply()
    scene.wait("condition=Seeded")
    scene.until(scene.deployment, "a Deployment")
    return scene


def test_a_crawljob_is_recorded_seeded_and_given_workers(crawling: Scene) -> None:
    uid = crawling.get("crawljob", "artists")["metadata"]["uid"]
    with Redis.from_url(crawling.redis_url) as redis:
        seeded = redis.exists(f"artistcrawl:job:{{{uid}}}:pending")
    recorded = crawling.value("SELECT count(*) FROM crawl_range JOIN crawl_job USING (run_id)")
    owner = crawling.deployment()["metadata"]["ownerReferences"][0]
    assert (recorded > 0, seeded, owner["uid"], replicas(crawling)) == (True, 1, uid, 1)


def test_all_conditions_are_there_and_speak_of_the_newest_generation(crawling: Scene) -> None:
    crawling.until(lambda: "Progressing" in conditions(crawling), "conditions")
    found = conditions(crawling)
    assert set(found) >= {"Seeded", "Progressing", "RateLimited", "Suspended", "Succeeded"}
    assert {each["observedGeneration"] for each in found.values()} == {1}


def test_without_its_secret_a_crawljob_says_what_to_run(scene: Scene) -> None:
    scene.leader()
    scene.apply({"backendsSecretRef": {"name": "elsewhere"}})
    scene.wait("condition=Seeded=False")
    said = conditions(scene)["Seeded"]["message"]
    assert f"kubectl -n {scene.namespace} create secret generic elsewhere" in said
    scene.backends("elsewhere")
    scene.wait("condition=Seeded", timeout_s=60)


def test_a_restarted_operator_leaves_the_workers_alone(crawling: Scene) -> None:
    before = version(crawling)
    crawling.operators[0].stop()
    second = crawling.leader()
    crawling.apply(name="later")
    crawling.wait("condition=Seeded", name="later")
    assert (version(crawling), second.process.poll()) == (before, None)


def test_an_operator_with_another_image_leaves_the_workers_alone(crawling: Scene) -> None:
    before = version(crawling)
    crawling.operators[0].stop()
    crawling.leader("--worker-image", "artistcrawl/worker:next", "--worker-labels", '{"team": "music"}')
    crawling.apply(name="later")
    crawling.wait("condition=Seeded", name="later")
    assert version(crawling) == before


def test_a_deployment_deleted_by_hand_is_made_again(crawling: Scene) -> None:
    uid = crawling.deployment()["metadata"]["uid"]
    crawling.kubectl("delete", "deployment", crawling.deployment()["metadata"]["name"], "--wait=false")
    crawling.until(lambda: (crawling.deployment().get("metadata") or {}).get("uid") not in (None, uid), "a new one")


def test_a_deployment_deleted_while_nobody_watched_is_made_again(crawling: Scene) -> None:
    crawling.operators[0].kill()
    crawling.kubectl("delete", "deployment", crawling.deployment()["metadata"]["name"])
    crawling.operator()
    crawling.until(crawling.deployment, "a new one", timeout_s=40)


def test_suspended_it_has_no_workers_and_binds_nobody_and_resumed_it_has_and_binds_again(crawling: Scene) -> None:
    crawling.kubectl("patch", "crawljob", "artists", "--type=merge", "-p", '{"spec":{"suspend":true}}')
    crawling.wait("condition=Suspended")
    crawling.until(lambda: replicas(crawling) == 0, "no workers")
    crawling.until(lambda: crawling.value("SELECT isfinite(released_at) FROM crawl_job"), "its release")
    crawling.kubectl("patch", "crawljob", "artists", "--type=merge", "-p", '{"spec":{"suspend":false}}')
    crawling.until(lambda: replicas(crawling) == 1, "a worker")
    assert not crawling.value("SELECT isfinite(released_at) FROM crawl_job")


def test_a_deadline_that_passes_suspends_it_and_a_raised_one_lets_it_go_on(crawling: Scene) -> None:
    crawling.value("UPDATE crawl_run SET started_at = now() - interval '1 hour' RETURNING id")
    patch = ("patch", "crawljob", "artists", "--type=merge", "-p")
    crawling.kubectl(*patch, '{"spec":{"deadline":"30m","deadlinePolicy":"Suspend"}}')
    crawling.until(lambda: replicas(crawling) == 0, "no workers")
    crawling.until(lambda: conditions(crawling)["Suspended"]["reason"] == "DeadlinePassed", "the condition")
    assert conditions(crawling)["Suspended"]["status"] == "True"
    crawling.kubectl(*patch, '{"spec":{"deadline":"2h"}}')
    crawling.until(lambda: replicas(crawling) == 1, "workers")
    crawling.wait("condition=Suspended=False")


def test_kubectl_scale_wins(crawling: Scene) -> None:
    crawling.kubectl("scale", "crawljob/artists", "--replicas=3")
    crawling.until(lambda: replicas(crawling) == 3, "3 workers")
    crawling.wait("jsonpath={.status.workers.desired}=3")


def test_scale_counts_the_pods_that_exist_as_a_deployment_does(crawling: Scene) -> None:
    # No pod is ever ready here: there are no nodes. With the ready ones counted it would wait for ever.
    crawling.kubectl("scale", "crawljob/artists", "--replicas=3", "--timeout=60s")
    scale = json.loads(crawling.kubectl("get", "crawljob", "artists", "--subresource=scale", "-o", "json"))
    assert (scale["spec"]["replicas"], scale["status"]["replicas"]) == (3, 3)
    assert crawling.get("crawljob", "artists")["status"]["workers"] == {"desired": 3, "current": 3, "ready": 0}


def test_a_live_edit_reaches_the_ledger_and_no_pod(crawling: Scene) -> None:
    template = crawling.deployment()["spec"]["template"]
    edit = '{"spec":{"workers":{"concurrency":2},"rateLimit":{"requests":5}}}'
    crawling.kubectl("patch", "crawljob", "artists", "--type=merge", "-p", edit)
    spec = "SELECT spec->'rateLimit'->>'requests' FROM crawl_job WHERE deleted_at IS NULL"
    crawling.until(lambda: crawling.value(spec) == "5", "the edit in the ledger")
    assert crawling.deployment()["spec"]["template"] == template


def test_a_restart_is_asked_for_by_annotation(crawling: Scene) -> None:
    digest = crawling.deployment()["metadata"]["annotations"]["artistcrawl.dev/template"]
    crawling.kubectl("annotate", "crawljob", "artists", "artistcrawl.dev/restart=now")

    def digest_now() -> str:
        return str(crawling.deployment()["metadata"]["annotations"]["artistcrawl.dev/template"])

    crawling.until(lambda: digest_now() != digest, "another template")


def test_deleted_and_applied_again_it_goes_on_with_its_job(crawling: Scene) -> None:
    job = crawling.value("SELECT id FROM crawl_job")
    crawling.kubectl("delete", "crawljob", "artists")
    crawling.apply()
    uid = crawling.get("crawljob", "artists")["metadata"]["uid"]
    crawling.until(lambda: crawling.value("SELECT uid FROM crawl_job") == uid, "the new uid in the ledger")
    crawling.wait("condition=Seeded")

    def owner() -> str:
        return str(crawling.deployment()["metadata"]["ownerReferences"][0]["uid"]) if crawling.deployment() else ""

    crawling.until(lambda: owner() == uid, "a Deployment of its own")
    assert crawling.value("SELECT id FROM crawl_job") == job


def test_with_data_policy_delete_its_rows_go_with_it_though_the_operator_was_down(scene: Scene) -> None:
    first = scene.leader()
    scene.apply({"dataPolicy": "Delete"})
    scene.wait("condition=Seeded")
    scene.until(lambda: scene.get("crawljob", "artists")["metadata"].get("finalizers"), "a finalizer")
    first.stop()
    scene.kubectl("delete", "crawljob", "artists", "--wait=false")
    scene.operator()
    scene.until(lambda: not scene.get("crawljob", "artists"), "the CrawlJob gone", timeout_s=60)
    assert scene.value("SELECT count(*) FROM crawl_job WHERE deleted_at IS NULL") == 0


def test_with_data_policy_delete_it_goes_though_postgres_is_gone(scene: Scene) -> None:
    first = scene.leader()
    scene.apply({"dataPolicy": "Delete"})
    scene.wait("condition=Seeded")
    scene.until(lambda: scene.get("crawljob", "artists")["metadata"].get("finalizers"), "a finalizer")
    first.stop()
    nowhere = {"stringData": {"postgres-url": "postgresql://nobody@127.0.0.1:1/nothing"}}
    scene.kubectl("patch", "secret", "artistcrawl-backends", "--type=merge", "-p", json.dumps(nowhere))
    scene.kubectl("delete", "crawljob", "artists", "--wait=false")
    scene.operator()
    scene.until(lambda: not scene.get("crawljob", "artists"), "the CrawlJob gone", timeout_s=60)
    assert "DataNotDeleted" in scene.kubectl("get", "events", "-o", "custom-columns=REASON:.reason")


def test_a_frontier_that_redis_lost_is_seeded_again(crawling: Scene) -> None:
    uid = crawling.get("crawljob", "artists")["metadata"]["uid"]
    with Redis.from_url(crawling.redis_url) as redis:
        redis.flushall()
        crawling.until(lambda: redis.exists(f"artistcrawl:job:{{{uid}}}:pending"), "the frontier")


def test_nothing_happens_to_a_crawljob_at_rest(crawling: Scene) -> None:
    crawling.kubectl("patch", "crawljob", "artists", "--type=merge", "-p", '{"spec":{"suspend":true}}')
    crawling.wait("condition=Suspended")
    crawling.until(lambda: replicas(crawling) == 0, "no workers")
    crawling.wait("jsonpath={.status.observedGeneration}=2")
    # Whatever a look would write, it would write at each.
    before = crawling.get("crawljob", "artists")["metadata"]["resourceVersion"]
    crawling.kubectl("annotate", "crawljob", "artists", "note=look")
    after = int(crawling.get("crawljob", "artists")["metadata"]["resourceVersion"])
    crawling.apply(name="later")
    crawling.wait("condition=Seeded", name="later")
    assert int(crawling.get("crawljob", "artists")["metadata"]["resourceVersion"]) == after > int(before)


def test_workers_end_before_others_start_at_another_address(crawling: Scene) -> None:
    uid, redis_url = crawling.deployment()["metadata"]["uid"], crawling.redis_url
    # As a worker that drains does: it keeps the Deployment there until it is gone.
    held = '{"metadata":{"finalizers":["tests/held"]}}'
    pod = crawling.until(lambda: crawling.kubectl("get", "pods", "-o", "name").split(), "a pod")[0]
    crawling.kubectl("patch", pod, "--type=merge", "-p", held)
    elsewhere = redis_url.rpartition("/")[0] + "/1"
    patch = json.dumps({"stringData": {"redis-url": elsewhere}})
    crawling.kubectl("patch", "secret", "artistcrawl-backends", "--type=merge", "-p", patch)
    crawling.wait("condition=Seeded=False")
    assert conditions(crawling)["Progressing"]["reason"] == "BackendsChanged"
    with Redis.from_url(elsewhere) as redis:
        assert (crawling.deployment()["metadata"]["uid"], redis.keys("artistcrawl:job:*")) == (uid, [])
        crawling.kubectl("patch", pod, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
        crawling.wait("condition=Seeded")
        crawling.until(lambda: (crawling.deployment().get("metadata") or {}).get("uid") not in (None, uid), "others")
        assert redis.keys("artistcrawl:job:*")


def test_a_deployment_that_lost_its_labels_gets_them_back_and_drains_when_suspended(crawling: Scene) -> None:
    name = crawling.deployment()["metadata"]["name"]
    uid = crawling.get("deployment", name)["metadata"]["uid"]
    crawling.until(lambda: crawling.get("crawljob", "artists")["status"]["workers"]["desired"] == 1, "a status")
    crawling.kubectl("label", "deployment", name, "app.kubernetes.io/managed-by-", "artistcrawl.dev/crawljob-")
    crawling.kubectl("patch", "crawljob", "artists", "--type=merge", "-p", '{"spec":{"suspend":true}}')
    crawling.until(lambda: replicas(crawling) == 0, "the labels, and no workers")
    assert crawling.deployment()["metadata"]["uid"] == uid
    crawling.wait("condition=Suspended")


def test_somebody_elses_deployment_of_the_name_is_told_of_and_left_alone(scene: Scene) -> None:
    theirs = ("deployment", names.workers_of("artists"))
    scene.kubectl("create", *theirs, "--image=other", "--replicas=0")
    scene.leader()
    scene.apply()
    scene.wait("jsonpath={.status.state}=Stalled")
    said = conditions(scene)["Seeded"]
    assert (said["reason"], f"kubectl -n {scene.namespace} delete deployment" in said["message"]) == (
        "NameConflict",
        True,
    )
    assert scene.get(*theirs)["spec"]["template"]["spec"]["containers"][0]["image"] == "other"
    scene.kubectl("delete", *theirs)
    scene.kubectl("annotate", "crawljob", "artists", "look=now")
    scene.until(scene.deployment, "workers")
