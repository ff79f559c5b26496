"""Client credentials: who may ask, and which token belongs to whom.

Any id and secret will do unless some were named. A token of an earlier process is unknown, as after any other loss of
the API's memory. There are no scopes and users: client credentials have none.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

_PRUNE_ABOVE = 10_000


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """An access token and until when it is good, on the sandbox's own clock."""

    text: str
    client_id: str
    expires_us: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """The token endpoint's own error shape."""

    error: str
    description: str


class Tokens:
    """Issues tokens and recognises them."""

    def __init__(self, *, ttl_s: float, credentials: Mapping[str, str] | None = None) -> None:
        self.ttl_s = ttl_s
        self.issued = 0
        self._credentials = dict(credentials or {})
        self._known: dict[str, IssuedToken] = {}

    def grant(self, authorization: str, form: str, *, now_us: int) -> IssuedToken | Refusal:
        """Answer a token request: its Authorization header and its form body."""
        fields = parse_qs(form)
        if fields.get("grant_type") != ["client_credentials"]:
            return Refusal("unsupported_grant_type", "grant_type must be client_credentials")
        client_id, secret = _basic(authorization) or (
            fields.get("client_id", [""])[0],
            fields.get("client_secret", [""])[0],
        )
        if not client_id or not secret:
            return Refusal("invalid_client", "Invalid client")
        if self._credentials and self._credentials.get(client_id) != secret:
            return Refusal("invalid_client", "Invalid client")
        token = IssuedToken(secrets.token_urlsafe(64), client_id, now_us + round(self.ttl_s * 1e6))
        self._prune(now_us)
        self._known[token.text] = token
        self.issued += 1
        return token

    def find(self, text: str) -> IssuedToken | None:
        """Return the token, expired or not: the request of an expired one still counts for its client."""
        return self._known.get(text)

    def expire_all(self, *, now_us: int) -> None:
        """Make every token that is out expire now."""
        self._known = {text: IssuedToken(text, token.client_id, now_us) for text, token in self._known.items()}

    def _prune(self, now_us: int) -> None:
        if len(self._known) > _PRUNE_ABOVE:
            self._known = {text: token for text, token in self._known.items() if token.expires_us > now_us}


def _basic(header: str) -> tuple[str, str] | None:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return client_id, secret
