"""The migration makes of each identity of before what the code reads it as, so that a CrawlJob that exists goes on."""

from __future__ import annotations

import json

import psycopg
import pytest
from support.former import CRAWLJOBS

from crawl_core.backends.migrate import migrate, migrations
from crawl_core.spec import canonical

BEFORE_SOURCES = 6
"""The last version whose identities held tuning and addresses."""

KEYSPACE = {"alphabet": "abc", "minLength": 2, "maxLength": 2, "first": "aa", "last": "cc", "rangeSize": 36}
ADDRESSES = (
    "https://API.spotify.com:443",
    "https://api.spotify.com",
    "http://api.spotify.com:8080/x",
    "https://api.spotify.com.example.com",
    "https://Proxy.example.com:443/spotify/a",
    "http://[::1]:8080",
    "http://[::1]",
    "http://[::1]:80",
    "https://a:80",
    "http://a:443",
    "http://127.0.0.1:9",
)
IDENTITIES = [
    *(former.identity for former in CRAWLJOBS),
    *({"keyspace": KEYSPACE, "source": {"type": kind, "queryTemplate": "{}", "pageSize": 50, "baseURL": address}}
      for kind in ("Sandbox", "Spotify") for address in ADDRESSES),
]  # fmt: skip
INSERT = """
INSERT INTO crawl_job (namespace, name, uid, spec, identity, total, bucket_scope, limit_requests, limit_window_s,
                       limit_timeout_s, limit_even, retention_s)
VALUES ('default', %s, 'uid', '{}', %s, 9, 'Job', 1, 1, 1, true, 1)
"""


@pytest.fixture
async def migrated(database_url: str) -> dict[str, object]:
    """The identity of each job by its name, on a ledger that began before."""
    await migrate(database_url, known=[step for step in migrations() if step.version <= BEFORE_SOURCES])
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        for number, identity in enumerate(IDENTITIES):
            await connection.execute(INSERT, (str(number), json.dumps(identity)))
    await migrate(database_url)
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        return dict(await (await connection.execute("SELECT name, identity FROM crawl_job")).fetchall())


async def test_the_migration_reads_every_identity_as_the_code_does(migrated: dict[str, object]) -> None:
    assert migrated == {str(number): canonical(identity) for number, identity in enumerate(IDENTITIES)}


def test_the_addresses_make_many_datasets() -> None:
    assert len({canonical(identity)["source"]["dataset"] for identity in IDENTITIES}) == 10
