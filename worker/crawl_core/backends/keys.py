"""The keys of everything in Redis. They have one home, so that no key is written under two names.

A job's keys share the hash tag `{job-uid}`, a bucket's the tag `{bucket}`: each script's keys live in one cluster slot.
"""

from __future__ import annotations

PREFIX = "artistcrawl"
JOB_TTL_S = 7 * 24 * 3600
"""Seconds that a job's frontier, or a bucket, outlives its last operation. The ledger can rebuild both."""


def job_key(uid: str, part: str) -> str:
    """The key of one part of a job's frontier: pending, leases, tokens or meta."""
    return f"{PREFIX}:job:{{{uid}}}:{part}"


def bucket_key(bucket: str, part: str) -> str:
    """The key of one part of a bucket: slots or state."""
    return f"{PREFIX}:bucket:{{{bucket}}}:{part}"
