"""A client id and its secret, read from where Kubernetes, or a person, puts them.

A mounted Secret is a folder with one file a key. No secret is ever printed, and none is made up for a real API.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from crawl_core.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Credentials:
    """A client id and its secret. The secret shows in no repr."""

    client_id: str
    client_secret: str = field(repr=False)


def read_credentials(
    folder: Path | None, *, default: Credentials | None, environment: Mapping[str, str] = os.environ
) -> Credentials:
    """The credentials in `folder` (files client-id, client-secret) or in ARTISTCRAWL_CLIENT_ID and _SECRET.

    Where neither has them the `default`. Raises ConfigurationError where there is none, or only half of a pair.
    """
    if folder is not None:
        return Credentials(_value_of(folder / "client-id"), _value_of(folder / "client-secret"))
    client_id = environment.get("ARTISTCRAWL_CLIENT_ID", "")
    secret = environment.get("ARTISTCRAWL_CLIENT_SECRET", "")
    if client_id and secret:
        return Credentials(client_id, secret)
    if client_id or secret:
        raise ConfigurationError("set both ARTISTCRAWL_CLIENT_ID and ARTISTCRAWL_CLIENT_SECRET, or neither")
    if default is None:
        raise ConfigurationError(
            "this source needs credentials: give --credentials DIR with the files client-id and client-secret, "
            "or set ARTISTCRAWL_CLIENT_ID and ARTISTCRAWL_CLIENT_SECRET"
        )
    return default


def _value_of(path: Path) -> str:
    try:
        value = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"credentials: {path} cannot be read: {error}") from error
    if not value:
        raise ConfigurationError(f"credentials: {path} is empty; write the value into it")
    return value
