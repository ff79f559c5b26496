"""What PostgreSQL's errors mean here: told by SQLSTATE, and by libpq's words where connecting knows none."""

import asyncio

import psycopg
import pytest
from psycopg import errors

from crawl_core.backends import postgres
from crawl_core.backends.postgres import Pool, translate
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
]


@pytest.mark.parametrize(("vendor", "meaning"), MEANINGS)
def test_a_sqlstate_has_its_meaning(vendor, meaning):
    assert type(translate(vendor("words"))) is meaning


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ('FATAL:  password authentication failed for user "u"', ConfigurationError),
        ('FATAL:  database "x" does not exist', ConfigurationError),
        ('FATAL:  role "u" does not exist', ConfigurationError),
        ('connection is bad: invalid sslmode value: "perhaps"', ConfigurationError),
        ("connection refused", LedgerUnavailableError),
        ("the database system is starting up", LedgerUnavailableError),
        ("server closed the connection unexpectedly", LedgerUnavailableError),
    ],
)
def test_a_failure_to_connect_is_told_by_its_words(words, meaning):
    assert type(translate(psycopg.OperationalError(words))) is meaning


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
