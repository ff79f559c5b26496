"""A digest of where a CrawlJob's backends are: it changes when they move, and not with a password. Pure.

Workers read the Secret when their container starts. After an edit of it some would crawl by one Redis and some by
another, each with the whole limit; the digest shows such an edit. It is a digest because passwords stand beside it.
"""

from __future__ import annotations

import hashlib
import json
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict
from redis.connection import parse_url

from crawl_core.backends.postgres import plain

_CHARACTERS = 8
_LEDGER = {"host": "", "hostaddr": "", "port": "5432", "dbname": "", "user": "", "options": "", "service": ""}
"""What tells one ledger from another, with its defaults; options, since they may hold a search_path."""
_REDIS = {"host": "localhost", "port": 6379, "path": "", "db": 0, "username": ""}


def backends_digest(postgres_url: str, redis_url: str) -> str:
    """A digest of both addresses; empty where one of them cannot be read, which another look will say."""
    try:
        ledger = conninfo_to_dict(plain(postgres_url))
        redis = parse_url(redis_url)  # type: ignore[no-untyped-call]
    except (psycopg.Error, ValueError):
        return ""
    addresses = [
        [str(ledger.get(name) or default) for name, default in _LEDGER.items()],
        [urlsplit(redis_url).scheme, *(str(redis.get(name) or default) for name, default in _REDIS.items())],
    ]
    return hashlib.sha256(json.dumps(addresses).encode()).hexdigest()[:_CHARACTERS]
