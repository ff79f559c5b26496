"""A proxy before an API server that writes down what was asked of it, in the words of a Role's rules.

It forwards who asks and what, and the answer as it comes, watches too. It refuses to change anything on the way.
"""

from __future__ import annotations

import base64
import http.client
import re
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

_PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/[^/]+(?:/namespaces/(?P<namespace>[^/]+))?/(?P<resource>[^/]+)"
    r"(?:/(?P<name>[^/]+))?(?:/(?P<subresource>[^/]+))?"
)
_DROPPED = frozenset({"connection", "content-length", "host", "keep-alive", "transfer-encoding"})
_CREATED = 201


class Use(NamedTuple):
    """One right that was made use of."""

    verb: str
    group: str
    resource: str
    """With its subresource."""
    name: str = ""


@dataclass
class Recording:
    """What was asked: which rights in which namespaces ("": the whole cluster), and what was refused."""

    port: int = 0
    uses: set[tuple[str, Use]] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)

    def note(self, method: str, target: str, status: int) -> None:
        """One request and its answer. What is no object, such as a list of APIs, everybody may read."""
        url = urlsplit(target)
        if status in (401, 403):
            self.refused.append(f"{status} {method} {target}")
        path = _PATH.fullmatch(url.path)
        if path is None:
            return
        verb, name = _verb(method, parse_qs(url.query), named=path["name"] is not None), unquote(path["name"] or "")
        resource = "/".join(part for part in (path["resource"], path["subresource"]) if part)
        where, group = path["namespace"] or "", path["group"] or ""
        self.uses.add((where, Use(verb, group, resource, name)))
        if verb == "patch" and status == _CREATED:
            # Server-side apply of what is not there takes both rights.
            self.uses.add((where, Use("create", group, resource)))


def _verb(method: str, query: Mapping[str, Any], *, named: bool) -> str:
    """As Kubernetes calls it."""
    match method:
        case "GET" if named:
            return "get"
        case "GET":
            return "watch" if query.get("watch", ["false"])[0] in ("true", "1") else "list"
        case "DELETE" if not named:
            return "deletecollection"
        case "PUT":
            return "update"
        case "POST":
            return "create"
        case _:
            return method.lower()


@contextmanager
def recording_proxy(kubeconfig: Path) -> Iterator[Recording]:
    """A proxy before the API server of a kubeconfig, on a loopback port and without TLS."""
    cluster = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]
    upstream = urlsplit(cluster["server"])
    if "certificate-authority-data" in cluster:
        trust = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    else:
        trust = ssl.create_default_context(cafile=cluster["certificate-authority"])
    recording = Recording()
    upstreams: set[socket.socket] = set()

    class Handler(BaseHTTPRequestHandler):
        timeout = 30

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _DROPPED}
            connection = http.client.HTTPSConnection(str(upstream.hostname), upstream.port or 443, context=trust)
            # Either side may go; a watch ends like that. The client's ValueError is a chunk without its length.
            with closing(connection), suppress(OSError, ValueError, http.client.HTTPException):
                connection.connect()
                upstreams.add(connection.sock)
                connection.request(self.command, self.path, body=body or None, headers=headers)
                with connection.getresponse() as answer:
                    recording.note(self.command, self.path, answer.status)
                    self._relay(answer)

        def _relay(self, answer: http.client.HTTPResponse) -> None:
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _DROPPED:
                    self.send_header(name, value)
            self.end_headers()
            while chunk := answer.read1(65_536):
                self.wfile.write(chunk)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward  # noqa: N815 - the base class wants these names

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = False  # ended, and waited for, below
        recording.port = server.server_port
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        try:
            yield recording
        finally:
            server.shutdown()
            for connection in upstreams:
                with suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)  # past TLS, whose reader is another thread
