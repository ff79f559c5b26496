"""Connections that die in every way, under the event loop of a worker: each call fails as an outage, and none does once
the network has healed."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
import uvloop
from support.processes.servers import Postgres, Valkey
from support.processes.tcp_proxy import TcpProxy

from crawl_core.backends import postgres, scripts
from crawl_core.errors import LedgerUnavailableError, RedisUnavailableError, UnavailableError
from crawl_core.frontier.frontier import Frontier
from crawl_core.ledger import jobs
from crawl_core.ledger.ledger import Ledger

Call = Callable[[], Awaitable[object]]

TASKS = 8
SPELL_S = 0.3
"""Seconds that each fault, and each time between two, lasts."""


def half_an_answer(proxy: TcpProxy) -> None:
    proxy.speak(b"$1000\r\nx")
    proxy.cut()


FAULTS: dict[str, Callable[[TcpProxy], object]] = {
    "cut": TcpProxy.cut,
    "silence": lambda proxy: proxy.blackhole(True),
    "refusal": lambda proxy: proxy.refuse(True),
    "end of stream": TcpProxy.end_quietly,
    "garbage": lambda proxy: proxy.speak(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "half an answer": half_an_answer,
    "bytes that are no text": lambda proxy: proxy.speak(b"$2\r\n\xff\xfe\r\n"),
    "slowness": lambda proxy: setattr(proxy, "delay_s", 0.05),
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (postgres, scripts):
        monkeypatch.setattr(module, "CALL_TIMEOUT_S", 0.4)
    monkeypatch.setattr(scripts, "CONNECT_TIMEOUT_S", 0.4)
    monkeypatch.setattr(postgres, "CONNECT_TIMEOUT_S", 2)


@pytest.fixture
def redis_proxy(redis_server: Valkey) -> Iterator[TcpProxy]:
    with TcpProxy(("127.0.0.1", redis_server.port)) as proxy:
        yield proxy


@pytest.fixture
def postgres_proxy(postgres_server: Postgres, ledger_url: str) -> Iterator[tuple[TcpProxy, str]]:
    words = psycopg.conninfo.conninfo_to_dict(ledger_url)
    with TcpProxy(str(Path(str(words["host"])) / f".s.PGSQL.{words['port']}")) as proxy:
        address = f"127.0.0.1:{proxy.port}/{words['dbname']}"
        yield proxy, f"postgresql://{words['user']}:{words['password']}@{address}?sslmode=disable&gssencmode=disable"


@asynccontextmanager
async def calling(call: Call, raised: Counter[str]):
    """Tasks that call on and on, whatever is raised; it is counted."""

    stopping = asyncio.Event()

    async def on_and_on() -> None:
        while not stopping.is_set():
            try:
                await call()
            except UnavailableError as error:
                raised[type(error).__name__] += 1
                await asyncio.sleep(0.01)
            await asyncio.sleep(random.uniform(0, 0.005))

    tasks = [asyncio.create_task(on_and_on()) for _ in range(TASKS)]
    try:
        yield
        ended = [task for task in tasks if task.done()]
        assert not ended, [repr(task.exception()) for task in ended]
    finally:
        stopping.set()
        await asyncio.gather(*tasks, return_exceptions=True)


def heal(proxy: TcpProxy) -> None:
    proxy.delay_s = 0.0
    proxy.blackhole(False)
    proxy.refuse(False)


async def suffer(proxy: TcpProxy, fault: str, call: Call) -> Counter[str]:
    """Call all the while; what was raised. Ends when the calls work again."""
    raised: Counter[str] = Counter()
    async with calling(call, raised):
        for _ in range(3):
            await asyncio.sleep(SPELL_S)
            FAULTS[fault](proxy)
            await asyncio.sleep(SPELL_S)
            heal(proxy)
        async with asyncio.timeout(20):
            while True:
                try:
                    for _ in range(2 * TASKS):
                        await call()
                    break
                except UnavailableError:
                    await asyncio.sleep(0.05)
    return raised


@pytest.mark.parametrize("fault", FAULTS)
def test_redis_calls_outlive_it(redis_url: str, redis_proxy: TcpProxy, fault: str) -> None:
    async def scenario() -> Counter[str]:
        client = scripts.connect_redis(f"redis://127.0.0.1:{redis_proxy.port}/3", max_connections=64)
        frontier = Frontier(client, "uid")
        await frontier.seed([1, 2, 3])
        try:
            return await suffer(redis_proxy, fault, frontier.stats)
        finally:
            await client.aclose()

    raised = uvloop.run(scenario())
    assert set(raised) <= {RedisUnavailableError.__name__}


@pytest.mark.parametrize("fault", FAULTS)
def test_postgresql_calls_outlive_it(postgres_proxy: tuple[TcpProxy, str], fault: str) -> None:
    proxy, url = postgres_proxy

    async def scenario() -> Counter[str]:
        ledger = await Ledger.open(url, max_connections=4, application_name="test")
        try:
            return await suffer(proxy, fault, lambda: jobs.all(ledger))
        finally:
            await ledger.close()

    raised = uvloop.run(scenario())
    assert set(raised) <= {LedgerUnavailableError.__name__}


@pytest.mark.parametrize("end", ["abort", "close"])
def test_a_transport_that_is_closed_between_the_look_and_the_write_is_an_outage(
    redis_url: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uvloop then raises RuntimeError, which the client does not know; from Python 3.12 on asyncio is first to tell."""

    async def scenario() -> None:
        client = scripts.connect_redis(redis_url)
        await scripts.ping(client)
        connection_class = client.connection_pool.connection_class
        write = connection_class.send_packed_command

        async def dying(self, *args, **options):
            getattr(self._writer.transport, end)()
            return await write(self, *args, **options)

        with monkeypatch.context() as patch:
            patch.setattr(connection_class, "send_packed_command", dying)
            with pytest.raises(RedisUnavailableError, match=r"unable to perform operation|Connection lost"):
                await scripts.ping(client)
        await scripts.ping(client)
        await client.aclose()

    uvloop.run(scenario())


async def test_a_connection_that_died_before_it_was_settled_is_not_used(
    redis_url: str, redis_server: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client keeps a connection where it does not know the error: without its SELECT it leads to another memory."""
    client = scripts.connect_redis(redis_url.replace("/0", "/3"))
    connection_class = client.connection_pool.connection_class
    sent = connection_class.send_command

    async def dying(self, *args, **options):
        if args[0] == "SELECT":
            for _ in range(2):
                await self.read_response()  # of what was sent before; with an answer left the client connects anew
            raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")
        return await sent(self, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(connection_class, "send_command", dying)
        with pytest.raises(RedisUnavailableError, match="RuntimeError"):
            await Frontier(client, "uid").seed([1])
    await Frontier(client, "uid").seed([1])
    await client.aclose()
    with redis_server.client() as admin:
        assert (admin.dbsize(), admin.info("keyspace").get("db3", {}).get("keys")) == (0, 2)


async def test_what_a_caller_raises_by_itself_is_no_outage(ledger_url: str) -> None:
    ledger = await Ledger.open(ledger_url, max_connections=1, application_name="test")
    with pytest.raises(OSError, match="disk"):
        async with ledger.stream("jobs.all", chunk=1):
            raise OSError("no room on the disk of an export")
    with pytest.raises(RuntimeError, match="defect"):
        async with ledger.transaction():
            raise RuntimeError("a defect of the caller")
    await ledger.close()


async def test_what_nobody_foresaw_of_a_connection_in_the_middle_of_a_statement_is_an_outage_and_logged(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = await Ledger.open(ledger_url, max_connections=1, application_name="test")
    wait = psycopg.AsyncConnection.wait

    async def dying(self, generator, *args, **options):
        next(generator)  # the statement is sent
        raise RuntimeError("File descriptor 7 is used by transport <TCPTransport fd=7>")

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.AsyncConnection, "wait", dying)
        with pytest.raises(LedgerUnavailableError, match="RuntimeError"):
            await jobs.all(ledger)
    assert psycopg.AsyncConnection.wait is wait
    assert await jobs.all(ledger) == []
    assert "the client of PostgreSQL raises RuntimeError" in caplog.text
    await ledger.close()
