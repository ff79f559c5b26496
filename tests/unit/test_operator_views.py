"""Objects of the API server, as the plan reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from support.fakes.operator_rounds import raw_crawljob

from crawl_operator.kube.views import crawljob_view, deployment_view, pod_troubles
from crawl_operator.values import names
from crawl_operator.values.model import PodTrouble

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def raw_deployment(*, generation=2, observed=2, **status):
    return {
        "metadata": {
            "uid": "d-1",
            "resourceVersion": "9",
            "generation": generation,
            "annotations": {names.ANNOTATION_TEMPLATE: "abc"},
            "ownerReferences": [{"uid": "other"}, {"uid": "uid-1", "controller": True}],
        },
        "spec": {
            "replicas": 3,
            "template": {
                "spec": {"containers": [{"name": "sidecar", "image": "s"}, {"name": "worker", "image": "w:1"}]}
            },
        },
        "status": {"observedGeneration": observed, "readyReplicas": 2, "replicas": 4, **status},
    }


def raw_pod(*, age_s=3600.0, ready=False, containers=(), conditions=(), **status):
    created = (NOW - timedelta(seconds=age_s)).isoformat()
    return {
        "metadata": {"name": "p", "creationTimestamp": created},
        "status": {
            "conditions": [{"type": "Ready", "status": str(ready)}, *conditions],
            "containerStatuses": list(containers),
            **status,
        },
    }


def waiting(reason, message="", *, restarts=0, exit_code=None):
    last = {} if exit_code is None else {"terminated": {"exitCode": exit_code, "reason": "Error"}}
    state = {"waiting": {"reason": reason, "message": message}}
    return {"name": "worker", "restartCount": restarts, "state": state, "lastState": last}


def test_a_deployment_is_read_with_its_owner_worker_and_counts():
    view = deployment_view(raw_deployment())
    assert (view.owner_uid, view.image, view.template) == ("uid-1", "w:1", "abc")
    assert (view.replicas, view.ready, view.pods) == (3, 2, 4)
    assert (view.observed, view.deleting, view.failure) == (True, False, "")


def test_a_deployment_that_its_controller_has_not_seen_is_not_observed():
    assert not deployment_view(raw_deployment(generation=3)).observed


def test_a_deployment_of_nothing_but_a_name_is_read():
    view = deployment_view({"metadata": {"uid": "u", "resourceVersion": "1"}})
    assert (view.replicas, view.ready, view.owner_uid, view.image) == (1, 0, "", "")


def test_a_spec_of_another_version_is_invalid_and_says_what_to_write():
    view = crawljob_view(raw_crawljob(keyspace={"minLength": 4, "maxLength": 3}, fromTheFuture=1))
    assert view.job is None
    assert "fromTheFuture" in view.invalid
    assert "spec.keyspace" in view.invalid


def test_what_people_write_beside_the_spec_invalidates_nothing():
    raw = raw_crawljob()
    raw["metadata"] |= {"labels": {"a/b": "c"}, "annotations": {"x": "y" * 10_000}, "futureField": {}}
    assert crawljob_view(raw).job is not None


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        (
            raw_pod(containers=[waiting("ImagePullBackOff", "no such image")]),
            PodTrouble("p", "ImagePullBackOff", "no such image"),
        ),
        (
            raw_pod(containers=[waiting("CrashLoopBackOff", "back-off 10s", restarts=4, exit_code=78)]),
            PodTrouble("p", "CrashLoopBackOff", "ended with exit code 78 (Error); back-off 10s", restarts=4),
        ),
        (
            raw_pod(
                conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "m"}]
            ),
            PodTrouble("p", "Unschedulable", "m"),
        ),
        (raw_pod(phase="Failed", reason="Evicted", message="low on disk"), PodTrouble("p", "Evicted", "low on disk")),
        (raw_pod(), PodTrouble("p", "NotReady", "its readiness probe does not pass")),
    ],
)
def test_a_pod_that_is_not_ready_says_why(pod, expected):
    assert pod_troubles([pod], now=NOW) == (expected,)


@pytest.mark.parametrize(
    "pod",
    [raw_pod(ready=True), raw_pod(age_s=5), raw_pod(age_s=5, containers=[waiting("ContainerCreating")])],
)
def test_a_pod_that_is_ready_or_about_to_be_is_no_trouble(pod):
    assert pod_troubles([pod], now=NOW) == ()


def test_a_pod_that_is_going_is_no_trouble():
    pod = raw_pod()
    pod["metadata"]["deletionTimestamp"] = NOW.isoformat()
    assert pod_troubles([pod], now=NOW) == ()


def test_a_deployment_without_our_labels_is_told_apart():
    raw = raw_deployment()
    assert not deployment_view(raw).labelled
    raw["metadata"]["labels"] = names.selector_of("artists")
    assert deployment_view(raw).labelled
