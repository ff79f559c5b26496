"""Answers as Grafana's HTTP API is documented to, and keeps what it was told.

Grafana itself is not among what the tests can start. So they show what we send and how we take the documented answers;
that Grafana takes what we send is its documentation's word and its source's (pkg/api of Grafana 11), not a test's.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]
USER, PASSWORD, TOKEN = "admin", "a/b", "glsa_token"


@dataclass
class GrafanaApi:
    """What it has, what it was asked, and the answers that a test gave it."""

    url: str = ""
    version: str = "11.6.0"
    folders: dict[str, Json] = field(default_factory=dict)
    sources: dict[str, Json] = field(default_factory=dict)
    boards: dict[str, Json] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    answers: dict[str, tuple[int, Json]] = field(default_factory=dict)
    """By request, such as "GET /api/health"; they win."""

    def address(self) -> str:
        """Its URL with user and password."""
        return self.url.replace("://", f"://{USER}:{PASSWORD.replace('/', '%2F')}@")

    def answer(self, request: str, body: Json, *, known: bool) -> tuple[int, Json]:
        """The answer to "METHOD /path"."""
        self.asked.append(request)
        if request in self.answers:
            return self.answers[request]
        if request == "GET /api/health":
            return 200, {"database": "ok", "version": self.version, "commit": "0"}
        if not known:
            return 401, {"message": "Invalid username or password"}
        _, kind, *rest = request.split(" ")[1].strip("/").split("/")
        return {"folders": self._folder, "datasources": self._source, "dashboards": self._board}[kind](
            request.split(" ")[0], rest, body
        )

    def _folder(self, method: str, path: list[str], body: Json) -> tuple[int, Json]:
        if method == "POST":
            self.folders[body["uid"]] = body
            return 200, body
        return (200, self.folders[path[0]]) if path[0] in self.folders else (404, {"message": "folder not found"})

    def _source(self, method: str, path: list[str], body: Json) -> tuple[int, Json]:
        if method == "POST":
            if any(source["name"] == body["name"] for source in self.sources.values()):
                return 409, {"message": "data source with the same name already exists"}
            self.sources[body["uid"]] = body
            return 200, {"message": "Datasource added", "datasource": body}
        source = self.sources.get(path[1])
        if source is None:
            return 404, {"message": "Data source not found"}
        if path[2:] == ["health"]:
            return 200, {"status": "OK", "message": "OK"}
        if method == "PUT":
            if source.get("readOnly"):
                return 403, {"message": "Cannot update read-only data source"}
            self.sources[path[1]] = body
            return 200, {"message": "Datasource updated", "datasource": body}
        return 200, {key: value for key, value in source.items() if key != "secureJsonData"}

    def _board(self, method: str, path: list[str], body: Json) -> tuple[int, Json]:
        board = body["dashboard"]
        if body["folderUid"] not in self.folders:
            return 404, {"message": "Folder not found"}
        if board["uid"] in self.boards and not body["overwrite"]:
            return 412, {"message": "The dashboard has been changed by someone else", "status": "version-mismatch"}
        self.boards[board["uid"]] = body
        return 200, {"uid": board["uid"], "url": f"/grafana/d/{board['uid']}/a-board", "status": "success"}


@contextmanager
def serving_grafana() -> Iterator[GrafanaApi]:
    """One on loopback while inside."""
    api = GrafanaApi()
    basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            known = self.headers.get("Authorization") in (basic, f"Bearer {TOKEN}")
            status, reply = api.answer(f"{self.command} {self.path.removeprefix('/grafana')}", body, known=known)
            text = json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = _handle  # noqa: N815 - the base class wants these names

        def log_message(self, *_: object) -> None:
            """Into `asked`, not to stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        api.url = f"http://127.0.0.1:{server.server_address[1]}/grafana"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield api
        finally:
            server.shutdown()
            thread.join()
