"""Which fields may change while a job lives, and whether a re-created job is the same one.

The one table of both: the CRD's immutability rules and docs/crawljob.md are generated from it, workers read what is
live again, and the ledger keeps a job's identity. What a change does in the end is the operator's and the worker's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from crawl_core.spec.crawljob import Spec
from crawl_core.spec.sections import DEPRECATED, default_dataset


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
    "run": Change.OPERATOR,
    "keyspace": Change.IMMUTABLE,
    "keyspace.rangeSize": Change.OPERATOR,
    "source.type": Change.IMMUTABLE,
    "source.dataset": Change.IMMUTABLE,
    "source.queryTemplate": Change.IMMUTABLE,
    "source.market": Change.IMMUTABLE,
    "source.spotify": Change.IMMUTABLE,
    "source.termsAccepted": Change.OPERATOR,
    "source.spotify.termsAccepted": Change.OPERATOR,
    "source.baseURL": Change.RESTART,
    "source.tokenURL": Change.RESTART,
    "source.credentialsSecretRef": Change.RESTART,
    "source.proxy": Change.RESTART,
    "source.pageSize": Change.LIVE,
    "source.requestTimeout": Change.LIVE,
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
    "deadlinePolicy": Change.OPERATOR,
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
    """What decides which answers belong together: {keyspace: {...}, source: {type, dataset, ...}}, as JSON has it.

    Defaults are filled in, and each has one way to be written.
    """
    keyspace, source = spec.keyspace, spec.source
    bounds = keyspace.to_keyspace()
    has_bounds = keyspace.min_length == keyspace.max_length
    return {
        "keyspace": {
            "alphabet": keyspace.alphabet,
            "minLength": keyspace.min_length,
            "maxLength": keyspace.max_length,
            **({"first": bounds.first, "last": bounds.last} if has_bounds else {}),
        },
        "source": {
            "type": source.type,
            "dataset": source.dataset_in_force,
            "queryTemplate": source.query_template,
            **({} if source.market_in_force is None else {"market": source.market_in_force}),
        },
    }


def canonical(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A stored identity as `identity` writes it now.

    Before datasets, it held the source's tuning (pageSize, requestTimeout, ...), the address and the size of ranges.
    """
    keyspace, source = stored["keyspace"], stored["source"]
    dataset = source.get("dataset") or default_dataset(source["type"], source.get("baseURL"))
    return {
        "keyspace": {name: value for name, value in keyspace.items() if name != "rangeSize"},
        "source": {
            **{name: value for name, value in source.items() if name not in _ONCE_OF_THE_IDENTITY},
            "dataset": dataset,
        },
    }


_ONCE_OF_THE_IDENTITY = frozenset({"baseURL", "tokenURL", "pageSize", "requestTimeout", "termsAccepted"})


def differences(stored: Mapping[str, Any], spec: Spec) -> dict[str, tuple[Any, Any]]:
    """Where a stored identity and a spec's differ: {path: (stored, now)}; empty when both are the same job.

    A field that a later version added is no difference while it has its default, so that an upgrade of artistcrawl
    does not make every recorded job another one.
    """
    before, now, default = _flat(canonical(stored)), _flat(identity(spec)), _flat(identity(Spec()))
    changed = {}
    for path in sorted(before.keys() | now.keys()):
        old, new = before.get(path, default.get(path)), now.get(path)
        if old != new:
            changed[DEPRECATED.get(path, path)] = (old, new)
    return changed


def in_words(changed: Mapping[str, tuple[Any, Any]]) -> str:
    """`differences`, for a message."""
    return ", ".join(f"spec.{path}: {old!r} there, {new!r} here" for path, (old, new) in changed.items())


def remedy(changed: Mapping[str, tuple[Any, Any]]) -> str:
    """What to write so that a job of this name goes on, as a sentence without its end."""
    other = "apply it with another metadata.name, or with the recorded values to go on with that crawl"
    if changed.keys() != {_DATASET}:
        return other
    same_data = f"where the new address serves the same data, write source.dataset: {json.dumps(changed[_DATASET][0])}"
    return f"{same_data}; where it does not, apply it with another metadata.name"


_DATASET = "source.dataset"


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
