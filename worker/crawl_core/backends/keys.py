"""The names of everything in Redis, and of buckets. One home, so that a key is never written under two names.

A job's keys share the hash tag `{job-uid}`, a bucket's the tag `{bucket}`: each script's keys live in one cluster slot.
"""

from __future__ import annotations

import hashlib

PREFIX = "artistcrawl"
JOB_TTL_S = 7 * 24 * 3600
"""Seconds a job's frontier outlives its last operation. The ledger can rebuild it at any time."""


def job_key(uid: str, part: str) -> str:
    """The key of one part of a job's frontier: pending, leases, tokens or meta."""
    return f"{PREFIX}:job:{{{uid}}}:{part}"


def bucket_key(bucket: str, part: str) -> str:
    """The key of one part of a bucket: slots, state or permits."""
    return f"{PREFIX}:bucket:{{{bucket}}}:{part}"


def credential_bucket(client_id: str) -> str:
    """The bucket of one credential. The id is hashed: names of buckets are shown in many places."""
    return f"credential:{hashlib.sha256(client_id.encode()).hexdigest()[:12]}"


def node_bucket(address: str) -> str:
    """The bucket of one node's address: what an upstream that counts addresses counts."""
    return f"node:{address}"


def job_bucket(namespace: str, name: str) -> str:
    """The bucket of one job alone."""
    return f"job:{namespace}/{name}"
