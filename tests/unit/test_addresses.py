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
    ("postgresql://u:hush@h..sesame/db", "names a host that cannot be"),
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
    ("redis://:hush@h..sesame/0", "names a host that cannot be"),
    ("redis://h/0?db=1&hush=sesame", "only client_name, db, health_check_interval"),
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


DEPUTIES = [
    "sslkeylogfile=/tmp/written", "sslcert=/run/token&sslkey=/run/token", "sslrootcert=/run/token", "sslcrl=/run/token",
    "sslcrldir=/run", "sslpassword=x", "passfile=/run/token", "service=x", "servicefile=/run/token&service=x",
    "options=-cwork_mem%3D1GB", "options=-csearch_path%3Dx%20-cwork_mem%3D1GB", "krbsrvname=x", "gssdelegation=1",
    "gsslib=x", "requirepeer=root", "replication=database", "require_auth=none&passfile=/run/token",
]  # fmt: skip


@pytest.mark.parametrize("query", DEPUTIES)
def test_a_secret_lends_nobody_the_files_of_the_process_that_connects(query):
    with pytest.raises(ConfigurationError, match=r"of a Secret may|cannot be read") as refused:
        check_remote_postgres(f"postgresql://u:hush@h/db?{query}")
    assert "hush" not in str(refused.value)
    assert "/run" not in str(refused.value)


@pytest.mark.parametrize(
    "query",
    [
        "sslmode=require",
        "sslmode=verify-full&sslrootcert=system",
        "channel_binding=require&connect_timeout=3&application_name=x",
        "keepalives=1&keepalives_idle=30&target_session_attrs=read-write",
        "options=-csearch_path%3Dcrawl,public",
        "hostaddr=10.0.0.7",
    ],
)
def test_what_only_says_how_to_connect_may_stand_in_a_secret(query):
    check_remote_postgres(f"postgresql://u:hush@h,g:5433/db?{query}")


@pytest.mark.parametrize("query", ["sslcert=/home/me/a.crt&sslkey=/home/me/a.key", "service=x", "passfile=/home/me/p"])
def test_a_users_own_url_may_name_their_files(query):
    check_postgres(f"postgresql://u@h/db?{query}")


@pytest.mark.parametrize(
    "url",
    [
        "unix:///var/run/x.sock",
        "rediss://h:6379/0?ssl_ca_certs=/etc/shadow",
        "rediss://h:6379/0?ssl_keyfile=/etc/passwd&ssl_certfile=/etc/passwd",
        "redis://h:6379/0?socket_timeout=1e9&socket_connect_timeout=1e9",
        "redis://h:6379/0?max_connections=1000000",
        "redis://h:6379/0?retry_on_timeout=yes",
        "redis://h:6379/0?decode_responses=0",
        "redis://h:6379/0?protocol=3",
        "redis://h:6379/0?client_name=a%0Ab",
    ],
)
def test_a_secrets_redis_url_names_no_file_and_changes_no_promise(url):
    with pytest.raises(ConfigurationError, match=r"not taken|may not name a socket"):
        check_remote_redis(url)


def test_no_redis_url_changes_how_long_a_call_waits_or_has_it_repeated():
    for query in ("socket_timeout=1e9", "retry_on_timeout=yes", "max_connections=9"):
        with pytest.raises(ConfigurationError, match="not taken"):
            connect_redis(f"redis://h/0?{query}")
    pool = connect_redis("rediss://h/0?ssl_cert_reqs=none&health_check_interval=5").connection_pool
    assert pool.connection_kwargs["socket_timeout"] == 5.0
    assert pool.connection_kwargs["retry"].get_retries() == 0


def test_a_users_own_redis_may_have_certificates_in_files():
    check_redis("rediss://h:6379/0?ssl_ca_certs=/home/me/ca.crt&ssl_certfile=/home/me/a.crt&ssl_keyfile=/home/me/a.key")
