"""The names of everything that the operator writes into Kubernetes. One home, so that nothing is called two names.

Labels and annotations are API: users select, ask and alert by them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from crawl_core.spec import API_VERSION

GROUP, VERSION = API_VERSION.split("/")
PLURAL = "crawljobs"

FIELD_MANAGER = "artistcrawl-operator"
FINALIZER = f"{GROUP}/data"
"""Only on a CrawlJob with dataPolicy Delete, and at most 30 s after its deletion."""

LEASE = "artistcrawl-operator"
"""By default: two installations in one namespace need one each."""

LABEL_JOB = f"{GROUP}/crawljob"
"""On all that belongs to a CrawlJob: its name."""

COMMON_LABELS = {
    "app.kubernetes.io/name": "artistcrawl",
    "app.kubernetes.io/component": "worker",
    "app.kubernetes.io/managed-by": FIELD_MANAGER,
}
"""On all that the operator makes; what it watches is selected by them."""

CONTAINER = "worker"

# The keys of a CrawlJob's Secrets: where its backends are, and who it is to the source.
POSTGRES_URL, REDIS_URL = "postgres-url", "redis-url"
CLIENT_ID, CLIENT_SECRET = "client-id", "client-secret"

ANNOTATION_TEMPLATE = f"{GROUP}/template"
"""On a Deployment: the digest of what its pods were made from. Image and operator version are no part of it."""

ANNOTATION_BACKENDS = f"{GROUP}/backends"
"""On a Deployment: the digest of where its pods' ledger and Redis are. Not of their passwords."""

ANNOTATION_PAUSED = f"{GROUP}/paused"
"""On a CrawlJob, "true": the operator leaves it and its workers alone, but for its deletion."""

# What a user asks for once, by a value that was not seen before (`kubectl crawl` writes the time). The operator notes
# the value in status.handled when it has acted.
ANNOTATION_RESTART = f"{GROUP}/restart"
ANNOTATION_RETRY_DEAD_LETTERS = f"{GROUP}/retry-dead-letters"
ANNOTATION_UNFREEZE = f"{GROUP}/unfreeze"
ANNOTATION_DELETE_RUN = f"{GROUP}/delete-run"
"""The number of the run; whatever stands behind it makes it another value."""


def _text(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


COMMON_SELECTOR = _text(COMMON_LABELS)
"""Selects all that the operator makes."""


def selector_of(name: str) -> dict[str, str]:
    """The labels that a CrawlJob's workers have, and nothing else has."""
    return {**COMMON_LABELS, LABEL_JOB: name}


def selector_text(name: str) -> str:
    """The selector as `kubectl -l` and the scale subresource take it."""
    return _text(selector_of(name))


_LONGEST_WORKERS = 46
"""Characters of a Deployment's name that leave its pods' names, 17 longer, a host name of at most 63."""


def workers_of(name: str) -> str:
    """The name of a CrawlJob's Deployment: NAME-workers, with a digest where that is too long or has dots.

    A pod's name is its host name as well, which has no dots; `a.b` and `a-b` must not meet.
    """
    plain = f"{name}-workers"
    if "." not in name and len(plain) <= _LONGEST_WORKERS:
        return plain
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    room = _LONGEST_WORKERS - len(f"-{digest}-workers")
    return f"{name.replace('.', '-')[:room].rstrip('-')}-{digest}-workers"
