"""The API server as the plugin's user may see it, and what its refusals mean in plain words.

    WatchExpiredError   a watch's place in history is forgotten: list again
    ConfigurationError  no kubeconfig, no CRD, no such object, no right: a person must act
    UnavailableError    no answer, or "not now"

Objects travel as plain dicts. A request is never repeated here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from kubernetes import config
from kubernetes.client import ApiClient, Configuration

from crawl_core.errors import ArtistcrawlError, ConfigurationError, UnavailableError
from crawl_core.spec import API_VERSION
from crawl_core.text import clean
from crawl_operator.kube.refusals import denial, parsed
from crawl_operator.kube.transport import Answer, Body, Method, TransportError, send
from crawl_operator.values import names

FIELD_MANAGER = "kubectl-crawl"
MERGE = "application/merge-patch+json"
TIMEOUT_S = (5.0, 15.0)
"""To connect, and to be answered."""
_LONGEST_MESSAGE = 2_000
WATCH_S = 60
"""The API server ends a watch after so long; the next one begins where it ended. A dead connection lasts no longer."""
_WATCH_TIMEOUT_S = (5.0, WATCH_S + 15.0)
_NOTHING: Mapping[str, str] = {}

NOT_INSTALLED = (
    "artistcrawl is not installed here: the cluster knows no CrawlJobs; "
    "run: helm install artistcrawl charts/artistcrawl"
)


class WatchExpiredError(ArtistcrawlError):
    """The API server does not remember that far back."""


class NotFoundError(ConfigurationError):
    """There is no such object."""


@dataclass(frozen=True, slots=True)
class Access:
    """Whom to ask, as kubectl's flags say it; None is what the kubeconfig says."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
    user: str | None = None
    """Whom to impersonate."""


class PluginClient:
    """Requests to the API server, and the namespace that is meant where none is named."""

    def __init__(self, client: ApiClient, *, namespace: str) -> None:
        self._client = client
        self.namespace = namespace

    def get(self, path: str, query: Mapping[str, str] = _NOTHING) -> dict[str, Any]:
        """An object, or a list of them."""
        answer: dict[str, Any] = json.loads(self._text("GET", path, query=query))
        return answer

    def patch(self, path: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Merge changes into an object; the object, then."""
        query = {"fieldManager": FIELD_MANAGER}
        patched: dict[str, Any] = json.loads(self._text("PATCH", path, query=query, body=changes))
        return patched

    def watch(self, path: str, query: Mapping[str, str], *, version: str) -> Iterator[dict[str, Any]]:
        """What changes from a resourceVersion on, for a minute at most. Raises WatchExpiredError if it is too old."""
        asked = {**query, "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(WATCH_S)}
        for line in self.stream(path, {**asked, "resourceVersion": version}):
            event: dict[str, Any] = json.loads(line)
            if event["type"] == "ERROR":
                status = event["object"]
                raise _meaning(int(status.get("code") or 500), status, path)
            yield event

    def stream(
        self, path: str, query: Mapping[str, str], *, timeout_s: tuple[float, float] = _WATCH_TIMEOUT_S
    ) -> Iterator[bytes]:
        """An answer's lines, as they come."""
        with self._in_reach():
            yield from self._open("GET", path, query=query, timeout_s=timeout_s).lines()

    def _text(self, method: Method, path: str, *, query: Mapping[str, str], body: Body = None) -> bytes:
        with self._in_reach():
            return self._open(method, path, query=query, body=body).read()

    def _open(
        self,
        method: Method,
        path: str,
        *,
        query: Mapping[str, str],
        body: Body = None,
        timeout_s: tuple[float, float] = TIMEOUT_S,
    ) -> Answer:
        headers = {"Accept": "application/json", **({"Content-Type": MERGE} if body is not None else {})}
        answer = send(self._client, method, path, query=query, headers=headers, body=body, timeout_s=timeout_s)
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise _meaning(answer.status, parsed(answer.read()), path)
        return answer

    @contextmanager
    def _in_reach(self) -> Iterator[None]:
        try:
            yield
        except TransportError as error:
            host = self._client.configuration.host
            raise UnavailableError(f"the cluster at {host} is out of reach: {error.summary}") from error


def connect(access: Access) -> PluginClient:
    """The API server of a kubeconfig's context. Nothing is asked of it yet."""
    settings = Configuration()
    try:
        config.load_kube_config(  # type: ignore[no-untyped-call]
            access.kubeconfig, context=access.context, client_configuration=settings
        )
        contexts, active = config.list_kube_config_contexts(access.kubeconfig)  # type: ignore[no-untyped-call]
    except (config.ConfigException, OSError) as error:
        raise _no_kubeconfig(access, error) from error
    chosen = next((known for known in contexts if known["name"] == access.context), active)
    # urllib3 would repeat a request by itself, beyond every time limit of ours and with warnings on the terminal.
    settings.retries = False
    client = ApiClient(settings)
    if access.user is not None:
        client.set_default_header("Impersonate-User", access.user)  # type: ignore[no-untyped-call]
    return PluginClient(client, namespace=access.namespace or chosen["context"].get("namespace") or "default")


def crawljobs_path(namespace: str | None, name: str | None = None) -> str:
    """The path of a namespace's CrawlJobs (None: of all), or of one."""
    return _path(f"apis/{API_VERSION}", namespace, names.PLURAL, name)


def pods_path(namespace: str, name: str | None = None) -> str:
    """The path of a namespace's pods, or of one."""
    return _path("api/v1", namespace, "pods", name)


def deployments_path(namespace: str) -> str:
    """The path of a namespace's Deployments."""
    return _path("apis/apps/v1", namespace, "deployments", None)


def _path(group: str, namespace: str | None, plural: str, name: str | None) -> str:
    where = [] if namespace is None else ["namespaces", quote(namespace, safe="")]
    return "/".join(["", group, *where, plural, *([] if name is None else [quote(name, safe="")])])


def _no_kubeconfig(access: Access, error: Exception) -> ConfigurationError:
    reason = str(error).strip().rstrip(".")
    if access.context is not None and access.context in reason:
        return ConfigurationError(f"no context {access.context!r} in the kubeconfig; kubectl config get-contexts lists")
    where = access.kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    return ConfigurationError(f"no cluster: {where}: {reason}; name a kubeconfig with --kubeconfig or KUBECONFIG")


def _meaning(status: int, answer: Mapping[str, Any], path: str) -> ArtistcrawlError:
    message = clean(str(answer.get("message") or answer.get("reason") or "no reason given"), _LONGEST_MESSAGE)
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return ConfigurationError("the cluster does not accept the kubeconfig's credentials; log in again")
        case HTTPStatus.FORBIDDEN:
            return ConfigurationError(_forbidden(message))
        case HTTPStatus.NOT_FOUND if "details" not in answer or not answer["details"].get("name"):
            # Of a missing object the API server says the name; of a missing kind it knows nothing.
            return ConfigurationError(NOT_INSTALLED) if names.GROUP in path else NotFoundError(message)
        case HTTPStatus.NOT_FOUND:
            return NotFoundError(message)
        case HTTPStatus.GONE:
            return WatchExpiredError(message)
        case HTTPStatus.TOO_MANY_REQUESTS | HTTPStatus.SERVICE_UNAVAILABLE | HTTPStatus.INTERNAL_SERVER_ERROR:
            return UnavailableError(f"the API server asks to come back later: {message}")
        case _:
            return ArtistcrawlError(f"the API server refuses this: {message}")


def _forbidden(message: str) -> str:
    lacking = denial(message)
    if lacking is None:
        return f"the cluster does not allow it: {message}"
    return (
        f"you ({lacking.user}) may not {lacking.verb} {lacking.resource} in {lacking.where}; ask for a Role with "
        f'apiGroups ["{lacking.group}"], resources ["{lacking.resource}"], verbs ["{lacking.verb}"]'
    )
