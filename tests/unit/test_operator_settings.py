"""What the operator is told: flags, environment, and what is wrong with them."""

from __future__ import annotations

import pytest

from crawl_core.errors import ConfigurationError
from crawl_core.serving.address import MetricsAddress
from crawl_operator.settings import read_settings

IMAGE = {"ARTISTCRAWL_WORKER_IMAGE": "artistcrawl/worker:1"}


def test_the_environment_says_all_that_flags_do() -> None:
    environment = {
        **IMAGE,
        "ARTISTCRAWL_NAMESPACES": "music, radio",
        "ARTISTCRAWL_WORKER_IMAGE_PULL_POLICY": "Never",
        "ARTISTCRAWL_WORKER_IMAGE_PULL_SECRETS": "one,two",
        "ARTISTCRAWL_WORKER_SERVICE_ACCOUNT": "workers",
        "ARTISTCRAWL_WORKER_LABELS": '{"team": "music"}',
        "ARTISTCRAWL_WORKER_ENVIRONMENT": '{"TZ": "UTC"}',
        "ARTISTCRAWL_SANDBOX_URL": "http://sandbox:8080/",
        "ARTISTCRAWL_LEASE_NAME": "music-operator",
        "ARTISTCRAWL_LOG_FORMAT": "console",
        "ARTISTCRAWL_LOG_LEVEL": "DEBUG",
        "ARTISTCRAWL_METRICS_PORT": "9191",
        "POD_NAMESPACE": "artistcrawl",
        "POD_NAME": "operator-1",
    }
    settings = read_settings([], environment)
    workers = settings.workers
    assert settings.namespaces == ("music", "radio")
    assert (workers.image, workers.image_pull_policy, workers.image_pull_secrets) == (
        "artistcrawl/worker:1",
        "Never",
        ("one", "two"),
    )
    assert (workers.service_account, workers.sandbox_url) == ("workers", "http://sandbox:8080")
    assert (workers.labels, workers.environment) == ({"team": "music"}, {"TZ": "UTC"})
    assert (settings.lease_namespace, settings.lease_name) == ("artistcrawl", "music-operator")
    assert (settings.log_format, settings.log_level) == ("console", "DEBUG")
    assert settings.metrics == MetricsAddress(9191)


def test_a_flag_beats_the_environment() -> None:
    assert read_settings(["--worker-image", "other"], IMAGE).workers.image == "other"


@pytest.mark.parametrize(
    ("arguments", "address"),
    [
        ([], MetricsAddress(9090)),
        (["--metrics-port", "0"], MetricsAddress(0)),
        (["--metrics-port", "127.0.0.1:9191"], MetricsAddress(9191, "127.0.0.1")),
        (["--metrics-port", "-1"], MetricsAddress()),
    ],
)
def test_metrics_are_served_on_9090_unless_told_otherwise(arguments: list[str], address: MetricsAddress) -> None:
    assert read_settings(arguments, IMAGE).metrics == address


def test_two_processes_of_one_pod_are_two() -> None:
    environment = {**IMAGE, "POD_NAME": "operator-1"}
    first, second = read_settings([], environment).identity, read_settings([], environment).identity
    assert (first.startswith("operator-1_"), first != second) == (True, True)


def test_outside_a_pod_the_lease_is_in_the_first_namespace_served() -> None:
    assert read_settings(["--namespaces", "music,radio"], IMAGE).lease_namespace == "music"


def test_a_namespace_that_is_named_twice_is_served_once() -> None:
    assert read_settings(["--namespaces", "b,a,b"], IMAGE).namespaces == ("b", "a")


def test_without_namespaces_all_are_served() -> None:
    assert read_settings([], IMAGE).namespaces == ()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--namespaces", "music*"], "write NAME,NAME without"),
        (["--lease-name", "A_B"], "write small letters, digits and -"),
        (["--worker-labels", "team=music"], "write a JSON object of strings"),
        (["--worker-environment", '{"N": 1}'], "write a JSON object of strings"),
        (["--metrics-port", "http"], "write PORT or HOST:PORT"),
        (["--worker-image", ""], "give --worker-image IMAGE, or set ARTISTCRAWL_WORKER_IMAGE"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_write(arguments: list[str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said.replace("*", r"\*")):
        read_settings(arguments, {} if "image" in said else IMAGE)


def test_a_value_of_the_environment_that_is_no_choice_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="ARTISTCRAWL_LOG_LEVEL"):
        read_settings([], {**IMAGE, "ARTISTCRAWL_LOG_LEVEL": "LOUD"})
