"""Named SQL: found by name, each with its contract, and small enough for psycopg to remember."""

from importlib import resources

import pytest

from crawl_core.backends import queries
from crawl_core.backends.migrate import migrations

ALL = [name for group in queries.groups() for name in queries.names(group)]


@pytest.mark.parametrize("name", ALL)
def test_every_query_states_its_arguments_result_and_time(name):
    group, _, wanted = name.partition(".")
    text = (resources.files("crawl_core") / "sql" / f"{group}.sql").read_text()
    header = text.split(f"-- name: {wanted}\n")[1].split("-- name: ")[0]
    assert [word for word in ("-- ARGS ", "-- RESULT ", "-- TIME ") if word not in header] == []


@pytest.mark.parametrize("name", ALL)
def test_no_comment_and_no_end_mark_is_sent(name):
    sent = queries.query(name).decode()
    assert "--" not in sent
    assert ";" not in sent


def test_migrations_are_numbered_from_one_without_a_gap_and_each_number_is_one_migration():
    assert [step.version for step in migrations()] == list(range(1, len(migrations()) + 1))


def test_a_missing_query_says_what_to_add():
    with pytest.raises(KeyError, match=r"sql/jobs\.sql needs a line '-- name: nothing'"):
        queries.query("jobs.nothing")


def test_a_missing_group_says_what_to_add():
    with pytest.raises(KeyError, match=r"sql/nothing\.sql needs"):
        queries.query("nothing.get")


def test_two_queries_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two queries are named 'a'"):
        queries.parse("-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;")


def test_a_fragment_stands_where_it_is_included():
    text = "-- fragment: columns\n-- Of a row.\na,\nb\n-- name: get\nSELECT\n-- include: columns\nFROM t;"
    assert queries.parse(text) == {"get": b"SELECT\na,\nb\nFROM t"}


def test_an_unknown_fragment_says_where_to_write_it():
    with pytest.raises(ValueError, match="no fragment 'columns': write '-- fragment: columns' above"):
        queries.parse("-- name: get\nSELECT\n-- include: columns\nFROM t;")
