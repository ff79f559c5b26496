"""Objects of the API server as the plan reads them. Pure.

A field that is unknown or missing fails nothing: an object of another version must not stop the operator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from crawl_core.errors import SpecError
from crawl_core.spec import API_VERSION, KIND, CrawlJob, crawljob_of
from crawl_operator.values import names
from crawl_operator.values.model import CrawlJobView, DeploymentView, Key, PodTrouble

Raw = Mapping[str, Any]

PATIENCE = timedelta(seconds=30)
"""A pod may take this long to become ready before that alone counts as trouble."""
_ON_ITS_WAY = frozenset({"ContainerCreating", "PodInitializing"})
_MESSAGE_CHARACTERS = 300


def crawljob_view(raw: Raw) -> CrawlJobView:
    """A CrawlJob. Where its spec is invalid, the view says why."""
    metadata = raw["metadata"]
    job, invalid = _read_spec(raw)
    return CrawlJobView(
        key=Key(str(metadata["namespace"]), str(metadata["name"])),
        uid=str(metadata["uid"]),
        resource_version=str(metadata["resourceVersion"]),
        generation=int(metadata.get("generation", 1)),
        created_at=_instant(metadata["creationTimestamp"]),
        annotations=dict(metadata.get("annotations") or {}),
        labels=dict(metadata.get("labels") or {}),
        finalizers=tuple(metadata.get("finalizers") or ()),
        deleted_at=_instant(metadata["deletionTimestamp"]) if metadata.get("deletionTimestamp") else None,
        status=dict(raw.get("status") or {}),
        job=job,
        invalid=invalid,
    )


def _read_spec(raw: Raw) -> tuple[CrawlJob | None, str]:
    metadata = raw["metadata"]
    data = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {name: metadata[name] for name in ("name", "namespace", "uid")},
        "spec": raw.get("spec") or {},
    }
    try:
        return crawljob_of(data, origin=f"CrawlJob {metadata['namespace']}/{metadata['name']}"), ""
    except SpecError as error:
        return None, "; ".join(str(problem) for problem in error.problems)


def deployment_view(raw: Raw) -> DeploymentView:
    """The workers' Deployment."""
    metadata, spec, status = raw["metadata"], raw.get("spec") or {}, raw.get("status") or {}
    containers = ((spec.get("template") or {}).get("spec") or {}).get("containers") or []
    owners = [owner["uid"] for owner in metadata.get("ownerReferences") or () if owner.get("controller")]
    return DeploymentView(
        uid=str(metadata["uid"]),
        resource_version=str(metadata["resourceVersion"]),
        owner_uid=str(owners[0]) if owners else "",
        template=str((metadata.get("annotations") or {}).get(names.ANNOTATION_TEMPLATE, "")),
        replicas=int(spec.get("replicas", 1)),
        ready=int(status.get("readyReplicas") or 0),
        image=next((str(each.get("image", "")) for each in containers if each.get("name") == names.CONTAINER), ""),
        deleting=bool(metadata.get("deletionTimestamp")),
        observed=int(status.get("observedGeneration") or 0) >= int(metadata.get("generation", 1)),
        failure=_failure(status),
        backends=str((metadata.get("annotations") or {}).get(names.ANNOTATION_BACKENDS, "")),
        labelled=_is_labelled(metadata.get("labels") or {}),
        created_at=_instant(metadata["creationTimestamp"]) if metadata.get("creationTimestamp") else None,
        pods=int(status.get("replicas") or 0),
    )


def _is_labelled(labels: Mapping[str, str]) -> bool:
    ours = all(labels.get(name) == value for name, value in names.COMMON_LABELS.items())
    return ours and names.LABEL_JOB in labels


def _failure(status: Raw) -> str:
    """Why no pods can be made, such as a quota."""
    for condition in status.get("conditions") or ():
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return _short(str(condition.get("message") or condition.get("reason") or ""))
    return ""


def pod_troubles(pods: Iterator[Raw] | list[Raw], *, now: datetime) -> tuple[PodTrouble, ...]:
    """Of the pods that are not ready and not about to be, what keeps them."""
    troubles = (_pod_trouble(pod, now) for pod in pods)
    return tuple(trouble for trouble in troubles if trouble is not None)


def _pod_trouble(pod: Raw, now: datetime) -> PodTrouble | None:
    metadata, status = pod["metadata"], pod.get("status") or {}
    conditions = {each["type"]: each for each in status.get("conditions") or ()}
    if metadata.get("deletionTimestamp") or (conditions.get("Ready") or {}).get("status") == "True":
        return None
    name, containers = str(metadata["name"]), [*(status.get("containerStatuses") or ())]
    restarts = sum(int(each.get("restartCount", 0)) for each in containers)
    reason, message = _container_reason(containers) or _pod_reason(status, conditions)
    if not reason:
        if now - _instant(metadata["creationTimestamp"]) < PATIENCE:
            return None
        ready = conditions.get("Ready") or {}
        reason, message = "NotReady", str(ready.get("message") or "its readiness probe does not pass")
    return PodTrouble(pod=name, reason=reason, message=_short(message), restarts=restarts)


def _container_reason(containers: list[Raw]) -> tuple[str, str] | None:
    for each in containers:
        state, last = each.get("state") or {}, (each.get("lastState") or {}).get("terminated") or {}
        waiting = state.get("waiting") or {}
        ended = state.get("terminated") or last
        how = f"ended with exit code {ended.get('exitCode')} ({ended.get('reason', 'Error')})" if ended else ""
        if waiting and waiting.get("reason") not in _ON_ITS_WAY:
            return str(waiting.get("reason") or "Waiting"), "; ".join(filter(None, (how, waiting.get("message"))))
        if state.get("terminated"):
            return str(ended.get("reason") or "Error"), how
    return None


def _pod_reason(status: Raw, conditions: Mapping[str, Raw]) -> tuple[str, str]:
    scheduled = conditions.get("PodScheduled") or {}
    if scheduled.get("status") == "False":
        return str(scheduled.get("reason") or "Unschedulable"), str(scheduled.get("message") or "")
    if status.get("reason"):
        return str(status["reason"]), str(status.get("message") or "")
    return "", ""


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MESSAGE_CHARACTERS else f"{line[: _MESSAGE_CHARACTERS - 3]}..."


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
