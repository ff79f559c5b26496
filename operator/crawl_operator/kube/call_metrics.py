"""Requests to the API server, counted where they are made; in any thread.

A label names a kind of object, never an object: names and namespaces are taken out of the path.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from crawl_core.metrics.definitions import API_DURATION, API_REQUESTS

OTHER = "other"
"""The resource of a path that names none."""


@dataclass(slots=True)
class ApiCall:
    """One request. Say here what was answered."""

    status: int = 0
    """HTTP's; 0: nothing."""


@contextmanager
def count_call(method: str, resource: str) -> Iterator[ApiCall]:
    """Count what happens inside as one request, whatever comes of it."""
    call = ApiCall()
    with API_DURATION.labels(method).time():
        try:
            yield call
        finally:
            API_REQUESTS.labels(method, resource, str(call.status)).inc()


def resource_of(path: str) -> str:
    """The kind of object that a path is about, such as deployments, or crawljobs/status."""
    match path.strip("/").split("/"):
        case ["api", _, *rest] | ["apis", _, _, *rest] if rest:
            pass
        case _:
            return OTHER
    if rest[0] == "namespaces" and len(rest) > 2:
        rest = rest[2:]
    return "/".join([rest[0], *rest[2:]])
