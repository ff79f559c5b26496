"""How buckets are named: by what the upstream counts requests of."""

from __future__ import annotations

import hashlib


def credential_bucket(client_id: str) -> str:
    """The bucket of one credential. The id is hashed: names of buckets are shown in many places."""
    return f"credential:{hashlib.sha256(client_id.encode()).hexdigest()[:12]}"


def node_bucket(address: str) -> str:
    """The bucket of one node's address: what an upstream that counts addresses counts."""
    return f"node:{address}"


def job_bucket(namespace: str, name: str) -> str:
    """The bucket of one job alone."""
    return f"job:{namespace}/{name}"
