"""What `install` sends to Grafana: the two data sources, out of their URLs, and the boards. Pure.

A message shows no part of a URL that may be a password's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit, urlunsplit

FOLDER = {"uid": "artistcrawl", "title": "artistcrawl"}
PROMETHEUS = "prometheus"
POSTGRES = "grafana-postgresql-datasource"
"""The type's name since Grafana 10.2; before, it was postgres."""

LEDGER_CONNECTIONS = 5
"""Of Grafana to the ledger, at most: workers and operators need the others."""

SSL_MODES = ("disable", "require", "verify-ca", "verify-full")
_LOCAL = ("localhost", "127.0.0.1", "::1")
_ESCAPE = "in user name and password write %2F for each /, %3A for each :, %40 for each @, %23 for each #"

Json = dict[str, Any]


class InstallError(Exception):
    """It cannot go on; the text says what to write instead."""


def split(url: str, *, schemes: tuple[str, ...], variable: str, example: str) -> SplitResult:
    """The URL in its parts. Raises InstallError where it names no host, or no port that there can be."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise InstallError(f"{variable} cannot be read: write {example}; {_ESCAPE}") from None
    if parts.scheme not in schemes:
        raise InstallError(f"{variable}: write {example}")
    return parts


def http_parts(url: str, *, variable: str, example: str) -> SplitResult:
    """The parts of an address that speaks HTTP."""
    parts = split(url, schemes=("http", "https"), variable=variable, example=example)
    if not parts.hostname:
        raise InstallError(f"{variable} names no host: write {example}")
    return parts


def prometheus_source(url: str, *, scrape_interval: str) -> Json:
    """The data source of the metrics. Raises InstallError with what to write."""
    parts = http_parts(url, variable="PROMETHEUS_URL", example="http://HOST:9090, as Grafana reaches it")
    if re.fullmatch(r"[0-9]+(ms|s|m|h)", scrape_interval) is None:
        raise InstallError(f"SCRAPE_INTERVAL: {scrape_interval!r} is no duration: write it as 15s or 1m")
    source: Json = {
        "uid": "artistcrawl-prometheus",
        "name": "artistcrawl Prometheus",
        "type": PROMETHEUS,
        "access": "proxy",
        "url": without_credentials(url),
        # Grafana looks back four of these for a rate: where they are shorter than the real ones, it finds none.
        "jsonData": {"httpMethod": "POST", "timeInterval": scrape_interval},
    }
    if parts.username is not None:
        source |= {"basicAuth": True, "basicAuthUser": unquote(parts.username)}
        source["secureJsonData"] = {"basicAuthPassword": unquote(parts.password or "")}
    return source


def postgres_source(url: str) -> Json:
    """The data source of the ledger. Raises InstallError with what to write."""
    example = "postgresql://USER:PASSWORD@HOST:5432/DATABASE, as Grafana reaches it"
    parts = split(url, schemes=("postgres", "postgresql"), variable="POSTGRES_URL", example=example)
    database = unquote(parts.path.strip("/"))
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    host = query.get("host") or parts.hostname or ""
    if not (host and parts.username and database):
        raise InstallError(f"POSTGRES_URL lacks a host, a user or a database: write {example}")
    mode = query.get("sslmode") or ("disable" if host.startswith("/") or host in _LOCAL else "require")
    if mode not in SSL_MODES:
        raise InstallError(f"POSTGRES_URL: Grafana knows no sslmode {mode}: write one of {', '.join(SSL_MODES)}")
    return {
        "uid": "artistcrawl-postgres",
        "name": "artistcrawl PostgreSQL",
        "type": POSTGRES,
        "access": "proxy",
        "url": _address(host, parts.port or 5432),
        "user": unquote(parts.username),
        "jsonData": {
            "database": database,
            "sslmode": mode,
            "maxOpenConns": LEDGER_CONNECTIONS,
            "maxIdleConns": 1,
            "connMaxLifetime": 14400,
        },
        "secureJsonData": {"password": unquote(parts.password or "")},
    }


def _address(host: str, port: int) -> str:
    """As Grafana takes it: a socket's folder alone, an IPv6 address in brackets."""
    if host.startswith("/"):
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def board_request(board: Json, sources: Iterable[Json], *, runbook_url: str = "") -> Json:
    """What saves a board: opened first, it shows the data sources that were made with it."""
    ours = {source["type"]: {"text": source["name"], "value": source["uid"]} for source in sources}
    templating = board.get("templating", {})
    variables = [_preset(variable, ours, runbook_url=runbook_url) for variable in templating.get("list", [])]
    return {
        "dashboard": {**board, "id": None, "templating": {**templating, "list": variables}},
        "folderUid": FOLDER["uid"],
        "message": "make grafana",
        "overwrite": True,
    }


def _preset(variable: Json, sources: Mapping[str, Json], *, runbook_url: str) -> Json:
    if variable.get("type") == "datasource" and variable.get("query") in sources:
        return {**variable, "current": sources[variable["query"]]}
    if runbook_url and variable.get("name") == "runbooks":
        return {**variable, "query": runbook_url, "current": {"text": runbook_url, "value": runbook_url}}
    return variable


def without_credentials(url: str) -> str:
    """The URL as it may be shown, without a slash at its end."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])).rstrip("/")
