"""Migrations on a real server: from nothing, again, two at once, from every older version, and never backwards."""

import asyncio

import psycopg
import pytest
from psycopg.types.json import Jsonb

from crawl_core.backends.migrate import Migration, migrate, migrations
from crawl_core.errors import ConfigurationError, LedgerUnavailableError, SchemaVersionError
from crawl_core.ledger import jobs
from crawl_core.ledger.ledger import Ledger

SOURCES = 7
"""From this version on an artist has a source."""

NEXT = Migration(migrations()[-1].version + 1, "next", "ALTER TABLE artist ADD COLUMN country text")


async def rows(url: str, sql: str) -> list[tuple]:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        return await (await connection.execute(sql)).fetchall()


async def test_an_empty_database_gets_every_migration(database_url):
    assert await migrate(database_url) == [step.name for step in migrations()]
    assert await rows(database_url, "SELECT max(version) FROM schema_version") == [(migrations()[-1].version,)]


async def test_a_second_run_applies_nothing(ledger_url):
    assert await migrate(ledger_url) == []


async def test_of_two_at_once_one_migrates_and_one_finds_it_done(database_url):
    results = await asyncio.gather(migrate(database_url), migrate(database_url))
    assert sorted(map(len, results)) == [0, len(migrations())]


async def test_a_failing_migration_leaves_the_version_before(ledger_url):
    broken = Migration(NEXT.version, "broken", "ALTER TABLE artist ADD COLUMN country text; SELECT 1/0")
    with pytest.raises(Exception, match="division by zero"):
        await migrate(ledger_url, known=[*migrations(), broken])
    assert await migrate(ledger_url, known=[*migrations(), NEXT]) == ["next"]


@pytest.mark.parametrize("version", [step.version for step in migrations()])
async def test_every_version_migrates_with_its_data(database_url, version):
    known = [*migrations(), NEXT]
    await migrate(database_url, known=[step for step in known if step.version <= version])
    insert = "INSERT INTO artist (id, name, first_query, first_seen, last_seen) VALUES ('a', 'b', 'c', now(), now())"
    if version >= SOURCES:
        insert = insert.replace("(id,", "(key, source_id, id,").replace("('a'", "(1, 1, 'a'")
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute(insert)
    await migrate(database_url, known=known)
    assert await rows(database_url, "SELECT id, name, country FROM artist") == [("a", "b", None)]


@pytest.mark.parametrize(
    ("source", "token_url"),
    [
        ({"type": "Spotify", "baseURL": "https://egress.example"}, "https://accounts.spotify.com/api/token"),
        ({"type": "Spotify", "baseURL": "https://a.example", "tokenURL": "https://a.example/t"}, "https://a.example/t"),
        ({"type": "Spotify", "baseURL": "https://API.spotify.com:443"}, None),
        ({"type": "Spotify"}, None),
        ({"type": "Sandbox", "baseURL": "https://a.example"}, None),
    ],
)
async def test_a_job_that_got_its_tokens_from_spotify_says_so_from_now_on(database_url, source, token_url):
    """A spec that does not say so is refused by now, and a recorded one must still be read."""
    terms = {"termsAccepted": True, "credentialsSecretRef": {"name": "s"}} if source["type"] == "Spotify" else {}
    await migrate(database_url, known=migrations()[: SOURCES - 1])
    await record_as_before(database_url, {"source": source | terms}, timeout_s=20.0)
    await migrate(database_url)
    assert await rows(database_url, "SELECT spec #>> '{source,tokenURL}' FROM crawl_job") == [(token_url,)]
    ledger = await Ledger.open(database_url, application_name="test")
    assert [job.crawl_job.spec.source.token_url for job in await jobs.all(ledger)] == [token_url]
    await ledger.close()


async def test_a_bucket_remembers_the_timeouts_of_before(database_url):
    await migrate(database_url, known=migrations()[: SOURCES - 1])
    for at, timeout_s in enumerate((20.0, 60.0)):
        await record_as_before(database_url, {}, timeout_s=timeout_s, name=f"job-{at}")
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute(
            "INSERT INTO bucket (name, limit_requests, limit_window_s, limit_timeout_s, limit_even)"
            " VALUES ('b', 10, 30, 20, true)"
        )
    await migrate(database_url)
    assert await rows(database_url, "SELECT limit_timeout_s, longest_timeout_s FROM bucket") == [(20.0, 60.0)]


async def record_as_before(url, spec, *, timeout_s, name="job"):
    """A job as the version before sources had it."""
    whole = {"keyspace": {"alphabet": "ab", "minLength": 1, "maxLength": 1}, **spec}
    identity = {"keyspace": whole["keyspace"], "source": spec.get("source", {"type": "Sandbox"})}
    columns = {
        "namespace": "default", "name": name, "uid": name, "spec": Jsonb(whole), "identity": Jsonb(identity),
        "total": 2, "bucket": "b", "bucket_scope": "Named", "limit_requests": 10, "limit_window_s": 30,
        "limit_timeout_s": timeout_s, "limit_even": True, "retention_s": 60,
    }  # fmt: skip
    async with await psycopg.AsyncConnection.connect(url) as connection:
        values = ", ".join(f"%({column})s" for column in columns)
        await connection.execute(f"INSERT INTO crawl_job ({', '.join(columns)}) VALUES ({values})", columns)


async def test_a_newer_schema_is_left_alone_and_said_so(ledger_url):
    await migrate(ledger_url, known=[*migrations(), NEXT])
    with pytest.raises(SchemaVersionError, match=r"is version \d+, this artistcrawl knows \d+: run .* newer"):
        await migrate(ledger_url)


async def test_a_missing_database_names_the_remedy(postgres_server):
    with pytest.raises(ConfigurationError, match="no such database: create it"):
        await migrate(postgres_server.url("nowhere"))


@pytest.mark.parametrize("url", ["postgresql://u:secret@host/x?bogus=1", "mysql://u:secret@host/x"])
async def test_an_unreadable_url_names_the_form_to_write_and_no_password(url):
    with pytest.raises(ConfigurationError, match="write postgresql://USER:PASSWORD@HOST") as caught:
        await migrate(url)
    assert "secret" not in str(caught.value)


async def test_a_server_that_is_not_there_may_come_back():
    with pytest.raises(LedgerUnavailableError):
        await migrate("postgresql://nobody@127.0.0.1:1/x")
