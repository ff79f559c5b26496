"""Reads a CrawlJob's Secrets: where its backends are, and who it is to the source.

A Secret is read by its name alone, since the operator may not list them, and cached for a few seconds. The client's
secret itself is not cached. Where something is missing, the error holds the command that makes the Secret.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from crawl_core.backends import addresses
from crawl_core.clock import Clock
from crawl_core.errors import ArtistcrawlError
from crawl_core.spec import CrawlJob
from crawl_operator.kube.api import ForbiddenError, MissingError
from crawl_operator.values import reasons
from crawl_operator.values.model import Trouble
from crawl_operator.values.names import CLIENT_ID, CLIENT_SECRET, POSTGRES_URL, REDIS_URL

KEPT_S = 10.0
"""Seconds for which a Secret that was read is not read again: many CrawlJobs share one."""
MISSING_KEPT_S = 3.0
"""The same for one that is not there: somebody may be about to make it."""

NO_CREDENTIALS = "sandbox"
"""The client id of workers without credentials."""

_EXAMPLES = {
    POSTGRES_URL: addresses.POSTGRES,
    REDIS_URL: addresses.REDIS,
    CLIENT_ID: "CLIENT_ID",
    CLIENT_SECRET: "CLIENT_SECRET",
}

_OVER_THE_OLD = " --dry-run=client -o yaml | kubectl apply -f -"
"""What makes a Secret that is there already."""


class SecretSource(Protocol):
    """Where Secrets are."""

    async def get_secret(self, namespace: str, name: str) -> Mapping[str, Any]:
        """A Secret."""
        ...


class SecretError(ArtistcrawlError):
    """A Secret is not there, or lacks something."""

    def __init__(self, trouble: Trouble, versions: str) -> None:
        super().__init__(trouble.message)
        self.trouble = trouble
        self.versions = versions


@dataclass(frozen=True, slots=True)
class JobSecrets:
    """What was found. The URLs hold passwords."""

    postgres_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    client_id: str
    versions: str


@dataclass(frozen=True, slots=True)
class _CachedSecret:
    """A Secret as it is remembered. `values` has what is not secret, or must be known; `keys` has all names."""

    version: str
    values: Mapping[str, str] = field(repr=False)
    keys: frozenset[str]
    until_s: float


class SecretReader:
    """Reads the Secrets that CrawlJobs name."""

    def __init__(self, reader: SecretSource, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock
        self._cache: dict[tuple[str, str], _CachedSecret] = {}

    async def read(self, job: CrawlJob) -> JobSecrets:
        """All that a job's Secrets say. Raises SecretError, with what to write, or an ApiError."""
        namespace, backends = job.metadata.namespace, job.spec.backends_secret_ref.name
        credentials = job.spec.source.credentials_secret_ref
        backends_secret = await self._read(namespace, backends)
        credentials_secret = None if credentials is None else await self._read(namespace, credentials.name)
        versions = ",".join(secret.version for secret in (backends_secret, credentials_secret) if secret is not None)
        _check(backends_secret, namespace, backends, kind=_BACKENDS, versions=versions)
        client_id = NO_CREDENTIALS
        if credentials is not None and credentials_secret is not None:
            _check(credentials_secret, namespace, credentials.name, kind=_CREDENTIALS, versions=versions)
            client_id = credentials_secret.values[CLIENT_ID]
        return JobSecrets(backends_secret.values[POSTGRES_URL], backends_secret.values[REDIS_URL], client_id, versions)

    async def _read(self, namespace: str, name: str) -> _CachedSecret:
        now_s = self._clock.monotonic()
        cached = self._cache.get((namespace, name))
        if cached is None or cached.until_s <= now_s:
            cached = self._cache[namespace, name] = await self._fetch(namespace, name, now_s)
        return cached

    async def _fetch(self, namespace: str, name: str, now_s: float) -> _CachedSecret:
        self._cache = {where: secret for where, secret in self._cache.items() if secret.until_s > now_s}
        try:
            raw = await self._reader.get_secret(namespace, name)
        except MissingError:
            return _CachedSecret("none", {}, frozenset(), now_s + MISSING_KEPT_S)
        except ForbiddenError as error:
            raise SecretError(Trouble(reasons.FORBIDDEN, str(error), permanent=True), "forbidden") from error
        metadata, data = raw["metadata"], raw.get("data") or {}
        values = {key: _text(data[key]) for key in (POSTGRES_URL, REDIS_URL, CLIENT_ID) if key in data}
        filled_keys = frozenset(key for key, value in data.items() if value)
        return _CachedSecret(str(metadata["resourceVersion"]), values, filled_keys, now_s + KEPT_S)


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a Secret must have, and the reasons for one that is not there or lacks some of it."""

    wanted: tuple[str, ...]
    missing: str
    incomplete: str


_BACKENDS = _Kind((POSTGRES_URL, REDIS_URL), reasons.BACKENDS_SECRET_MISSING, reasons.BACKENDS_SECRET_INCOMPLETE)
_CREDENTIALS = _Kind(
    (CLIENT_ID, CLIENT_SECRET), reasons.CREDENTIALS_SECRET_MISSING, reasons.CREDENTIALS_SECRET_INCOMPLETE
)


def _check(secret: _CachedSecret, namespace: str, name: str, *, kind: _Kind, versions: str) -> None:
    message, reason, wanted = "", kind.incomplete, kind.wanted
    missing_keys = [key for key in wanted if key not in secret.keys]
    padded_keys = [key for key in wanted if (value := secret.values.get(key)) is not None and value != value.strip()]
    if secret.version == "none":
        reason = kind.missing
        message = f"There is no Secret {name} in namespace {namespace}; run: {_command(namespace, name, wanted)}"
    elif missing_keys:
        message = (
            f"The Secret {name} in namespace {namespace} has no {' and no '.join(missing_keys)}; run: "
            f"{_command(namespace, name, wanted)}{_OVER_THE_OLD}"
        )
    elif padded_keys:
        message = (
            f"In the Secret {name} in namespace {namespace}, {' and '.join(padded_keys)} begins or ends with a space "
            f"or a line break; run: {_command(namespace, name, wanted)}{_OVER_THE_OLD}"
        )
    if message:
        raise SecretError(Trouble(reason, message, permanent=True), versions)


def _command(namespace: str, name: str, wanted: Sequence[str]) -> str:
    """To be pasted. The shell itself runs printf: passwords stand on no command line that others can read."""
    lines = " ".join(f"'{key}={_EXAMPLES[key]}'" for key in wanted)
    made = f"kubectl -n {namespace} create secret generic {name} --from-env-file=/dev/stdin"
    return rf"printf '%s\n' {lines} | {made}"


def _text(value: object) -> str:
    try:
        return base64.b64decode(str(value)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return " "  # counts as one that begins with a space: to be made anew
