"""A client id and its secret, read from where Kubernetes, or a person, puts them.

A mounted Secret is a folder with one file a key. No secret is ever printed, and none is made up for a real API.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from crawl_core.errors import ConfigurationError

_VALUE = re.compile(r"[\x21-\x7e]{1,4096}")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A client id and its secret. The secret shows in no repr."""

    client_id: str
    client_secret: str = field(repr=False)


def read_credentials(
    folder: Path | None, *, default: Credentials | None, environment: Mapping[str, str] = os.environ
) -> Credentials:
    """The credentials in `folder` (files client-id, client-secret) or in ARTISTCRAWL_CLIENT_ID and _SECRET.

    Where neither has them the `default`. Raises ConfigurationError where there is none, only half of a pair, or what
    cannot be one.
    """
    if folder is not None:
        return Credentials(_value_of(folder / "client-id"), _value_of(folder / "client-secret"))
    client_id = environment.get("ARTISTCRAWL_CLIENT_ID", "")
    secret = environment.get("ARTISTCRAWL_CLIENT_SECRET", "")
    if client_id and secret:
        return Credentials(
            _checked("ARTISTCRAWL_CLIENT_ID", client_id.strip()),
            _checked("ARTISTCRAWL_CLIENT_SECRET", secret.strip()),
        )
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
        # Editors of some systems begin a file with a byte order mark.
        value = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"credentials: {path} cannot be read: {error}") from error
    if not value:
        raise ConfigurationError(f"credentials: {path} is empty; write the value into it")
    return _checked(str(path), value)


def _checked(origin: str, value: str) -> str:
    """The value. An odd one is told here and not by the API, which says "invalid client" of everything."""
    if not _VALUE.fullmatch(value):
        raise ConfigurationError(
            f"credentials: {origin} holds more than one word of at most 4096 visible ASCII characters (a line end, a "
            "space, or letters of another script); write only the value into it"
        )
    return value
