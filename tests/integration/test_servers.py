"""The servers that tests stand on behave as the fixtures say."""

import psycopg
import pytest
from support.processes.servers import Postgres, Valkey


def test_a_database_of_a_test_is_empty_and_its_own(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    assert tables == (0,)


def test_postgres_comes_back_after_an_immediate_stop(fresh_postgres: Postgres) -> None:
    fresh_postgres.stop_immediately()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(fresh_postgres.url())
    fresh_postgres.start_again()
    psycopg.connect(fresh_postgres.url()).close()


@pytest.mark.parametrize(("keep_data", "expected"), [(True, "1"), (False, None)])
def test_valkey_comes_back_with_or_without_its_memory(
    fresh_redis: Valkey, keep_data: bool, expected: str | None
) -> None:
    with fresh_redis.client() as client:
        client.config_set("appendfsync", "always")
        client.set("a", "1")
    fresh_redis.kill()
    fresh_redis.restart(keep_data=keep_data)
    with fresh_redis.client() as client:
        assert client.get("a") == expected
