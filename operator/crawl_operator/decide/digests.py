"""Digests: of what a CrawlJob's workers are made from, and of what a try after a configuration error had. Pure.

Image, operator's settings and defaults are no part of them: an upgrade of the operator must not disturb workers. But
where it brought a schema that they cannot go on with, they are replaced.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from crawl_core.spec import Change, Spec, change_of
from crawl_operator.values.model import CrawlJobView, Observation
from crawl_operator.values.names import ANNOTATION_RESTART

_CHARACTERS = 16

NEWEST_BREAKING_SCHEMA = 8
"""The last version of the ledger's schema that workers of the version before cannot write to. Raise it with a migration
that does not only add."""


def template_digest(view: CrawlJobView) -> str:
    """A digest of the fields whose change replaces workers, as far as they are no defaults, of a restart asked for, and
    of the schema that workers need: it is applied when the ledger is in reach, and so migrated.

    Raises ValueError for a CrawlJob whose spec is invalid: what its workers should be is not known.
    """
    if view.job is None:
        raise ValueError(f"CrawlJob {view.key} has no valid spec")
    asked = view.annotations.get(ANNOTATION_RESTART, "")
    return _digest([_restarting(view.job.spec), asked, NEWEST_BREAKING_SCHEMA])


def inputs_digest(observation: Observation) -> str:
    """A digest of what a worker starts with, as far as a person changes it: the spec's generation and the Secrets."""
    return _digest([observation.crawljob.generation, observation.secrets])


def _restarting(spec: Spec) -> dict[str, Any]:
    settings = spec.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude_none=True)
    return {path: value for path, value in _leaves(settings) if change_of(path) is Change.RESTART}


def _leaves(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_CHARACTERS]
