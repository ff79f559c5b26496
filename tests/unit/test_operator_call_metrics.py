"""Requests to the API server as metrics name and count them: kinds of objects, never an object."""

from __future__ import annotations

import pytest

from crawl_core.metrics.definitions import OPERATOR
from crawl_operator.kube.api import path_of
from crawl_operator.kube.call_metrics import count_call, resource_of


@pytest.mark.parametrize(
    ("path", "resource"),
    [
        (path_of("apis/artistcrawl.dev/v1alpha1", "music", "crawljobs", "artists"), "crawljobs"),
        (path_of("apis/artistcrawl.dev/v1alpha1", "music", "crawljobs", "artists", "status"), "crawljobs/status"),
        (path_of("apis/artistcrawl.dev/v1alpha1", "music", "crawljobs", "status"), "crawljobs"),
        (path_of("apis/apps/v1", "music", "deployments", "artists-workers"), "deployments"),
        (path_of("apis/coordination.k8s.io/v1", "music", "leases"), "leases"),
        (path_of("api/v1", "music", "secrets", "artistcrawl-backends"), "secrets"),
        (path_of("api/v1", "secrets", "events"), "events"),
        ("/api/v1/namespaces/music", "namespaces"),
        ("/apis/artistcrawl.dev/v1alpha1/crawljobs", "crawljobs"),
        ("/apis/artistcrawl.dev/v1alpha1", "other"),
        ("/version", "other"),
        ("/", "other"),
    ],
)
def test_a_path_is_named_by_the_kind_of_its_object(path: str, resource: str) -> None:
    assert resource_of(path) == resource


def requests(verb: str, resource: str, code: str) -> float:
    labels = {"verb": verb, "resource": resource, "code": code}
    return OPERATOR.registry.get_sample_value("artistcrawl_operator_api_requests_total", labels) or 0.0


def durations(verb: str) -> float:
    name = "artistcrawl_operator_api_request_duration_seconds_count"
    return OPERATOR.registry.get_sample_value(name, {"verb": verb}) or 0.0


def test_an_answer_is_counted_by_its_status_with_its_time() -> None:
    before = requests("PATCH", "deployments", "409"), durations("PATCH")
    with count_call("PATCH", "deployments") as call:
        call.status = 409
    assert (requests("PATCH", "deployments", "409"), durations("PATCH")) == (before[0] + 1, before[1] + 1)


def test_a_request_without_an_answer_is_counted_too() -> None:
    before = requests("GET", "secrets", "0"), durations("GET")
    with pytest.raises(OSError, match="refused"), count_call("GET", "secrets"):
        raise OSError("refused")
    assert (requests("GET", "secrets", "0"), durations("GET")) == (before[0] + 1, before[1] + 1)
