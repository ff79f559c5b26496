"""What is accepted, what stands there afterwards, and what may still change while a job lives."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from kubernetes import client

from crawl_core.errors import SpecError
from crawl_core.spec import Spec, crawljob_of
from crawl_core.spec.status import Condition, Handled, Status, WorkerCounts

CRAWLJOBS = ("artistcrawl.dev", "v1alpha1")
PLURAL = "crawljobs"
MERGE = "application/merge-patch+json"

Spec_ = dict[str, Any]
Refusal = Callable[[Any], str]


def crawljob(spec: Spec_ | None, name: str = "artists") -> dict[str, Any]:
    whole: dict[str, Any] = {
        "apiVersion": "artistcrawl.dev/v1alpha1",
        "kind": "CrawlJob",
        "metadata": {"name": name},
    }
    return whole if spec is None else {**whole, "spec": spec}


def strings(count: int, *, at: int = 0) -> dict[str, str]:
    """The first and last of that many strings of four characters."""
    every = Spec().keyspace.to_keyspace()
    return {"first": every.string_at(at, 4), "last": every.string_at(at + count - 1, 4)}


ACCEPTED: dict[str, Spec_] = {
    "nothing": {},
    "one subspace": {"keyspace": {"first": "th00", "last": "thzz"}},
    "one string": {"keyspace": {"first": "abba", "last": "abba"}},
    "one letter": {"keyspace": {"alphabet": "x", "minLength": 1, "maxLength": 1}},
    "a range size that is large enough": {"keyspace": {"rangeSize": 17}},
    "as many ranges as there may be": {"keyspace": {**strings(1_600_000, at=5), "rangeSize": 16}},
    "eight characters": {"keyspace": {"minLength": 8, "maxLength": 8, "rangeSize": 28_211_100}},
    "six characters, bounded": {"keyspace": {"minLength": 6, "maxLength": 6, "first": "th0000", "last": "thzzzz"}},
    "a refined keyspace": {"keyspace": {"minLength": 1, "maxLength": 8}},
    "a query in quotes": {"source": {"queryTemplate": 'artist:"{}"', "market": "NO"}},
    "an address in IPv6": {"source": {"baseURL": "http://[2001:db8::1]:65535/api/"}},
    "Spotify": {"source": {"type": "Spotify", "termsAccepted": True, "credentialsSecretRef": {"name": "spotify"}}},
    "Spotify, by its member": {
        "source": {
            "type": "Spotify",
            "spotify": {"market": "SE", "termsAccepted": True},
            "credentialsSecretRef": {"name": "spotify"},
        }
    },
    "Spotify, by both": {
        "source": {
            "type": "Spotify",
            "market": "SE",
            "termsAccepted": True,
            "spotify": {"market": "SE"},
            "credentialsSecretRef": {"name": "spotify"},
        }
    },
    "a stored sandbox with what was flat": {"source": {"market": "SE", "termsAccepted": False}},
    "a dataset": {"source": {"dataset": "[2001:db8::1]:8443"}},
    "a run": {"run": 2_147_483_647},
    "Spotify's form on loopback": {
        "source": {
            "type": "Spotify",
            "termsAccepted": True,
            "credentialsSecretRef": {"name": "s"},
            "tokenURL": "http://127.0.0.1:9/t",
        }
    },
    "the shortest times": {
        "source": {"requestTimeout": "1s"},
        "rateLimit": {"window": "1000ms"},
        "retry": {"initialBackoff": "100ms", "maxBackoff": "100ms"},
        "ttlAfterFinished": "0s",
    },
    "the longest times": {
        "source": {"requestTimeout": "2m"},
        "rateLimit": {"window": "24h"},
        "deadline": "87600h",
        "requestLogRetention": "720h",
    },
    "backoffs in different units": {"retry": {"initialBackoff": "60s", "maxBackoff": "1m"}},
    "no workers by hand": {"workers": {"replicas": 0}},
    "quantities": {"workers": {"resources": {"limits": {"cpu": 2, "memory": "256Mi"}, "requests": {"cpu": "0.5"}}}},
    "Kueue's label": {"workers": {"labels": {"kueue.x-k8s.io/queue-name": "crawls"}}},
    "a toleration of everything": {"workers": {"tolerations": [{"operator": "Exists"}]}},
    "nodes counted": {"rateLimit": {"bucket": "Node"}},
}


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_a_valid_crawljob_is_accepted_here_and_there(spec: Spec_, refusal: Refusal) -> None:
    assert refusal(crawljob(spec)) == ""
    crawljob_of(crawljob(spec), origin="it")


TOO_MANY_RANGES: dict[str, tuple[Spec_, str]] = {
    "too many ranges": ({"keyspace": {"rangeSize": 16}}, "write rangeSize: 17 or more"),
    "one range too many": ({"keyspace": {**strings(1_600_001, at=5), "rangeSize": 16}}, "write rangeSize: 17 or more"),
    "too many ranges of eight characters": (
        {"keyspace": {"minLength": 8, "maxLength": 8}},
        "write rangeSize: 28211100 or more",
    ),
}


@pytest.mark.parametrize(("spec", "says"), TOO_MANY_RANGES.values(), ids=TOO_MANY_RANGES.keys())
def test_what_only_the_code_can_compute_is_told_by_the_operator(spec: Spec_, says: str, refusal: Refusal) -> None:
    assert refusal(crawljob(spec)) == ""
    with pytest.raises(SpecError, match=says):
        crawljob_of(crawljob(spec), origin="it")


REFUSED: dict[str, tuple[Spec_, str]] = {
    "a port above all": ({"source": {"baseURL": "http://a:65536"}}, "write a port from 1 to 65535"),
    "port zero": ({"source": {"tokenURL": "http://[::1]:0/x"}}, "write a port from 1 to 65535"),
    "a negative quantity": ({"workers": {"resources": {"limits": {"cpu": -1}}}}, "write a quantity such as 500m"),
    "a window below its bound": ({"rateLimit": {"window": "999ms"}}, "write a duration from 1s to 24h"),
    "a deadline beyond all": ({"deadline": "9999999999999h"}, "write a duration from 1m to 87600h"),
}


@pytest.mark.parametrize(("spec", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_just_beyond_a_bound_is_refused_with_the_remedy(spec: Spec_, says: str, refusal: Refusal) -> None:
    assert says in refusal(crawljob(spec))


def test_a_name_has_room_in_a_label(refusal: Refusal) -> None:
    assert refusal(crawljob({}, name="a" * 63)) == ""
    assert "write a metadata.name of at most 63 characters" in refusal(crawljob({}, name="a" * 64))


# --- A CrawlJob that is there -----------------------------------------------------------------------------------------


class Job:
    """A CrawlJob in the test's namespace."""

    def __init__(self, kube: client.ApiClient, namespace: str) -> None:
        self._api = client.CustomObjectsApi(kube)
        self._where = (*CRAWLJOBS, namespace, PLURAL)

    def create(self, spec: Spec_ | None) -> Any:
        return self._api.create_namespaced_custom_object(*self._where, crawljob(spec))

    def patch(self, spec: Spec_) -> str:
        """What the API server says to a change; empty where it makes it."""
        try:
            self._api.patch_namespaced_custom_object(
                *self._where, "artists", {"spec": spec}, _content_type=MERGE, dry_run="All"
            )
        except client.ApiException as error:
            if error.status != 422:
                raise
            return str(json.loads(error.body)["message"])
        return ""

    def patch_status(self, status: dict[str, Any]) -> Any:
        return self._api.patch_namespaced_custom_object_status(
            *self._where, "artists", {"status": status}, _content_type=MERGE
        )


@pytest.fixture
def job(kube: client.ApiClient, namespace: str) -> Job:
    return Job(kube, namespace)


@pytest.mark.parametrize("spec", [None, {}], ids=["no spec", "an empty spec"])
def test_the_defaults_are_those_of_the_types(spec: Spec_ | None, job: Job) -> None:
    assert crawljob_of(job.create(spec), origin="it").spec == Spec()


def test_defaults_fill_what_a_section_leaves_out(job: Job) -> None:
    made = job.create({"rateLimit": {"requests": 7}, "workers": {"tolerations": [{"key": "spot"}]}})
    assert made["spec"]["rateLimit"] == {"requests": 7, "window": "30s", "bucket": "Credential", "spacing": "Even"}
    assert made["spec"]["workers"]["tolerations"] == [{"key": "spot", "operator": "Equal"}]


FULL: Spec_ = {
    "keyspace": {"minLength": 2, "maxLength": 2, "first": "aa", "last": "zz", "rangeSize": 40},
    "source": {
        "dataset": "copy",
        "baseURL": "http://sandbox/",
        "tokenURL": "http://sandbox/t",
        "market": "SE",
        "requestTimeout": "60s",
    },
}
IMMUTABLE: dict[str, Spec_] = {
    "alphabet": {"keyspace": {"alphabet": "abcdefghijklmnopqrstuvwxyz"}},
    "minLength": {"keyspace": {"minLength": 1, "first": None, "last": None}},
    "maxLength": {"keyspace": {"maxLength": 3, "first": None, "last": None}},
    "first": {"keyspace": {"first": "ab"}},
    "first, taken away": {"keyspace": {"first": None}},
    "last": {"keyspace": {"last": "zy"}},
    "the whole keyspace": {"keyspace": None},
    "type": {"source": {"type": "Spotify", "termsAccepted": True, "credentialsSecretRef": {"name": "s"}}},
    "dataset": {"source": {"dataset": "another"}},
    "queryTemplate": {"source": {"queryTemplate": "artist:{}"}},
    "market": {"source": {"market": "NO"}},
    "market, taken away": {"source": {"market": None}},
}


@pytest.mark.parametrize(("name", "change"), IMMUTABLE.items(), ids=IMMUTABLE.keys())
def test_what_would_be_another_job_is_refused(name: str, change: Spec_, job: Job) -> None:
    job.create(FULL)
    message = job.patch(change)
    assert "cannot change" in message
    assert "CrawlJob of another name" in message
    named = {"market": "spotify.market"}.get(name.split(",")[0], name.split(",")[0])
    assert f".{named}: " in message or name == "the whole keyspace"


@pytest.mark.parametrize(
    ("before", "change", "says"),
    [
        ({}, {"source": {"queryTemplate": "a {}"}}, "write {} again, or a CrawlJob of another name"),
        (FULL, {"keyspace": {"first": "ab"}}, "write aa again, or a CrawlJob of another name"),
        ({}, {"keyspace": {"first": "0001"}}, "leave it out again, or write a CrawlJob of another name"),
        (FULL, {"source": {"market": "NO"}}, "write SE again, or a CrawlJob of another name"),
    ],
)
def test_the_message_says_the_former_value(before: Spec_, change: Spec_, says: str, job: Job) -> None:
    job.create(before)
    assert says in job.patch(change)


SPOTIFY: Spec_ = {
    "source": {"type": "Spotify", "market": "SE", "termsAccepted": True, "credentialsSecretRef": {"name": "spotify"}}
}
SAME: dict[str, tuple[Spec_, Spec_]] = {
    "a dataset, given its name": ({}, {"source": {"dataset": "sandbox"}}),
    "a dataset, left out": ({"source": {"dataset": "sandbox"}}, {"source": {"dataset": None}}),
    "market and terms, moved to the member": (
        SPOTIFY,
        {"source": {"market": None, "termsAccepted": None, "spotify": {"market": "SE", "termsAccepted": True}}},
    ),
    "the keyspace, left out": ({"keyspace": {"minLength": 4, "rangeSize": 1296}}, {"keyspace": None}),
}


@pytest.mark.parametrize(("before", "change"), SAME.values(), ids=SAME.keys())
def test_the_same_job_in_other_words_is_accepted(before: Spec_, change: Spec_, job: Job) -> None:
    job.create(before)
    assert job.patch(change) == ""


LIVE: dict[str, Spec_] = {
    "rateLimit": {"rateLimit": {"requests": 100, "window": "1m", "bucket": "Job", "spacing": "Burst"}},
    "bucketName": {"rateLimit": {"bucketName": "mine"}},
    "retry": {"retry": {"maxAttempts": 3}},
    "numbers of workers": {"workers": {"min": 2, "max": 9, "replicas": 3, "concurrency": 8}},
    "pods": {"workers": {"resources": {"limits": {"memory": "1Gi"}}, "labels": {"team": "data"}}},
    "credentials": {"source": {"credentialsSecretRef": {"name": "other"}}},
    "proxy": {"source": {"proxy": "FromEnvironment"}},
    "addresses": {"source": {"baseURL": "http://other", "tokenURL": None}},
    "requests": {"source": {"requestTimeout": "20s", "pageSize": 10}},
    "rangeSize": {"keyspace": {"rangeSize": 41}},
    "rangeSize, taken away": {"keyspace": {"rangeSize": None}},
    "terms": {"source": {"termsAccepted": True}},
    "run": {"run": 2},
    "backends": {"backendsSecretRef": {"name": "other"}},
    "suspend": {"suspend": True},
    "times": {"deadline": "60h", "deadlinePolicy": "Suspend", "ttlAfterFinished": "1h", "requestLogRetention": "1h"},
    "dataPolicy": {"dataPolicy": "Delete"},
}


@pytest.mark.parametrize("change", LIVE.values(), ids=LIVE.keys())
def test_what_may_change_while_a_job_lives_is_accepted(change: Spec_, job: Job) -> None:
    job.create(FULL)
    assert job.patch(change) == ""


def test_a_change_is_checked_like_a_new_job(job: Job) -> None:
    job.create(FULL)
    assert "write max: 20 or more" in job.patch({"workers": {"min": 20}})


# --- Status -----------------------------------------------------------------------------------------------------------

INSTANT = "2026-11-23T06:00:00Z"
STATUS = Status(
    state="Frozen",
    frozen_until=INSTANT,
    estimated_completion_time=INSTANT,
    time_left="57d4h",
    start_time=INSTANT,
    completion_time=INSTANT,
    workers=WorkerCounts(desired=3, current=3, ready=2),
    selector="a=b",
    handled=Handled(unfreeze="now"),
    observed_generation=4,
    conditions=(
        Condition(
            type="Succeeded",
            status="Unknown",
            reason="Crawling",
            message="",
            last_transition_time=INSTANT,
            observed_generation=4,
        ),
    ),
)


def test_a_status_comes_back_as_it_was_written(job: Job) -> None:
    job.create({})
    written = STATUS.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert job.patch_status(copy.deepcopy(written))["status"] == written


def test_a_status_is_no_part_of_a_new_crawljob(job: Job, kube: client.ApiClient, namespace: str) -> None:
    body = {**crawljob({}), "status": {"state": "Succeeded"}}
    made = client.CustomObjectsApi(kube).create_namespaced_custom_object(*CRAWLJOBS, namespace, PLURAL, body)
    assert "status" not in made


def test_a_condition_has_one_place_a_type(job: Job) -> None:
    job.create({})
    twice = STATUS.model_dump(mode="json", by_alias=True, exclude_none=True)
    twice["conditions"] *= 2
    with pytest.raises(client.ApiException, match="Duplicate value"):
        job.patch_status(twice)
