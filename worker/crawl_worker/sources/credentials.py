"""Reads a client id and its secret from where Kubernetes, or a person, puts them.

A mounted Secret is a folder with one file a key. It refuses to print a secret, and to make one up for a real API.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from crawl_core.errors import ConfigurationError
from crawl_worker.sources.spotify import Credentials

_SANDBOX = Credentials("sandbox", "sandbox")
"""What the sandbox takes as well as any other: a run without credentials is one client."""


def read_credentials(
    folder: Path | None, *, required: bool, environment: Mapping[str, str] = os.environ
) -> Credentials:
    """The credentials in `folder` (files client-id, client-secret) or in ARTISTCRAWL_CLIENT_ID and _SECRET.

    Raises ConfigurationError where they are required and not there, or half there.
    """
    if folder is not None:
        return Credentials(_file(folder / "client-id"), _file(folder / "client-secret"))
    client_id = environment.get("ARTISTCRAWL_CLIENT_ID", "")
    secret = environment.get("ARTISTCRAWL_CLIENT_SECRET", "")
    if client_id and secret:
        return Credentials(client_id, secret)
    if client_id or secret:
        raise ConfigurationError("set both ARTISTCRAWL_CLIENT_ID and ARTISTCRAWL_CLIENT_SECRET, or neither")
    if required:
        raise ConfigurationError(
            "this source needs credentials: give --credentials DIR with the files client-id and client-secret, "
            "or set ARTISTCRAWL_CLIENT_ID and ARTISTCRAWL_CLIENT_SECRET"
        )
    return _SANDBOX


def _file(path: Path) -> str:
    try:
        value = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"credentials: {path} cannot be read: {error}") from error
    if not value:
        raise ConfigurationError(f"credentials: {path} is empty; write the value into it")
    return value
