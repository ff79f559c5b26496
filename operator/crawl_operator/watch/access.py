"""The way into the cluster, and lists of our objects by name: for the first look, and to check the watches.

Only metadata is listed: whole objects come by the watches.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from kubernetes import config
from kubernetes.client import ApiClient, Configuration

from crawl_core.errors import ConfigurationError, UnavailableError
from crawl_operator.kube.call_metrics import count_call
from crawl_operator.kube.transport import Answer, TransportError, send
from crawl_operator.values import names
from crawl_operator.values.model import Key
from crawl_operator.watch.store import Kind

_TIMEOUT_S = (5.0, 30.0)

_WHERE: Mapping[Kind, tuple[str, str]] = {
    "crawljobs": (names.GROUP, names.VERSION),
    "deployments": ("apps", "v1"),
}

# Names, uids and versions only: a thousand CrawlJobs are then a few hundred KiB.
_METADATA_ONLY = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}


class ClusterUnavailableError(UnavailableError):
    """The API server cannot be reached, or is not ready."""


class CrdMissingError(UnavailableError):
    """The cluster knows no CrawlJobs yet."""


class RefusedError(ConfigurationError):
    """Our objects must not be listed there: a role is missing, or the namespace with it."""


def connect() -> ApiClient:
    """A client of the cluster that this process is in, or that the kubeconfig names."""
    settings = Configuration()
    try:
        config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
    except config.ConfigException:
        try:
            config.load_kube_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        except (config.ConfigException, OSError) as error:
            raise ConfigurationError(
                "no cluster: this is no pod with a service account, and no kubeconfig was found; "
                f"set KUBECONFIG to the path of one ({error})"
            ) from error
    # urllib3 would repeat a request three times by itself, a write among them, and beyond every time limit of ours.
    settings.retries = False
    return ApiClient(settings)


async def probe(api: ApiClient, namespace: str) -> None:
    """Raise RefusedError, CrdMissingError or ClusterUnavailableError where a list ("": of all namespaces) would."""
    for kind in _WHERE:
        await asyncio.to_thread(_list, api, kind, namespace, limit=1)


async def listed(api: ApiClient, kind: Kind, namespaces: Sequence[str]) -> dict[Key, Mapping[str, Any]]:
    """The metadata of all objects of a kind, as they are now, in the namespaces (none: all)."""
    metadata_by_key: dict[Key, Mapping[str, Any]] = {}
    for namespace in namespaces or ("",):
        for item in await asyncio.to_thread(_list, api, kind, namespace):
            metadata = item["metadata"]
            metadata_by_key[Key(metadata["namespace"], metadata["name"])] = metadata
    return metadata_by_key


def _list(api: ApiClient, kind: Kind, namespace: str, *, limit: int | None = None) -> Sequence[Mapping[str, Any]]:
    group, version = _WHERE[kind]
    where = f"namespaces/{quote(namespace, safe='')}/" if namespace else ""
    query = {} if limit is None else {"limit": str(limit)}
    if kind == "deployments":
        query["labelSelector"] = names.COMMON_SELECTOR
    try:
        with count_call("GET", kind) as api_call:
            answer = send(
                api, "GET", f"/apis/{group}/{version}/{where}{kind}",
                query=query, headers=_METADATA_ONLY, timeout_s=_TIMEOUT_S,
            )  # fmt: skip
            api_call.status = answer.status
            text = answer.read()
    except TransportError as error:
        raise ClusterUnavailableError(f"the API server is out of reach: {error}") from error
    if answer.status >= HTTPStatus.BAD_REQUEST:
        raise _meaning(answer, kind, namespace)
    items: Sequence[Mapping[str, Any]] = json.loads(text)["items"] or ()
    return items


def _meaning(answer: Answer, kind: Kind, namespace: str) -> Exception:
    match answer.status:
        case HTTPStatus.FORBIDDEN:
            group = names.GROUP if kind == "crawljobs" else "apps"
            where = f"namespace {namespace}" if namespace else "all namespaces"
            role = "Role there" if namespace else "ClusterRole"
            alternative = "" if namespace else ", or name the namespaces to serve in ARTISTCRAWL_NAMESPACES"
            return RefusedError(
                f"the operator may not list {kind} in {where}; give its service account a {role} with "
                f"apiGroups [{group}], resources [{kind}], verbs [get, list, watch]{alternative}"
            )
        case HTTPStatus.UNAUTHORIZED:
            return ConfigurationError("the API server does not accept the operator's credentials; renew the kubeconfig")
        case HTTPStatus.NOT_FOUND if kind == "crawljobs":
            return CrdMissingError(
                "the cluster knows no CrawlJobs; run: kubectl apply -f k8s/crds/crawljobs.artistcrawl.dev.yaml "
                "(or install the chart with crds.enabled=true)"
            )
        case _:
            return ClusterUnavailableError(f"the API server answered {answer.status} {answer.reason}")
