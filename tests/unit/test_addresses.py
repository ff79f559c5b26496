"""URLs that cannot be meant are told before anybody is asked, with what to write and no piece of the password."""

from __future__ import annotations

import pytest

from crawl_core.backends.addresses import check_postgres, check_redis, check_remote_postgres, check_remote_redis
from crawl_core.backends.postgres import connect
from crawl_core.backends.scripts import connect_redis
from crawl_core.errors import ConfigurationError

SECRET = ("hush", "sesame")
"""The pieces of the password in each URL below."""

UNMEANT_POSTGRES = [
    ("postgresql://u:hush@sesame@h/db", "write %40 for each @"),
    ("postgresql://u:hush%40h@sesame@h/db", "write %40 for each @"),
    ("postgresql://u:p@hush%40sesame/db", "write %40 for each @"),
    ("postgresql://u:hush/sesame@h/db", "write %2F for each /"),
    ("postgresql://u:12/sesame@h/db", "write %2F for each /"),
    ("postgresql://u:hush%zzsesame@h/db", "write %25 for each %"),
    ("postgresql://u:hush%00sesame@h/db", "write %25 for each %"),
    ("postgresql://u:hush sesame@h/db", "write %20 for each space"),
    ("postgresql://h/db?password=hush&sesame", "write %26 for each &"),
    ("postgresql://h/db?password=hush&sesame=1", "write %26 for each &"),
    ("postgresql://u:hush@h:sesame/db", "no port between 1 and 65535"),
    ("postgresql://u:hush@h:0/db", "no port between 1 and 65535"),
    ("postgresql://u:hush@h:65536/db", "no port between 1 and 65535"),
    ("postgresql://u:hush@h:5432,g:0/db", "no port between 1 and 65535"),
    ("mysql://u:hush@h/db", "write postgresql://USER:PASSWORD@HOST:5432/DATABASE"),
    ("u:hush@h/db", "write postgresql://USER:PASSWORD@HOST:5432/DATABASE"),
    ("hush", "write postgresql://USER:PASSWORD@HOST:5432/DATABASE"),
    ("host=h password=hush sesame", "write postgresql://USER:PASSWORD@HOST:5432/DATABASE"),
    ("host=h password='hush", "write postgresql://USER:PASSWORD@HOST:5432/DATABASE"),
]
UNMEANT_REDIS = [
    ("redis://:hush@sesame@h/0", "write %40 for each @"),
    ("redis://:12/sesame@h/0", "write %2F for each /"),
    ("redis://:12?sesame@h/0", "write %2F for each /, %3F for each ?"),
    ("redis://:12#sesame@h/0", "write %2F for each /, %3F for each ?, %23 for each #"),
    ("redis:/u:hush@h/0", "write %2F for each /"),
    ("redis://:hush/sesame@h:6379/0", "no port between 1 and 65535"),
    ("redis://:hush@h:sesame/0", "no port between 1 and 65535"),
    ("redis://:hush@h:0/0", "no port between 1 and 65535"),
    ("redis://:hush@h:65536/0", "no port between 1 and 65535"),
    ("redis://:p@h/hush", "not the number of a database"),
    ("redis://h/0?hush=sesame", "write redis://:PASSWORD@HOST:6379/0"),
    ("redis://h/0?socket_timeout=hush", "write redis://:PASSWORD@HOST:6379/0"),
    ("mysql://u:hush@h/0", "write redis://:PASSWORD@HOST:6379/0"),
    ("hush", "write redis://:PASSWORD@HOST:6379/0"),
]


@pytest.mark.parametrize(("url", "remedy"), UNMEANT_POSTGRES)
async def test_an_unmeant_postgres_url_is_refused_in_words_without_its_password(url, remedy):
    with pytest.raises(ConfigurationError) as refused:
        await connect(url, application_name="test")
    assert remedy in str(refused.value)
    assert not any(piece in str(refused.value) for piece in SECRET)
    # A log with a traceback would show the cause.
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize(("url", "remedy"), UNMEANT_REDIS)
def test_an_unmeant_redis_url_is_refused_in_words_without_its_password(url, remedy):
    with pytest.raises(ConfigurationError) as refused:
        connect_redis(url)
    assert remedy in str(refused.value)
    assert not any(piece in str(refused.value) for piece in SECRET)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p%40w%2F@h:5432/db",
        "postgres://u:p@[::1]:5432,h:5433/db?sslmode=require&options=-csearch_path%3Da",
        "postgresql://u:p:w#?@h/db",
        "postgresql:///db",
        "postgresql://u@/db?host=/run/a",
        "host=h port=5432 password='p w' dbname=db",
    ],
)
def test_what_libpq_takes_is_taken(url):
    check_postgres(url)


@pytest.mark.parametrize(
    "url",
    [
        "redis://h",
        "redis://:p%40w@h:6379/0",
        "rediss://u:p@[::1]:6380/15?ssl_cert_reqs=none",
        "redis://:p:w@h/",
        "unix:///a/b.sock?db=1",
    ],
)
def test_what_the_redis_client_takes_is_taken(url):
    check_redis(url)
    connect_redis(url)


@pytest.mark.parametrize(
    ("check", "url", "lacks"),
    [
        (check_remote_postgres, "postgresql://u:hush@/db", "no host"),
        (check_remote_postgres, "postgresql://u:hush@:5432/db", "no host"),
        (check_remote_postgres, "", "no host"),
        (check_remote_postgres, "postgresql://u:hush@h:5432", "no database"),
        (check_remote_postgres, "postgresql://u:hush@h:5432/", "no database"),
        (check_remote_redis, "redis://:hush@/0", "no host"),
        (check_remote_redis, "redis:///0", "no host"),
    ],
)
def test_a_server_elsewhere_needs_all_that_finds_it(check, url, lacks):
    with pytest.raises(ConfigurationError, match=lacks) as refused:
        check(url)
    assert "hush" not in str(refused.value)
