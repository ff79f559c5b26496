"""One Grafana: its HTTP API, as far as we need it, and what to do where it refuses.

What data sources and boards are made of stands in `sources`.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from urllib.parse import unquote, urljoin

import httpx

from grafana.install.sources import FOLDER, InstallError, Json, http_parts, without_credentials

TIMEOUT_S = 30.0
ANY_STATUS = range(200, 600)

REMEDIES = (
    # Status, what Grafana says, what to do.
    (401, "", "write USER:PASSWORD into GRAFANA_URL, or the token of a service account into GRAFANA_TOKEN"),
    (403, "read-only", "one of Grafana's own files made this data source: leave its URL out here"),
    (403, "", "the user or service account needs the role Admin"),
    (409, "name", "another data source has this name: rename it, or leave its URL out here"),
    (400, "provisioned", "one of Grafana's own files, or a sidecar's, brings this board: there it is kept up to date"),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What Grafana says to one request."""

    status: int
    body: Json

    @property
    def message(self) -> str:
        """In Grafana's words, with the longer ones where it has them."""
        message = str(self.body.get("message") or f"status {self.status}")
        verbose = str((self.body.get("details") or {}).get("verboseMessage") or "")
        return f"{message} ({verbose})" if verbose and verbose not in message else message


class Grafana:
    """One Grafana, asked as one user."""

    def __init__(self, url: str, *, token: str = "") -> None:
        example = "http://USER:PASSWORD@HOST:3000, or http://HOST:3000 and a token into GRAFANA_TOKEN"
        parts = http_parts(url, variable="GRAFANA_URL", example=example)
        self.url = without_credentials(url)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        auth = None if token or parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
        self._client = httpx.Client(auth=auth, headers=headers, timeout=TIMEOUT_S)

    def ask(self, method: str, path: str, body: Json | None = None, *, expected: Container[int] = (200,)) -> Answer:
        """One request. Raises InstallError where the answer's status is none of those."""
        try:
            response = self._client.request(method, f"{self.url}{path}", json=body)
        except httpx.HTTPError as error:
            raise InstallError(
                f"{self.url} does not answer ({error}): is Grafana there? Write its address into GRAFANA_URL"
            ) from error
        answer = Answer(response.status_code, _json(response))
        if answer.status not in expected:
            raise InstallError(_refusal(f"{method} {path}", answer))
        return answer

    def version(self) -> str:
        """Its version, empty where it keeps that to itself. Raises InstallError where it is no Grafana."""
        answer = self.ask("GET", "/api/health", expected=ANY_STATUS)
        if answer.status != 200 or "database" not in answer.body:
            raise InstallError(
                f"{self.url} answers, but not as Grafana does (status {answer.status} at /api/health): write the "
                "address that people open Grafana at, with its path where it has one, into GRAFANA_URL"
            )
        return str(answer.body.get("version", ""))

    def put_folder(self) -> None:
        """Make the boards' folder where there is none; one that was renamed or moved stays so."""
        if self.ask("GET", f"/api/folders/{FOLDER['uid']}", expected=(200, 404)).status == 404:
            self.ask("POST", "/api/folders", {**FOLDER})

    def put_source(self, source: Json) -> None:
        """Make a data source, or bring it up to date."""
        path = f"/api/datasources/uid/{source['uid']}"
        present = self.ask("GET", path, expected=(200, 404))
        if present.status == 404:
            self.ask("POST", "/api/datasources", source)
        else:
            # Somebody may have made it the default one.
            self.ask("PUT", path, {**source, "isDefault": present.body.get("isDefault", False)})

    def trouble_with(self, source: Json) -> str | None:
        """What Grafana says against a data source; None where it can be used."""
        answer = self.ask("GET", f"/api/datasources/uid/{source['uid']}/health", expected=ANY_STATUS)
        return None if answer.status == 200 else answer.message

    def put_board(self, request: Json) -> str:
        """Save a board; returns where it is opened."""
        saved = self.ask("POST", "/api/dashboards/db", request)
        # Grafana puts the path in front that it is served at.
        return urljoin(self.url, str(saved.body.get("url") or f"/d/{request['dashboard']['uid']}"))


def _json(response: httpx.Response) -> Json:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _refusal(request: str, answer: Answer) -> str:
    message = answer.message
    remedy = next((do for status, words, do in REMEDIES if status == answer.status and words in message), None)
    return f"Grafana refuses {request}: {message}" + (f": {remedy}" if remedy else "")
