"""What PostgreSQL's errors mean here: told by SQLSTATE, and by libpq's words where connecting knows none."""

import asyncio

import psycopg
import pytest
from psycopg import errors

from crawl_core.backends import postgres, trust
from crawl_core.backends.postgres import Pool, mapped_errors
from crawl_core.backends.postgres_errors import translate
from crawl_core.errors import BatchRefusedError, ConfigurationError, LedgerUnavailableError

MEANINGS = [
    (errors.UntranslatableCharacter, BatchRefusedError),
    (errors.CardinalityViolation, BatchRefusedError),
    (errors.NumericValueOutOfRange, BatchRefusedError),
    (errors.AdminShutdown, LedgerUnavailableError),
    (errors.CannotConnectNow, LedgerUnavailableError),
    (errors.DeadlockDetected, LedgerUnavailableError),
    (errors.DiskFull, LedgerUnavailableError),
    (errors.TooManyConnections, LedgerUnavailableError),
    (errors.ReadOnlySqlTransaction, LedgerUnavailableError),
    (errors.InvalidPassword, ConfigurationError),
    (errors.InvalidCatalogName, ConfigurationError),
    (errors.UndefinedTable, ConfigurationError),
    (errors.InsufficientPrivilege, ConfigurationError),
    (errors.ProgramLimitExceeded, BatchRefusedError),
    (errors.StatementTooComplex, BatchRefusedError),
    (errors.NotNullViolation, BatchRefusedError),
    (errors.UniqueViolation, BatchRefusedError),
    (errors.InvalidTextRepresentation, BatchRefusedError),
    (errors.QueryCanceled, LedgerUnavailableError),
    (errors.IdleInTransactionSessionTimeout, LedgerUnavailableError),
    (errors.InvalidSqlStatementName, LedgerUnavailableError),
    (errors.DuplicatePreparedStatement, LedgerUnavailableError),
    (errors.ProtocolViolation, LedgerUnavailableError),
    (errors.InternalError_, LedgerUnavailableError),
    (errors.DataCorrupted, LedgerUnavailableError),
    (errors.FeatureNotSupported, LedgerUnavailableError),
    (errors.OutOfMemory, LedgerUnavailableError),
    (errors.SerializationFailure, LedgerUnavailableError),
]


@pytest.mark.parametrize(("vendor", "meaning"), MEANINGS)
def test_a_sqlstate_has_its_meaning(vendor, meaning):
    assert type(translate(vendor("words"))) is meaning


@pytest.mark.parametrize("table", ["search_1000000000", "run_artist_1000000000", "public.search_1000000016"])
def test_a_missing_table_of_a_runs_own_says_that_the_run_was_deleted(table):
    missing = errors.UndefinedTable(f'relation "{table}" does not exist\nLINE 1: INSERT INTO {table} SELECT')
    assert str(translate(missing)).startswith("its run was deleted, and its tables with it (relation")


@pytest.mark.parametrize("table", ["search", "search_small", "crawl_job"])
def test_any_other_missing_table_is_for_a_migration(table):
    missing = errors.UndefinedTable(
        f'relation "{table}" does not exist\nLINE 1: SELECT FROM {table}, search_1000000000'
    )
    assert "run artistcrawl migrate" in str(translate(missing))


def test_a_table_of_locks_that_is_full_names_the_setting():
    full = errors.OutOfMemory('out of shared memory\nHINT:  You might need to increase "max_locks_per_transaction".')
    assert "set max_locks_per_transaction to 512" in str(translate(full))


AT = 'connection failed: connection to server at "db.example" (10.0.0.7), port 5432 failed: '
SOCKET = 'connection failed: connection to server on socket "/run/p/.s.PGSQL.5432" failed: '
FOR_A_PERSON = [
    (AT + 'FATAL:  password authentication failed for user "u"', "the user or the password"),
    (SOCKET + 'FATAL:  database "x" does not exist', "no such database"),
    (AT + 'FATAL:  role "u" does not exist', "no such user"),
    (AT + 'FATAL:  role "u" is not permitted to log in', "lacks a privilege"),
    (
        AT + 'FATAL:  permission denied for database "x"\nDETAIL:  User does not have CONNECT privilege.',
        "lacks a privilege",
    ),
    (AT + 'FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "u", database "x", no encryption', "pg_hba.conf"),
    (SOCKET + 'FATAL:  Peer authentication failed for user "u"', "pg_hba.conf"),
    (AT + "fe_sendauth: no password supplied", "wants a password"),
    (AT + "server does not support SSL, but SSL was required", "sslmode=disable"),
    (AT + "SSL error: certificate verify failed", "certificate"),
    (AT + 'server certificate for "other" does not match host name "db.example"', "certificate"),
    (AT + "FATAL:  no such database: x", "no such database"),
    (AT + "FATAL:  unsupported startup parameter: options", "ignore_startup_parameters"),
    ('connection is bad: invalid sslmode value: "perhaps"', "libpq does not take"),
    # With sslmode=prefer libpq tries twice; the last word decides.
    (f'{AT}SSL error: wrong version\n{AT[19:]}FATAL:  database "x" does not exist', "no such database"),
]
PASSING = [
    'FATAL:  too many connections for role "u"',
    'FATAL:  too many connections for database "x"',
    "FATAL:  sorry, too many clients already",
    "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
    "FATAL:  the database system is starting up",
    "FATAL:  the database system is shutting down",
    "FATAL:  the database system is in recovery mode",
    "FATAL:  the database system is not yet accepting connections\nDETAIL:  Consistent recovery state has not ...",
    'FATAL:  database "x" is not currently accepting connections',
    'FATAL:  LDAP authentication failed for user "u"',
    'FATAL:  PAM authentication failed for user "u"',
    "Connection refused",
    "server closed the connection unexpectedly",
    # PgBouncer's.
    "FATAL:  server login has been failing, try again later (server_login_retry)",
    "FATAL:  query_wait_timeout",
    "FATAL:  pgbouncer cannot connect to server",
    "FATAL:  no more connections allowed (max_client_conn)",
    'FATAL:  server login failed: FATAL password authentication failed for user "u"',
    # A server that speaks another language, and a word of the table in another sentence.
    "FATAL:  Rolle »u« existiert nicht",
    'FATAL:  could not open relation while database "x" does not exist in the catalog',
    'FATAL:  cannot look up role "u" does not exist yet, try later',
]


@pytest.mark.parametrize(("words", "remedy"), FOR_A_PERSON)
def test_a_whole_sentence_while_connecting_is_proof_and_says_what_to_do(words, remedy):
    meaning = translate(psycopg.OperationalError(words))
    assert type(meaning) is ConfigurationError
    assert remedy in str(meaning)


@pytest.mark.parametrize("sentence", PASSING)
@pytest.mark.parametrize("before", [AT, SOCKET, ""])
def test_any_other_sentence_while_connecting_is_an_outage(sentence, before):
    meaning = translate(psycopg.OperationalError(before + sentence))
    assert type(meaning) is LedgerUnavailableError
    assert " ".join(sentence.split()) in str(meaning)


def test_a_server_without_connections_says_what_to_raise():
    for sentence in PASSING[:4]:
        assert "max_connections" in str(translate(psycopg.OperationalError(AT + sentence)))


def test_of_several_servers_all_must_refuse_for_good():
    def several(*entries):
        failures = "".join(f"\n- host: 'h', port: '5432', hostaddr: '10.0.0.7': {entry}" for entry in entries)
        return psycopg.OperationalError(
            f"{entries[-1]}\nMultiple connection attempts failed. All failures were:{failures}"
        )

    missing = f'{AT}FATAL:  database "x" does not exist'
    assert type(translate(several(missing, missing))) is ConfigurationError
    assert type(translate(several(f"{AT}Connection refused", missing))) is LedgerUnavailableError
    assert type(translate(several("connection timeout expired", missing))) is LedgerUnavailableError


@pytest.mark.parametrize(
    "error",
    [
        psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes"),
        psycopg.DataError("integer out of range"),
    ],
)
def test_data_that_psycopg_cannot_send_is_refused_data(error):
    assert type(translate(error)) is BatchRefusedError


def test_what_a_server_says_is_one_clean_line():
    said = str(translate(psycopg.OperationalError(f"{AT}FATAL:  hello \x1b[2J\x1b]0;PWNED\x07\nline2{'x' * 10_000}")))
    assert "\x1b" not in said
    assert "\n" not in said
    assert len(said) < 600


@pytest.mark.parametrize(
    "words",
    [
        "server closed the connection unexpectedly\n"
        "\tThis probably means the server terminated abnormally\n\tbefore or while processing the request.",
        "Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?",
        "No such file or directory\n\tIs the server running locally and accepting connections on that socket?",
    ],
)
def test_what_libpq_guesses_is_left_out(words):
    said = str(translate(psycopg.OperationalError(words)))
    assert said == f"PostgreSQL cannot be reached: {words.splitlines()[0]}"


def test_a_defect_of_ours_stays_what_it_is():
    defect = errors.SyntaxError("near SELCT")
    assert translate(defect) is defect


class Silent:
    """A connection that never answers."""

    closed = False

    async def close(self):
        self.closed = True

    class info:  # noqa: N801
        transaction_status = psycopg.pq.TransactionStatus.ACTIVE


@pytest.fixture
def silent_pool(monkeypatch):
    async def connect(url, **settings):
        return Silent()

    monkeypatch.setattr(postgres, "connect", connect)
    return Pool("postgresql://x", max_connections=1, application_name="test")


async def test_a_server_that_does_not_answer_is_unavailable_and_its_connection_closed(silent_pool, monkeypatch):
    monkeypatch.setattr(postgres, "CALL_TIMEOUT_S", 0.01)
    with pytest.raises(LedgerUnavailableError, match="did not answer"):
        async with silent_pool.connection() as connection:
            await asyncio.Event().wait()
    assert connection.closed


async def test_a_cancelled_caller_leaves_no_connection_in_the_middle_of_a_statement(silent_pool):
    lent = []

    async def call():
        async with silent_pool.connection() as connection:
            lent.append(connection)
            await asyncio.Event().wait()

    task = asyncio.create_task(call())
    while not lent:
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert lent[0].closed


async def test_no_more_connections_than_allowed_are_lent_at_once(silent_pool):
    async with silent_pool.connection():
        waiting = asyncio.create_task(silent_pool.connection().__aenter__())
        await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()


@pytest.mark.parametrize(
    "outage",
    [
        psycopg.OperationalError("server closed the connection unexpectedly"),
        LedgerUnavailableError("it did not answer"),
    ],
)
def test_an_outage_between_two_refusals_of_a_call_makes_them_two_rows(monkeypatch, outage):
    monkeypatch.setattr(trust, "BELIEVED_AFTER_S", 0.0)
    server = trust.Trust()
    server.worked("commit")
    server.is_proof("commit")
    with pytest.raises(LedgerUnavailableError), mapped_errors(server, "commit"):
        raise outage
    monkeypatch.setattr(trust, "BELIEVED_AFTER_S", 300.0)
    assert not server.is_proof("commit")
