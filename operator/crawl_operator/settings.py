"""The settings of `artistcrawl operator`: flags, each with an environment variable that the chart sets.

How workers are made is decided elsewhere; here stands only what the administrator says about it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crawl_core.errors import ConfigurationError
from crawl_core.logs import LogFormat
from crawl_core.serving.address import MetricsAddress, parse_metrics_address
from crawl_operator.values import names
from crawl_operator.values.model import WorkerSettings

PREFIX = "ARTISTCRAWL_"
DEFAULT_PROBE_PORT = 8080
DEFAULT_METRICS_PORT = "9090"

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """All of them."""

    namespaces: tuple[str, ...]
    """Whose CrawlJobs are served; empty: all, which needs a ClusterRole."""
    workers: WorkerSettings
    lease_namespace: str
    lease_name: str
    """Who shares it takes turns, whatever they watch."""
    identity: str
    """Of this process, never of a pod: one that restarts in its pod is another."""
    probe_port: int | None
    metrics: MetricsAddress
    log_format: LogFormat
    log_level: str


def read_settings(argv: Sequence[str] | None, environment: Mapping[str, str] = os.environ) -> OperatorSettings:
    """From flags, else from the environment. Raises ConfigurationError with what to write instead."""
    options = _parser(environment).parse_args(argv)
    namespaces = tuple(dict.fromkeys(_list(options.namespaces)))
    for namespace in namespaces:
        if _NAME.fullmatch(namespace) is None:
            raise ConfigurationError(f"--namespaces: {namespace!r} is no namespace's name; write NAME,NAME without *")
    if _NAME.fullmatch(options.lease_name) is None:
        raise ConfigurationError(f"--lease-name: {options.lease_name!r}: write small letters, digits and -")
    if not options.worker_image:
        raise ConfigurationError(
            f"no image for workers; give --worker-image IMAGE, or set {PREFIX}WORKER_IMAGE (the chart does)"
        )
    pod = environment.get("POD_NAME") or socket.gethostname()
    return OperatorSettings(
        namespaces=namespaces,
        workers=_workers(options),
        lease_namespace=options.lease_namespace or (namespaces[0] if namespaces else "default"),
        lease_name=options.lease_name,
        identity=f"{pod}_{uuid.uuid4().hex[:8]}",
        probe_port=None if options.probe_port < 0 else options.probe_port,
        metrics=parse_metrics_address(options.metrics_port),
        log_format=options.log_format,
        log_level=options.log_level,
    )


def _workers(options: argparse.Namespace) -> WorkerSettings:
    return WorkerSettings(
        image=options.worker_image,
        image_pull_policy=options.worker_image_pull_policy,
        image_pull_secrets=_list(options.worker_image_pull_secrets),
        service_account=options.worker_service_account,
        sandbox_url=options.sandbox_url.rstrip("/"),
        labels=_strings("--worker-labels", options.worker_labels),
        annotations=_strings("--worker-annotations", options.worker_annotations),
        environment=_strings("--worker-environment", options.worker_environment),
    )


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="artistcrawl operator", description="Turn CrawlJobs into workers.")

    def add(flag: str, default: str, help_text: str, variable: str = "", **more: Any) -> None:
        name = variable or PREFIX + flag.upper().replace("-", "_")
        value = environment.get(name) or default
        if value not in more.get("choices", (value,)):
            raise ConfigurationError(f"{name}: {value!r}: write one of {', '.join(more['choices'])}")
        parser.add_argument(f"--{flag}", default=value, help=f"{help_text} (${name})", **more)

    add("namespaces", "", "whose CrawlJobs to serve; empty: all", metavar="NAME,NAME")
    add("worker-image", "", "what workers run", metavar="IMAGE")
    add("worker-image-pull-policy", "IfNotPresent", "of that image", choices=("Always", "IfNotPresent", "Never"))
    add("worker-image-pull-secrets", "", "Secrets to pull it with", metavar="NAME,NAME")
    add("worker-service-account", "", "of the workers' pods; empty: their namespace's default one", metavar="NAME")
    add("worker-labels", "{}", "more labels for workers", metavar="JSON")
    add("worker-annotations", "{}", "more annotations for workers' pods", metavar="JSON")
    add("worker-environment", "{}", "more environment variables for workers", metavar="JSON")
    add("sandbox-url", "", "the sandbox inside the cluster, for CrawlJobs that name none", metavar="URL")
    add("lease-namespace", "", "where the Lease is that operators hold in turn", "POD_NAMESPACE", metavar="NAME")
    add("lease-name", names.LEASE, "of that Lease: two installations in one namespace need one each", metavar="NAME")
    add("metrics-port", DEFAULT_METRICS_PORT, "of /metrics; HOST:PORT for one address alone; -1: none", metavar="PORT")
    add("log-format", "json", "of the log", choices=("json", "console"))
    add("log-level", "INFO", "of the log", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    parser.add_argument(
        "--probe-port", type=int, default=DEFAULT_PROBE_PORT, metavar="PORT", help="of /healthz and /readyz; -1: none"
    )
    return parser


def _list(text: str) -> tuple[str, ...]:
    return tuple(part for part in (each.strip() for each in text.split(",")) if part)


def _strings(flag: str, text: str) -> dict[str, str]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        value = None
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise ConfigurationError(f'{flag}: {text!r}: write a JSON object of strings, such as {{"team": "music"}}')
    return value
