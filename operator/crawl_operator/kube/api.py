"""The API server as the operator uses it, and what its refusals mean there.

    ApiError
    ├── ConflictError       somebody else wrote the object, or it exists already: look again
    ├── MissingError        there is no such object (any more)
    ├── ForbiddenError      the operator's Role lacks a verb; says which, and what to write
    ├── InvalidError        the object is refused as it is: a defect here, a quota, or an admission policy
    └── UnreachableError    no answer, or "not now": nothing is known, try again

Objects travel as plain dicts, since the API server's words for them are the ones that people know. A request is never
repeated here: what was observed may be outdated by then, so only another round may.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from kubernetes.client import ApiClient

from crawl_core.errors import ArtistcrawlError
from crawl_operator.kube.call_metrics import count_call, resource_of
from crawl_operator.kube.refusals import denial, parsed
from crawl_operator.kube.transport import Body, Method, TransportError, send

MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"

THREADS = 8
"""Requests at a time. More only queue at the API server, which limits each client."""
TIMEOUT_S = (5.0, 15.0)
"""To connect, and to be answered."""


class ApiError(ArtistcrawlError):
    """The API server did not do what it was asked."""


class ConflictError(ApiError):
    """The object is another one, or another version of it, than was seen; or it exists already."""


class MissingError(ApiError):
    """There is no such object, or no such namespace."""


class ForbiddenError(ApiError):
    """The operator may not do this."""


class InvalidError(ApiError):
    """The API server, a quota or an admission policy refuses the object."""


class UnreachableError(ApiError):
    """The API server gave no answer, or asks to come back later."""


class Api:
    """Requests to the API server, in threads of its own."""

    def __init__(self, client: ApiClient, *, timeout_s: tuple[float, float] = TIMEOUT_S) -> None:
        self._client = client
        self._timeout_s = timeout_s
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="api")

    def close(self) -> None:
        """End the threads, without waiting for requests in them."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def request(
        self,
        method: Method,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Body = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        """One request; its answer's object. Raises an ApiError."""

        def call() -> dict[str, Any]:
            return self._call(method, path, query=query, body=body, content_type=content_type)

        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def _call(
        self, method: Method, path: str, *, query: Mapping[str, str] | None, body: Body, content_type: str
    ) -> dict[str, Any]:
        headers = {"Accept": "application/json", "Content-Type": content_type}
        try:
            with count_call(method, resource_of(path)) as api_call:
                answer = send(
                    self._client, method, path,
                    query=query or {}, headers=headers, body=body, timeout_s=self._timeout_s,
                )  # fmt: skip
                text = answer.read() or b"{}"
                api_call.status = answer.status
        except TransportError as error:
            raise UnreachableError(f"the API server is out of reach: {error}") from error
        answer_object = parsed(text)
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise meaning_of(answer.status, answer_object, what=f"{method} {path}")
        return answer_object


def path_of(group: str, namespace: str, plural: str, *name: str) -> str:
    """The path of objects of a namespace, or of one. `group` is as in "api/v1" or "apis/apps/v1"."""
    return "/".join(["", group, "namespaces", quote(namespace), plural, *(quote(part) for part in name)])


def meaning_of(status: int, answer: Mapping[str, Any], *, what: str) -> ApiError:
    """What an answer that is no success means here."""
    message = str(answer.get("message") or answer.get("reason") or "no reason given")
    match status:
        case HTTPStatus.CONFLICT:
            return ConflictError(message)
        case HTTPStatus.NOT_FOUND | HTTPStatus.GONE:
            return MissingError(message)
        case HTTPStatus.UNAUTHORIZED:
            return ForbiddenError(f"the API server does not accept the operator's token ({message})")
        case HTTPStatus.FORBIDDEN:
            return _forbidden(message, answer)
        case HTTPStatus.BAD_REQUEST | HTTPStatus.UNPROCESSABLE_ENTITY | HTTPStatus.METHOD_NOT_ALLOWED:
            return InvalidError(f"the API server refuses {what}: {message}")
        case _:
            return UnreachableError(f"the API server answered {status} to {what}: {message}")


def _forbidden(message: str, answer: Mapping[str, Any]) -> ApiError:
    """A Role that lacks a verb, unless it is a quota, an admission policy or a namespace that is being deleted."""
    denied = denial(message)
    if denied is None:
        kind = UnreachableError if "being terminated" in message else InvalidError
        return kind(f"the cluster does not allow it: {message}")
    resource = denied.resource or str((answer.get("details") or {}).get("kind", ""))
    who = denied.user.strip('"')
    return ForbiddenError(
        f"the operator ({who}) may not {denied.verb} {resource} in {denied.where}; give it a Role there with "
        f'apiGroups ["{denied.group}"], resources ["{resource}"], verbs ["{denied.verb}"], or upgrade the chart, '
        "which makes it"
    )
