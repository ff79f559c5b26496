"""The operator's requests to the API server: each write at the version that was observed.

That version is what keeps two operators from acting both: the second one's observation is old, and it is refused. A
CrawlJob's spec is never written: it belongs to the user.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from crawl_core.spec import API_VERSION, KIND
from crawl_core.spec.status import Status
from crawl_operator.kube.api import APPLY, MERGE, Api, MissingError, path_of
from crawl_operator.kube.views import pod_troubles
from crawl_operator.values import names
from crawl_operator.values.model import CrawlJobView, DeploymentView, Key, PodTrouble

_CRAWLJOBS = f"apis/{API_VERSION}"
_APPS = "apis/apps/v1"
_CORE = "api/v1"

_OURS = {"fieldManager": names.FIELD_MANAGER}
_OURS_BY_FORCE = {**_OURS, "force": "true"}

NO_VERSION = "1"
"""No object has this resourceVersion: applied at it, an object that exists is a conflict, and a missing one is made.

Without it, server-side apply would take over a Deployment of another owner, or one that the watch has not brought yet.
"""
PODS_LOOKED_AT = 20
"""Pods of one CrawlJob that are asked for when workers are not ready: enough to tell why."""


class Cluster:
    """The operator's requests. Each raises an ApiError."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def confirm(self, crawljob: CrawlJobView) -> None:
        """Return where the CrawlJob is still as it was seen; else it is a conflict.

        Called before RecordJob and MarkDeleted. The ledger knows no resourceVersion: an operator that slept since its
        look would bring back a spec that a user has changed, or delete the rows of a later CrawlJob. A patch as a dry
        run has the API server compare the version and keeps nothing, so the CrawlJob does not change; it takes no right
        beside the one to patch, which finalizers need anyway.
        """
        path = path_of(_CRAWLJOBS, crawljob.key.namespace, names.PLURAL, crawljob.key.name)
        body = {"metadata": {"uid": crawljob.uid, "resourceVersion": crawljob.resource_version}}
        await self._api.request("PATCH", path, query={**_OURS, "dryRun": "All"}, body=body, content_type=MERGE)

    async def apply_status(self, crawljob: CrawlJobView, status: Status) -> str:
        """Write the whole status; what it no longer says goes. The CrawlJob's new resourceVersion."""
        body = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": crawljob.key.name, "uid": crawljob.uid, "resourceVersion": crawljob.resource_version},
            "status": status_object(status),
        }
        path = path_of(_CRAWLJOBS, crawljob.key.namespace, names.PLURAL, crawljob.key.name, "status")
        answer = await self._api.request("PATCH", path, query=_OURS_BY_FORCE, body=body, content_type=APPLY)
        return str(answer["metadata"]["resourceVersion"])

    async def set_finalizers(self, crawljob: CrawlJobView, finalizers: Sequence[str]) -> str:
        """Write the finalizers. The CrawlJob's new resourceVersion."""
        metadata = {"uid": crawljob.uid, "resourceVersion": crawljob.resource_version, "finalizers": list(finalizers)}
        path = path_of(_CRAWLJOBS, crawljob.key.namespace, names.PLURAL, crawljob.key.name)
        answer = await self._api.request("PATCH", path, query=_OURS, body={"metadata": metadata}, content_type=MERGE)
        return str(answer["metadata"]["resourceVersion"])

    async def delete_crawljob(self, crawljob: CrawlJobView) -> None:
        """Delete the CrawlJob, where it is still the one that was seen."""
        path = path_of(_CRAWLJOBS, crawljob.key.namespace, names.PLURAL, crawljob.key.name)
        at = {"uid": crawljob.uid, "resourceVersion": crawljob.resource_version}
        await self._api.request("DELETE", path, body=_delete_options("Background", at))

    async def create_deployment(self, namespace: str, manifest: Mapping[str, Any]) -> None:
        """Make a Deployment. One of its name that exists is a conflict.

        Applied, not posted: what is posted belongs to another manager, and a field of it could never be taken away.
        """
        await self._apply_deployment(namespace, manifest, {"resourceVersion": NO_VERSION})

    async def apply_deployment(self, namespace: str, manifest: Mapping[str, Any], *, at: DeploymentView) -> str:
        """Replace the workers' template; their number stays where the manifest says none. The new resourceVersion."""
        # Without the uid, a Deployment that was deleted meanwhile would be made anew.
        identity = {"uid": at.uid, "resourceVersion": at.resource_version}
        spec = {"replicas": at.replicas, **manifest.get("spec", {})}
        return await self._apply_deployment(namespace, {**manifest, "spec": spec}, identity)

    async def _apply_deployment(self, namespace: str, manifest: Mapping[str, Any], identity: Mapping[str, str]) -> str:
        metadata = {**manifest["metadata"], "namespace": namespace, **identity}
        body = {**manifest, "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}
        path = path_of(_APPS, namespace, "deployments", metadata["name"])
        answer = await self._api.request("PATCH", path, query=_OURS_BY_FORCE, body=body, content_type=APPLY)
        return str(answer["metadata"]["resourceVersion"])

    async def get_deployment(self, namespace: str, name: str) -> dict[str, Any]:
        """A Deployment that the watch does not bring, since it lacks our labels."""
        return await self._api.request("GET", path_of(_APPS, namespace, "deployments", name))

    async def scale_deployment(
        self,
        namespace: str,
        name: str,
        *,
        replicas: int,
        at: DeploymentView,
        more: Mapping[str, Any] | None = None,
    ) -> str:
        """Set the number of workers, and `more` of the Deployment's metadata. The new resourceVersion."""
        metadata = {"uid": at.uid, "resourceVersion": at.resource_version, **(more or {})}
        body = {"metadata": metadata, "spec": {"replicas": replicas}}
        path = path_of(_APPS, namespace, "deployments", name)
        answer = await self._api.request("PATCH", path, query=_OURS, body=body, content_type=MERGE)
        return str(answer["metadata"]["resourceVersion"])

    async def delete_deployment(self, namespace: str, name: str, *, uid: str) -> None:
        """Delete the Deployment of this uid once its pods are gone; one that is gone already is a success."""
        try:
            path = path_of(_APPS, namespace, "deployments", name)
            await self._api.request("DELETE", path, body=_delete_options("Foreground", {"uid": uid}))
        except MissingError:
            return

    async def get_secret(self, namespace: str, name: str) -> dict[str, Any]:
        """A Secret, by its name alone: the operator may not list them."""
        return await self._api.request("GET", path_of(_CORE, namespace, "secrets", name))

    async def pod_troubles(self, key: Key, *, now: datetime) -> tuple[PodTrouble, ...]:
        """Why some of a CrawlJob's workers are not ready."""
        query = {"labelSelector": names.selector_text(key.name), "limit": str(PODS_LOOKED_AT), "resourceVersion": "0"}
        answer = await self._api.request("GET", path_of(_CORE, key.namespace, "pods"), query=query)
        return pod_troubles(answer.get("items") or [], now=now)

    async def create_event(self, namespace: str, event: Mapping[str, Any]) -> None:
        """Record an Event."""
        await self._api.request("POST", path_of(_CORE, namespace, "events"), query=_OURS, body=event)

    async def patch_event(self, namespace: str, name: str, changes: Mapping[str, Any]) -> None:
        """Count an Event again."""
        path = path_of(_CORE, namespace, "events", name)
        await self._api.request("PATCH", path, query=_OURS, body=changes, content_type=MERGE)


def _delete_options(propagation: str, at: Mapping[str, str]) -> dict[str, Any]:
    kind = {"apiVersion": "v1", "kind": "DeleteOptions"}
    return {**kind, "propagationPolicy": propagation, "preconditions": dict(at)}


def status_object(status: Status) -> dict[str, Any]:
    """A status as the API server keeps it: without what is absent, since apply refuses null."""
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)
