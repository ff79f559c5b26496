"""Each internal of an HTTP, Redis, PostgreSQL or Kubernetes client that this program hooks is where it was, and the
hook is what the library calls. The list of them, with the reasons, is in docs/architecture.md.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import aiohttp
import psycopg
import pytest
from aiohttp.client_proto import ResponseHandler
from kubernetes.client import ApiClient, Configuration
from redis import exceptions
from redis.connection import parse_url
from support.fakes.permits import Keeper, permit
from support.processes.raw_server import listening, serve

from crawl_core.backends.postgres_errors import _ALL_ATTEMPTS, _ATTEMPT
from crawl_core.backends.redis_errors import code_of
from crawl_core.backends.scripts import PrimaryClient, Script, connect_redis
from crawl_core.errors import RedisUnavailableError
from crawl_operator.kube.transport import TransportError, send
from crawl_worker.client.errors import NotSentError
from crawl_worker.client.exchange import _Handler, http_session
from crawl_worker.client.proxies import Proxies
from crawl_worker.client.transport import ApiTransport, _PermitRequest
from crawl_worker.sources.wire import HttpRequest

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def answer_ok(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(OK)


def get(url: str) -> HttpRequest:
    return HttpRequest("GET", url, {})


async def test_aiohttp_makes_each_connection_with_our_factory(monkeypatch) -> None:
    hooked: list[type] = []
    ours = _Handler.data_received

    def spy(self: _Handler, data: bytes) -> None:
        hooked.append(type(self))
        ours(self, data)

    monkeypatch.setattr(_Handler, "data_received", spy)
    async with serve(answer_ok) as server, ApiTransport(concurrency=1, timeout_s=lambda: 5.0) as api:
        await api.send(get(server.url), permit(Keeper()))
    assert set(hooked) == {_Handler}
    connector = aiohttp.TCPConnector()
    assert connector._factory.func is ResponseHandler
    await connector.close()


async def test_aiohttps_connection_counts_answers_and_can_be_ended() -> None:
    made = _Handler(asyncio.get_running_loop())
    assert (len(made), made.exception(), made.transport, made.should_close) == (0, None, None, False)
    made.connection_made(asyncio.Transport())
    made.set_response_params()
    made.data_received(OK * 3)
    assert len(made) == 3
    assert callable(made.abort)
    made.set_exception(ValueError("ended"))
    assert isinstance(made.exception(), ValueError)


async def test_aiohttp_sends_a_get_again_unless_it_is_switched_off() -> None:
    async def only_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(server.requests) % 2 == 0:
            raise ConnectionResetError
        writer.write(OK)

    async def twice(session: aiohttp.ClientSession) -> int:
        server.requests.clear()
        async with session.get(server.url) as answer:
            await answer.read()
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await session.get(server.url)
        return len(server.requests)

    async with serve(only_once) as server:
        async with http_session(aiohttp.TCPConnector()) as session:
            assert await twice(session) == 2
        async with http_session(aiohttp.TCPConnector()) as session:
            session._retry_connection = True
            server.requests.clear()
            for _ in range(2):
                async with session.get(server.url) as answer:
                    await answer.read()
            assert len(server.requests) == 3


async def test_aiohttp_asks_our_request_on_the_open_connection_before_the_first_byte(monkeypatch) -> None:
    seen: list[tuple[bool, int]] = []
    ours = _PermitRequest.send

    async def spy(self: _PermitRequest, conn: Any) -> Any:
        seen.append((conn.protocol.is_connected(), len(server.requests)))
        assert callable(conn.release)
        assert callable(conn.close)
        return await ours(self, conn)

    monkeypatch.setattr(_PermitRequest, "send", spy)
    async with serve(answer_ok) as server, ApiTransport(concurrency=1, timeout_s=lambda: 5.0) as api:
        for _ in range(2):
            await api.send(get(server.url), permit(Keeper()))
    assert seen == [(True, 0), (True, 1)]


async def test_aiohttp_opens_a_tunnel_with_a_request_of_its_own() -> None:
    """Ours would use the permit up for the CONNECT, which the API never sees."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        raise ConnectionResetError

    keeper = Keeper()
    async with serve(refuse) as proxy:
        proxies = Proxies(used=True, found={"https": proxy.url})
        async with ApiTransport(concurrency=1, timeout_s=lambda: 5.0, proxies=proxies) as api:
            with pytest.raises(NotSentError):
                await api.send(get("https://api.example/"), permit(keeper))
    assert proxy.requests[0].startswith(b"CONNECT api.example:443 ")
    assert keeper.told == ["unused"]


@asynccontextmanager
async def redis_that_says(*answers: bytes) -> AsyncIterator[tuple[PrimaryClient, list[bytes]]]:
    """A client of a server that gives these answers to a connection's commands, and then hangs up; what it was sent."""
    talking: list[asyncio.Task[None] | None] = []
    commands: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talking.append(asyncio.current_task())
        left = list(answers)
        try:
            while line := await reader.readline():
                words = [(await reader.readline(), await reader.readline())[1].strip() for _ in range(int(line[1:]))]
                if words[:2] == [b"CLIENT", b"SETINFO"]:
                    writer.write(b"+OK\r\n")
                    continue
                commands.append(words[0])
                if not left:
                    return
                writer.write(left.pop(0))
        finally:
            writer.close()

    async with listening(talk, talking) as port:
        client = connect_redis(f"redis://127.0.0.1:{port}/0")
        yield client, commands
        await client.aclose()


async def test_redis_py_sends_every_call_through_our_execute_command_and_none_twice() -> None:
    async with redis_that_says(b"-READONLY You can't write\r\n") as (client, commands):
        with pytest.raises(RedisUnavailableError, match="READONLY"):
            await client.ping()
        with pytest.raises(RedisUnavailableError):
            await Script("bucket_acquire")(client, ["k"], [1])
        with pytest.raises(RedisUnavailableError):
            await client.script_load("return 1")
    # A connection that hangs up is met once more by nobody but the caller.
    assert commands == [b"PING", b"EVALSHA", b"SCRIPT"]


async def test_redis_pys_pool_can_be_asked_for_a_connection_and_be_emptied() -> None:
    async with redis_that_says(b"+PONG\r\n", b"+PONG\r\n") as (client, _):
        await client.ping()
        first = await client.connection_pool.get_connection()
        await client.connection_pool.release(first)
        assert first.is_connected
        await client._forget_connections(RuntimeError("met nothing foreseen"))
        assert not first.is_connected
        assert client.connection_pool.make_connection() is not first


async def test_redis_pys_errors_have_the_codes_that_they_are_told_by() -> None:
    for code in ("NOPERM", "WRONGPASS", "LOADING", "READONLY", "OOM", "NOREPLICAS", "MISCONF"):
        async with redis_that_says(f"-{code} in words\r\n".encode()) as (client, _):
            with pytest.raises((exceptions.ResponseError, exceptions.ConnectionError)) as raised:
                await super(PrimaryClient, client).execute_command("PING")
        assert code_of(raised.value) == code


def test_redis_py_reads_an_address_into_the_words_that_the_digest_takes() -> None:
    read = parse_url("redis://user:secret@cache.example:6380/3")
    assert {name: read[name] for name in ("host", "port", "db", "username")} == {
        "host": "cache.example",
        "port": 6380,
        "db": 3,
        "username": "user",
    }


async def test_psycopg_lists_the_servers_that_it_tried_in_the_words_that_are_read() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and nobody listens
        port = bound.getsockname()[1]
        with pytest.raises(psycopg.OperationalError) as single:
            await psycopg.AsyncConnection.connect(f"host=127.0.0.1 port={port}")
        with pytest.raises(psycopg.OperationalError) as several:
            await psycopg.AsyncConnection.connect(f"host=127.0.0.1,localhost port={port},{port}")
    assert (single.value.sqlstate, len(_ATTEMPT.findall(str(single.value)))) == (None, 1)
    _, marked, rest = str(several.value).partition(_ALL_ATTEMPTS)
    assert marked
    assert rest.count("- host: ") >= 2
    assert len(_ATTEMPT.findall(rest)) >= 2


@pytest.fixture
def api_server() -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """Answers a PATCH, and hangs up on a GET; its address, and (method, path, content type, body) of each request."""
    asked: list[tuple[str, str, str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def note(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append((self.command, self.path, self.headers.get("Content-Type", ""), body))

        def do_GET(self) -> None:
            self.note()
            self.close_connection = True

        def do_PATCH(self) -> None:
            self.note()
            self.send_response(409)
            self.end_headers()
            self.wfile.write(b"changed meanwhile")

        def log_message(self, *_: Any) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join(5)


def api_client(url: str, *, retries: bool | None) -> ApiClient:
    settings = Configuration(host=url)
    settings.retries = retries
    return ApiClient(settings)


def test_the_kubernetes_client_sends_what_it_is_given_and_hands_any_answer_over_unread(api_server) -> None:
    url, asked = api_server
    with api_client(url, retries=False) as client:
        patch = {"query": {"q": "1"}, "headers": {"Content-Type": "application/merge-patch+json"}, "body": {"a": "b"}}
        answer = send(client, "PATCH", "/x", **patch, timeout_s=(5, 5))
        assert (answer.status, answer.read()) == (409, b"changed meanwhile")
    assert asked == [("PATCH", "/x?q=1", "application/merge-patch+json", b'{"a": "b"}')]


def test_the_kubernetes_client_repeats_a_request_unless_it_is_switched_off(api_server) -> None:
    url, asked = api_server
    for retries, requests in ((None, 4), (False, 1)):
        asked.clear()
        with api_client(url, retries=retries) as client, pytest.raises(TransportError):
            send(client, "GET", "/x", query={}, headers={}, timeout_s=(5, 5))
        assert len(asked) == requests
