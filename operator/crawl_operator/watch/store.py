"""The newest CrawlJobs and Deployments that the watches brought; it tells when one of them changed.

Nothing depends on it being complete or new: what is written carries the resourceVersion that was observed, and `resync`
finds what a watch missed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from crawl_operator.values import names
from crawl_operator.values.model import Key

Raw = Mapping[str, Any]
"""An object as the API server sends it."""

Kind = Literal["crawljobs", "deployments"]

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, slots=True)
class Entry:
    """One object, and the digest of what a round would see in it."""

    raw: Raw
    relevant: str

    @property
    def version(self) -> str:
        """Its resourceVersion."""
        return _version(self.raw)

    @property
    def uid(self) -> str:
        """Of this object; one of the same name that is made later has another."""
        return str(self.raw["metadata"].get("uid", ""))


@dataclass(slots=True)
class Store:
    """Objects by kind, namespace and name. `changed` is told the CrawlJob's key when something that matters changed."""

    changed: Callable[[Key], None]
    _objects: dict[Kind, dict[Key, Entry]] = field(default_factory=lambda: {"crawljobs": {}, "deployments": {}})

    def put(self, kind: Kind, raw: Raw) -> None:
        """Keep an object, unless a newer one of its name is here already."""
        name = _name_of(raw)
        stored = self._objects[kind].get(name)
        if stored is not None and _is_older(raw, stored.raw):
            return
        slim = _slim(raw)
        entry = Entry(slim, _relevant(kind, slim))
        self._objects[kind][name] = entry
        if stored is None or stored.relevant != entry.relevant:
            self._tell(kind, raw)

    def remove(self, kind: Kind, raw: Raw) -> None:
        """Forget an object that was deleted; a later one of its name stays."""
        name = _name_of(raw)
        stored = self._objects[kind].get(name)
        if stored is not None and stored.uid == raw["metadata"].get("uid", stored.uid):
            del self._objects[kind][name]
            self._tell(kind, raw)

    def crawljob(self, key: Key) -> Raw | None:
        """The CrawlJob of this name."""
        entry = self._objects["crawljobs"].get(key)
        return None if entry is None else entry.raw

    def deployment(self, key: Key, name: str) -> Raw | None:
        """The CrawlJob's Deployment, by the Deployment's name."""
        entry = self._objects["deployments"].get(Key(key.namespace, name))
        return None if entry is None else entry.raw

    def keys(self) -> Iterable[Key]:
        """Of every CrawlJob that there is, and of those that only a Deployment is left of."""
        left = (_owner_key(entry.raw) for entry in self._objects["deployments"].values())
        return {*self._objects["crawljobs"], *(key for key in left if key is not None)}

    def count(self, kind: Kind) -> int:
        """How many of a kind there are."""
        return len(self._objects[kind])

    def entries(self, kind: Kind) -> Iterator[tuple[Key, Entry]]:
        """All of a kind, by their own names."""
        return iter(list(self._objects[kind].items()))

    def _tell(self, kind: Kind, raw: Raw) -> None:
        key = _name_of(raw) if kind == "crawljobs" else _owner_key(raw)
        if key is not None:
            self.changed(key)


def _name_of(raw: Raw) -> Key:
    metadata = raw["metadata"]
    return Key(str(metadata["namespace"]), str(metadata["name"]))


def _owner_key(raw: Raw) -> Key | None:
    metadata = raw["metadata"]
    name = (metadata.get("labels") or {}).get(names.LABEL_JOB)
    return Key(str(metadata["namespace"]), name) if name else None


def _version(raw: Raw) -> str:
    return str(raw["metadata"].get("resourceVersion", ""))


def _is_older(raw: Raw, stored: Raw) -> bool:
    """Whether an object is older than the one kept.

    The watch brings two objects of one name in any order, since each has a queue of its own. Versions are numbers at
    every API server there is; where they are not, what comes later counts as newer.
    """
    new, old = _version(raw), _version(stored)
    return new.isdecimal() and old.isdecimal() and int(new) < int(old)


def _slim(raw: Raw) -> Raw:
    """Without what only kubectl and the API server read: more than half of an object's size."""
    metadata = {name: value for name, value in raw["metadata"].items() if name != "managedFields"}
    if _LAST_APPLIED in (annotations := metadata.get("annotations") or {}):
        metadata["annotations"] = {name: value for name, value in annotations.items() if name != _LAST_APPLIED}
    return {**raw, "metadata": metadata}


def _relevant(kind: Kind, raw: Raw) -> str:
    """What a round would act upon. Our own writes of the status are none of it: each would cause another round."""
    metadata = {name: value for name, value in raw["metadata"].items() if name != "resourceVersion"}
    status = raw.get("status") or {}
    if kind == "crawljobs":
        return _text(metadata)
    conditions = [
        [condition.get(name) for name in ("type", "status", "reason")] for condition in status.get("conditions") or ()
    ]
    counts = [status.get(name) for name in ("observedGeneration", "replicas", "readyReplicas")]
    return _text([metadata, (raw.get("spec") or {}).get("replicas"), counts, conditions])


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
