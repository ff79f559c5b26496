"""The one place where a request goes to the API server, and where the client library's exceptions become ours.

What a status means depends on who asked: the operator's requests (`api`), the plugin's and the first look at a cluster
(`watch.access`) each give it, and a TransportError, errors and words of their own. A request is never repeated here:
only the caller knows whether it may be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from kubernetes.client import ApiClient, ApiException
from urllib3.exceptions import HTTPError

from crawl_core.errors import UnavailableError

Method = Literal["GET", "POST", "PATCH", "DELETE"]
Body = Mapping[str, Any] | None

_OPENSSL_MARKS = re.compile(r"\[[^\]]*\] | \(_ssl\.c:\d+\)")


class TransportError(UnavailableError):
    """The API server cannot be reached, or the connection to it ends before the answer does."""

    def __init__(self, message: str, *, summary: str) -> None:
        super().__init__(message)
        self.summary = summary
        """The reason alone, without the library's layers around it; for a person at a terminal."""


class Answer:
    """An answer of which the status has come, and the body perhaps not yet."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self.status: int = response.status
        self.reason: str = response.reason or ""

    def read(self) -> bytes:
        """The whole body. Raises TransportError."""
        with _vendor_errors_mapped():
            body: bytes = self._response.data
        return body

    def lines(self) -> Iterator[bytes]:
        """The body's lines as they come, without empty ones; closes the answer. Raises TransportError."""
        try:
            with _vendor_errors_mapped():
                yield from (line for line in self._response if line.strip())
        finally:
            self._response.close()


def send(
    client: ApiClient,
    method: Method,
    path: str,
    *,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    body: Body = None,
    timeout_s: tuple[float, float],
) -> Answer:
    """Send one request; return when the answer's status has come. `timeout_s`: to connect, and of each read.

    Raises TransportError.
    """
    with _vendor_errors_mapped():
        request = client.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params=dict(headers),
            body=body,
            auth_settings=["BearerToken"],
        )
        return Answer(client.call_api(*request, _request_timeout=timeout_s).response)


@contextmanager
def _vendor_errors_mapped() -> Iterator[None]:
    try:
        yield
    except ApiException as error:
        # The library raises it for one thing here: TLS failed. Its text has three lines; the second begins the reason.
        text = str(error.reason).replace("\n", ": ")
        summary = _OPENSSL_MARKS.sub("", text.partition(": ")[2] or text)
        raise TransportError(text, summary=f"TLS failed: {summary}") from error
    except (HTTPError, OSError) as error:
        raise TransportError(str(error), summary=_innermost_reason(error)) from error


def _innermost_reason(error: BaseException) -> str:
    """The reason at the bottom of what the library wraps several times."""
    reason = getattr(error, "reason", None)
    while isinstance(reason, BaseException):
        error, reason = reason, getattr(reason, "reason", None)
    return str(error).rpartition(": ")[2] or type(error).__name__
