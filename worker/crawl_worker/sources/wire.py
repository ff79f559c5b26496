"""A request and its answer as plain values, so that a source needs no HTTP library and a transport no source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What goes out, to the byte."""

    method: str
    url: str
    """Encoded already: it is sent as it is."""
    headers: Mapping[str, str] = field(repr=False)
    """They carry tokens and secrets, so no repr shows them."""
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A whole answer, decompressed."""

    status: int
    headers: Mapping[str, str]
    """Sources look names up in lower case."""
    body: bytes
