"""The workers' Deployment, as an object of Kubernetes. Pure.

How many workers there are stands in `scaling`, and when they are replaced in `workers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crawl_core.serving.address import VARIABLE as METRICS_VARIABLE
from crawl_core.spec import API_VERSION, KIND, CrawlJob, Resources, Spec, Workers
from crawl_operator.decide.digests import template_digest
from crawl_operator.values import names
from crawl_operator.values.model import CrawlJobView, WorkerSettings

PROBE_PORT = 8080
METRICS_PORT = 9090
CREDENTIALS = "/etc/artistcrawl/credentials"
LONGEST_REQUEST_S = 120
"""Seconds of the longest source.requestTimeout. It may be raised while a pod runs, whose time to end stays as it is."""
DRAIN_S = 15
"""Seconds that a pod gets to end beyond the longest request; one that is done ends at once."""

# A node that is lost: Kubernetes waits 300 s by default, in which its ranges' work stands still.
NODE_LOST_S = 30
_NODE_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")

# The CPU is a share to start with, not a limit: a throttled worker would miss its permits' instants.
_DEFAULT_RESOURCES = {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}}

Manifest = dict[str, Any]


def workers_deployment(view: CrawlJobView, *, settings: WorkerSettings, replicas: int, backends: str = "") -> Manifest:
    """The workers' Deployment. Raises ValueError for a CrawlJob whose spec is invalid."""
    if view.job is None:
        raise ValueError(f"CrawlJob {view.key} has no valid spec")
    spec, digest = view.job.spec, template_digest(view)
    labels = {**settings.labels, **spec.workers.labels, **names.selector_of(view.key.name)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": names.workers_of(view.key.name),
            "namespace": view.key.namespace,
            # The user's labels stand here, too: Kueue takes a Deployment's queue from the Deployment's own label.
            "labels": labels,
            # Not on the pods: another address is no other template, and must not replace them one at a time.
            "annotations": {
                names.ANNOTATION_TEMPLATE: digest,
                **({names.ANNOTATION_BACKENDS: backends} if backends else {}),
            },
            "ownerReferences": [_owner(view)],
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": names.selector_of(view.key.name)},
            # One at a time, and never more than asked for: a worker more would take connections that nobody planned.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
            "revisionHistoryLimit": 2,
            "progressDeadlineSeconds": 600,
            "template": {
                "metadata": {
                    "labels": labels,
                    # The digest here, too: a restart that is asked for changes nothing else.
                    "annotations": {**settings.annotations, names.ANNOTATION_TEMPLATE: digest},
                },
                "spec": _pod(view.job, view=view, settings=settings),
            },
        },
    }


def _owner(view: CrawlJobView) -> Manifest:
    # Without blockOwnerDeletion, which needs a right to finalizers on some clusters and brings nothing here.
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": view.key.name,
        "uid": view.uid,
        "controller": True,
    }


def _pod(job: CrawlJob, *, view: CrawlJobView, settings: WorkerSettings) -> Manifest:
    spec = job.spec
    pod: Manifest = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        # Linux drops a SIGTERM that comes before the first process of a namespace handles it. So a worker that is told
        # to stop while it starts would crawl on until it is killed; it is not the first process here.
        "shareProcessNamespace": True,
        "terminationGracePeriodSeconds": LONGEST_REQUEST_S + DRAIN_S,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "tolerations": tolerations(spec.workers),
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": names.selector_of(view.key.name)},
            }
        ],
        "containers": [_container(spec, view=view, settings=settings)],
        "volumes": _volumes(spec),
    }
    if settings.service_account:
        pod["serviceAccountName"] = settings.service_account
    if settings.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in settings.image_pull_secrets]
    if spec.workers.node_selector:
        pod["nodeSelector"] = dict(spec.workers.node_selector)
    if spec.workers.priority_class_name:
        pod["priorityClassName"] = spec.workers.priority_class_name
    return pod


def _container(spec: Spec, *, view: CrawlJobView, settings: WorkerSettings) -> Manifest:
    return {
        "name": names.CONTAINER,
        "image": settings.image,
        "imagePullPolicy": settings.image_pull_policy,
        "command": ["artistcrawl"],
        "args": _arguments(spec, view=view, settings=settings),
        "env": _environment(spec, settings),
        "ports": [
            {"name": "probes", "containerPort": PROBE_PORT, "protocol": "TCP"},
            {"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"},
        ],
        # Generous: a busy node must not kill workers. Liveness is the event loop's, so no backend is asked.
        "startupProbe": _probe("/healthz", period_s=2, failures=60),
        "livenessProbe": _probe("/healthz", period_s=10, failures=6),
        "readinessProbe": _probe("/readyz", period_s=5, failures=3),
        "resources": resources(spec.workers.resources),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": _mounts(spec),
    }


def _arguments(spec: Spec, *, view: CrawlJobView, settings: WorkerSettings) -> list[str]:
    arguments = [
        "worker",
        f"--job={view.key}",
        "--once-done=idle",
        f"--probe-port={PROBE_PORT}",
        "--worker-name=$(POD_NAME)",
        "--node=$(NODE_ADDRESS)",
    ]
    if spec.source.credentials_secret_ref is not None:
        arguments.append(f"--credentials={CREDENTIALS}")
    if spec.source.type == "Sandbox" and not spec.source.base_url and settings.sandbox_url:
        arguments.append(f"--base-url={settings.sandbox_url}")
    return arguments


def _environment(spec: Spec, settings: WorkerSettings) -> list[Manifest]:
    secret = spec.backends_secret_ref.name
    ours: list[Manifest] = [
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "NODE_ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}},
        {
            "name": "ARTISTCRAWL_POSTGRES_URL",
            "valueFrom": {"secretKeyRef": {"name": secret, "key": names.POSTGRES_URL}},
        },
        {"name": "ARTISTCRAWL_REDIS_URL", "valueFrom": {"secretKeyRef": {"name": secret, "key": names.REDIS_URL}}},
        # No flag: a worker of a release before that of metrics would refuse it.
        {"name": METRICS_VARIABLE, "value": str(METRICS_PORT)},
    ]
    taken = {variable["name"] for variable in ours}
    return ours + [
        {"name": name, "value": value} for name, value in sorted(settings.environment.items()) if name not in taken
    ]


def _volumes(spec: Spec) -> list[Manifest]:
    volumes: list[Manifest] = [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}]
    if spec.source.credentials_secret_ref is not None:
        items = [{"key": key, "path": key} for key in (names.CLIENT_ID, names.CLIENT_SECRET)]
        secret = {"secretName": spec.source.credentials_secret_ref.name, "items": items}
        volumes.append({"name": "credentials", "secret": secret})
    return volumes


def _mounts(spec: Spec) -> list[Manifest]:
    mounts: list[Manifest] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 -- a volume of the pod's own
    if spec.source.credentials_secret_ref is not None:
        mounts.append({"name": "credentials", "mountPath": CREDENTIALS, "readOnly": True})
    return mounts


def _probe(path: str, *, period_s: int, failures: int) -> Manifest:
    return {
        "httpGet": {"path": path, "port": "probes"},
        "periodSeconds": period_s,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def resources(asked: Resources) -> Manifest:
    """What a worker's container may use: as the spec says, else what a worker was measured to need."""
    amounts: Mapping[str, Mapping[str, str | int]] = {
        "requests": asked.requests,
        "limits": asked.limits,
    }
    filled = {name: dict(values) for name, values in amounts.items() if values}
    return filled or {name: dict(values) for name, values in _DEFAULT_RESOURCES.items()}


def tolerations(workers: Workers) -> list[Manifest]:
    """The spec's, and a short patience with lost nodes where the spec says nothing about them."""
    spec_tolerations = [each.model_dump(mode="json", by_alias=True, exclude_none=True) for each in workers.tolerations]
    ours = [
        {"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": NODE_LOST_S}
        for taint in _NODE_TAINTS
        if not any(each.key in (None, taint) and each.effect in (None, "NoExecute") for each in workers.tolerations)
    ]
    return spec_tolerations + ours
