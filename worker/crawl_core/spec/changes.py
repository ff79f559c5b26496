"""Which fields may change while a job lives, and whether a re-created job is the same one.

The one table of both: the CRD's immutability rules and docs/crawljob.md are generated from it, workers read what is
live again, and the ledger keeps a job's identity. What a change does in the end is the operator's and the worker's.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from crawl_core.spec.crawljob import Spec


class Change(StrEnum):
    """What changing a field of a living job takes."""

    IMMUTABLE = "immutable"
    """Refused: it would be another job."""
    LIVE = "live"
    """Workers read it from the ledger every 10 s."""
    RESTART = "restart"
    """Workers are replaced one at a time."""
    OPERATOR = "operator"
    """Only the operator, or the local run, acts on it."""


# The longest matching path counts.
CHANGES: Mapping[str, Change] = {
    "keyspace": Change.IMMUTABLE,
    "source": Change.IMMUTABLE,
    "source.credentialsSecretRef": Change.RESTART,
    "source.proxy": Change.RESTART,
    "rateLimit": Change.LIVE,
    "retry": Change.LIVE,
    "workers": Change.RESTART,
    "workers.min": Change.LIVE,
    "workers.max": Change.LIVE,
    "workers.replicas": Change.LIVE,
    "workers.concurrency": Change.LIVE,
    "backendsSecretRef": Change.RESTART,
    "suspend": Change.OPERATOR,
    "deadline": Change.OPERATOR,
    "ttlAfterFinished": Change.OPERATOR,
    "dataPolicy": Change.OPERATOR,
    "requestLogRetention": Change.LIVE,
}


def change_of(path: str) -> Change:
    """What changing the field at `path` (`source.credentialsSecretRef.name`) takes."""
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        change = CHANGES.get(".".join(parts[:length]))
        if change is not None:
            return change
    raise KeyError(path)


def identity(spec: Spec) -> dict[str, Any]:
    """What makes two jobs of one name the same job: keyspace and source, defaults filled in, one way to write each."""
    keyspace = spec.keyspace.to_keyspace()
    filled = spec.keyspace.model_copy(
        update={"first": None, "last": None, "range_size": keyspace.range_size}
        if spec.keyspace.min_length != spec.keyspace.max_length
        else {"first": keyspace.first, "last": keyspace.last, "range_size": keyspace.range_size}
    )
    return {
        "keyspace": filled.model_dump(mode="json", exclude_none=True),
        "source": {
            **spec.source.model_dump(mode="json", exclude_none=True, exclude={"credentials_secret_ref", "proxy"}),
            "requestTimeout": spec.source.request_timeout.canonical(),
        },
    }


def differences(stored: Mapping[str, Any], spec: Spec) -> dict[str, tuple[Any, Any]]:
    """Where a stored identity and a spec's differ: {path: (stored, now)}; empty when both are the same job.

    A field that a later version added is no difference while it has its default, so that an upgrade of artistcrawl
    does not make every recorded job another one.
    """
    before, now, default = _flat(stored), _flat(identity(spec)), _flat(identity(Spec()))
    changed = {}
    for path in sorted(before.keys() | now.keys()):
        old, new = before.get(path, default.get(path)), now.get(path)
        if old != new:
            changed[path] = (old, new)
    return changed


def in_words(changed: Mapping[str, tuple[Any, Any]]) -> str:
    """`differences`, for a message."""
    return ", ".join(f"spec.{path}: {old!r} there, {new!r} here" for path, (old, new) in changed.items())


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
