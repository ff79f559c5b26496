"""What a CrawlJob's Secrets say: where its backends are, and who it is to the source.

A Secret is read by its name alone and kept for a few seconds. It refuses to keep a client's secret, and to guess
where something is missing: it says the command that makes the Secret.
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


class Reader(Protocol):
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
class Given:
    """What was found. The URLs hold passwords."""

    postgres_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    client_id: str
    versions: str


@dataclass(frozen=True, slots=True)
class _Kept:
    """A Secret as it is remembered. `values` has what is not secret, or must be known; `keys` has all names."""

    version: str
    values: Mapping[str, str] = field(repr=False)
    keys: frozenset[str]
    until_s: float


class Secrets:
    """Reads the Secrets that CrawlJobs name."""

    def __init__(self, reader: Reader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock
        self._kept: dict[tuple[str, str], _Kept] = {}

    async def given(self, job: CrawlJob) -> Given:
        """All that a job's Secrets say. Raises SecretError, with what to write, or an ApiError."""
        namespace, backends = job.metadata.namespace, job.spec.backends_secret_ref.name
        credentials = job.spec.source.credentials_secret_ref
        found = await self._read(namespace, backends)
        who = None if credentials is None else await self._read(namespace, credentials.name)
        versions = ",".join(each.version for each in (found, who) if each is not None)
        _check(found, namespace, backends, wanted=(POSTGRES_URL, REDIS_URL), kind="Backends", versions=versions)
        client_id = NO_CREDENTIALS
        if credentials is not None and who is not None:
            wanted = (CLIENT_ID, CLIENT_SECRET)
            _check(who, namespace, credentials.name, wanted=wanted, kind="Credentials", versions=versions)
            client_id = who.values[CLIENT_ID]
        return Given(found.values[POSTGRES_URL], found.values[REDIS_URL], client_id, versions)

    async def _read(self, namespace: str, name: str) -> _Kept:
        now_s = self._clock.monotonic()
        kept = self._kept.get((namespace, name))
        if kept is None or kept.until_s <= now_s:
            kept = self._kept[namespace, name] = await self._fetch(namespace, name, now_s)
        return kept

    async def _fetch(self, namespace: str, name: str, now_s: float) -> _Kept:
        self._kept = {where: each for where, each in self._kept.items() if each.until_s > now_s}
        try:
            raw = await self._reader.get_secret(namespace, name)
        except MissingError:
            return _Kept("none", {}, frozenset(), now_s + MISSING_KEPT_S)
        except ForbiddenError as error:
            raise SecretError(Trouble("Forbidden", str(error), permanent=True), "forbidden") from error
        metadata, data = raw["metadata"], raw.get("data") or {}
        values = {key: _text(data[key]) for key in (POSTGRES_URL, REDIS_URL, CLIENT_ID) if key in data}
        full = frozenset(key for key, value in data.items() if value)
        return _Kept(str(metadata["resourceVersion"]), values, full, now_s + KEPT_S)


def _check(found: _Kept, namespace: str, name: str, *, wanted: Sequence[str], kind: str, versions: str) -> None:
    said = ""
    lacking = [key for key in wanted if key not in found.keys]
    odd = [key for key in wanted if (value := found.values.get(key)) is not None and value != value.strip()]
    if found.version == "none":
        reason = f"{kind}SecretMissing"
        said = f"There is no Secret {name} in namespace {namespace}; run: {_command(namespace, name, wanted)}"
    elif lacking:
        reason = f"{kind}SecretIncomplete"
        said = (
            f"The Secret {name} in namespace {namespace} has no {' and no '.join(lacking)}; run: "
            f"{_command(namespace, name, wanted)}{_OVER_THE_OLD}"
        )
    elif odd:
        reason = f"{kind}SecretIncomplete"
        said = (
            f"In the Secret {name} in namespace {namespace}, {' and '.join(odd)} begins or ends with a space or a line "
            f"break; run: {_command(namespace, name, wanted)}{_OVER_THE_OLD}"
        )
    if said:
        raise SecretError(Trouble(reason, said, permanent=True), versions)


def _command(namespace: str, name: str, wanted: Sequence[str]) -> str:
    values = " ".join(f"--from-literal={key}='{_EXAMPLES[key]}'" for key in wanted)
    return f"kubectl -n {namespace} create secret generic {name} {values}"


def _text(value: object) -> str:
    try:
        return base64.b64decode(str(value)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return " "  # counts as one that begins with a space: to be made anew
