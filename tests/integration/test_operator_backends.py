"""Ledgers and Redis servers as the operator shares them: opened once, tried rarely while down, told in plain words."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from support.fakes.operator_rounds import TurnedClock, backends, look, opened_round_io, view
from support.processes.servers import as_user

from crawl_core.backends.migrate import known_version
from crawl_core.errors import ConfigurationError, LedgerUnavailableError
from crawl_core.ledger import jobs
from crawl_operator.connect.backends import IDLE_S, Backends
from crawl_operator.connect.circuit_breaker import REMEMBERED_S


@pytest.fixture
def clock():
    return TurnedClock()


@pytest.fixture
async def shared(clock):
    made = Backends(clock)
    yield made
    await made.close()


@pytest.fixture
async def silent_server():
    """Takes connections and never says a word; how many it took."""
    taken = []

    async def hold(reader, writer):
        taken.append(writer)
        with suppress(ConnectionError):
            await reader.read()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], taken
    server.close()
    for writer in taken:
        writer.close()


async def test_an_empty_database_becomes_a_ledger_when_it_is_first_opened(shared, database_url):
    async with shared.ledger(database_url) as ledger:
        assert await jobs.all(ledger) == []


async def test_many_rounds_at_once_take_four_connections(shared, ledger_url):
    async def one_round():
        # Long enough for all rounds to want a connection at the same time.
        async with shared.ledger(ledger_url) as ledger, ledger.transaction() as connection:
            await connection.execute("SELECT pg_sleep(0.02)")

    await asyncio.gather(*(one_round() for _ in range(32)))
    async with shared.ledger(ledger_url) as ledger, ledger.transaction() as connection:
        counted = await connection.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE application_name = 'artistcrawl-operator' AND datname = current_database()"
        )
        assert await counted.fetchone() == (4,)


async def test_a_server_that_says_nothing_is_asked_once_for_all_crawljobs(shared, silent_server):
    port, taken = silent_server

    async def one_round():
        with pytest.raises(LedgerUnavailableError):
            async with shared.ledger(f"postgresql://u:p@127.0.0.1:{port}/d"):
                pass

    await asyncio.gather(*(one_round() for _ in range(200)))
    assert len(taken) == 1


async def test_a_server_that_was_down_is_asked_again_after_a_while(shared, clock):
    dead = "postgresql://u:p@127.0.0.1:1/d"
    with pytest.raises(LedgerUnavailableError) as first:
        async with shared.ledger(dead):
            pass
    with pytest.raises(LedgerUnavailableError) as again:
        async with shared.ledger(dead):
            pass
    clock.ahead_s = REMEMBERED_S + 1
    with pytest.raises(LedgerUnavailableError) as later:
        async with shared.ledger(dead):
            pass
    assert first.value is again.value is not later.value


async def test_what_nobody_uses_is_closed(shared, clock, ledger_url, redis_url):
    async with shared.ledger(ledger_url), shared.redis(redis_url):
        clock.ahead_s = 10 * IDLE_S
        await shared.close_idle()
        assert shared.ledger_urls() == (ledger_url,)
    clock.ahead_s += 2 * IDLE_S
    await shared.close_idle()
    assert shared.ledger_urls() == ()


async def test_a_postgresql_that_stops_and_starts_is_used_again(fresh_postgres, clock, redis_url):
    async with opened_round_io(backends(fresh_postgres.url(), redis_url), clock) as made:
        assert (await look(made)).trouble is None
        fresh_postgres.stop_immediately()
        for _ in range(2):
            trouble = (await look(made)).trouble
            assert (trouble.reason, trouble.permanent) == ("LedgerUnavailable", False)
        fresh_postgres.start_again()
        clock.ahead_s += REMEMBERED_S + 1
        assert (await look(made)).trouble is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda server: server.url("nowhere"), "no such database: create it, or correct the URL"),
        (lambda server: as_user(server.url(), "nobody", "hush"), "refuses the user or the password"),
        (lambda _: "postgres at somewhere", "write postgresql://USER:PASSWORD@HOST:5432/DATABASE"),
        (lambda _: "postgresql://u:p@[::1/d", "write an IPv6 address as [ADDRESS]"),
        (lambda _: "postgresql://u:hush@h:99999/d", "no port between 1 and 65535"),
        (lambda _: "postgresql://u:hush@/d", "names no host: write postgresql://USER:PASSWORD@HOST:5432/DATABASE"),
        (lambda _: "postgresql://u:hush@h", "names no database: write postgresql://USER:PASSWORD@HOST:5432/DATABASE"),
        (lambda server: f"{server.url()}&sslmode=perhaps", "a value that libpq does not take"),
    ],
)
async def test_a_wrong_postgres_url_names_the_secret_to_correct(postgres_server, wrong, said):
    async with opened_round_io(backends(wrong(postgres_server))) as made:
        trouble = (await look(made)).trouble
    assert (trouble.reason, trouble.permanent) == ("LedgerMisconfigured", True)
    assert said in trouble.message
    assert trouble.message.endswith("see postgres-url in the Secret artistcrawl-backends of namespace default")


async def test_a_wrong_password_is_told_without_showing_it(fresh_postgres):
    fresh_postgres.execute("CREATE ROLE crawler LOGIN PASSWORD 'right'")
    url = as_user(fresh_postgres.url(), "crawler", "wrong-one")
    async with opened_round_io(backends(url)) as made:
        trouble = (await look(made)).trouble
    assert trouble.permanent
    assert "refuses the user or the password" in trouble.message
    assert "wrong-one" not in trouble.message


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("redis://", "redis://stranger:wrong-one@"), "refuses the user or the password"),
        (("redis://", "redis://stranger:wrong@one@"), "%40 for each @"),
        (("127.0.0.1", ""), "names no host"),
        (("/0", "/4711"), "has no database of this number"),
    ],
)
async def test_a_redis_url_that_cannot_work_is_a_persons_matter(ledger_url, redis_url, wrong, said):
    stranger = redis_url.replace(*wrong)
    async with opened_round_io(backends(ledger_url, stranger)) as made:
        async with made.backends.ledger(ledger_url) as ledger:
            await jobs.record(ledger, view().job, uid="uid-1", bucket=None, bucket_scope="Node")
        trouble = (await look(made)).trouble
    assert (trouble.reason, trouble.permanent) == ("RedisMisconfigured", True)
    assert said in trouble.message
    assert "see redis-url in the Secret artistcrawl-backends" in trouble.message
    assert "wrong" not in trouble.message


async def test_a_ledger_of_a_newer_version_is_left_alone(shared, ledger_url):
    async with shared.ledger(ledger_url) as ledger, ledger.transaction() as connection:
        await connection.execute("INSERT INTO schema_version (version, name) VALUES (%s, 'x')", (known_version() + 1,))
    async with opened_round_io(backends(ledger_url)) as made:
        trouble = (await look(made)).trouble
    assert (trouble.reason, trouble.permanent) == ("VersionMismatch", True)
    assert "run artistcrawl of the newer version" in trouble.message


async def test_a_wrong_ledger_is_not_asked_by_each_crawljob(shared, postgres_server):
    wrong = postgres_server.url("nowhere")
    for _ in range(2):
        with pytest.raises(ConfigurationError) as raised:
            async with shared.ledger(wrong):
                pass
    assert raised.value is (await _failure(shared, wrong))


async def _failure(shared, url):
    with pytest.raises(ConfigurationError) as raised:
        async with shared.ledger(url):
            pass
    return raised.value
