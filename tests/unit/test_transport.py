"""What the transport tells the permit, against servers written by hand that misbehave."""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.fakes.permits import Keeper, permit
from support.processes.raw_server import serve

from crawl_core.limiter.permit import CLOSED_MARGIN_S, PermitExpiredError
from crawl_worker.client.errors import NoAnswerError, NotSentError
from crawl_worker.client.proxies import Proxies
from crawl_worker.client.transport import ApiTransport
from crawl_worker.sources.outcomes import Lack
from crawl_worker.sources.wire import HttpRequest

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def get(url: str) -> HttpRequest:
    return HttpRequest("GET", url, {})


@asynccontextmanager
async def transport(timeout_s: float = 5.0) -> AsyncIterator[ApiTransport]:
    async with ApiTransport(concurrency=2, timeout_s=lambda: timeout_s) as api:
        yield api


async def answer_ok(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(OK)


async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    raise ConnectionResetError


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    await writer.drain()
    linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
    raise ConnectionResetError


async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    raise ConnectionResetError


async def test_an_answer_confirms_the_permit() -> None:
    keeper = Keeper()
    async with serve(answer_ok) as server, transport() as api:
        answer = await api.send(HttpRequest("GET", server.url, {"X-One": "1"}), permit(keeper))
    assert (answer.status, answer.body, keeper.told) == (200, b"ok", ["answered"])
    assert b"GET /v1/search?q=a%20b HTTP/1.1" in server.requests[0]
    assert b"X-One: 1" in server.requests[0]


async def test_a_body_is_sent_under_one_permit_as_well() -> None:
    async def read_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.requests.append(await reader.readexactly(5))
        writer.write(OK)

    keeper = Keeper()
    async with serve(read_body) as server, transport() as api:
        await api.send(HttpRequest("POST", server.url, {}, b"hello"), permit(keeper))
    assert (server.requests[0][:5], server.requests[1], keeper.told) == (b"POST ", b"hello", ["answered"])


async def test_a_closed_connection_is_one_arrival_and_frees_the_slot_a_little_late() -> None:
    keeper = Keeper()
    async with serve(close) as server, transport() as api:
        with pytest.raises(NoAnswerError) as failure:
            await api.send(get(server.url), permit(keeper))
    assert (failure.value.lack, len(server.requests), keeper.told) == (Lack.CLOSED, 1, ["answered"])
    assert 0 < keeper.late_s <= CLOSED_MARGIN_S


async def test_a_connection_that_a_proxy_closes_keeps_the_slot() -> None:
    keeper = Keeper()
    async with serve(close) as server:
        proxies = Proxies(used=True, found={"http": server.url})
        async with ApiTransport(concurrency=2, timeout_s=lambda: 5.0, proxies=proxies) as api:
            with pytest.raises(NoAnswerError) as failure:
                await api.send(get("http://api.example/v1/search"), permit(keeper))
    assert (failure.value.lack, len(server.requests), keeper.told) == (Lack.CLOSED, 1, [])


async def test_answers_that_say_nothing_without_end_are_no_answer() -> None:
    async def early_hints(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 5000 + OK)

    async with serve(early_hints) as server, transport() as api:
        with pytest.raises(NoAnswerError) as failure:
            await api.send(get(server.url), permit(Keeper()))
    assert failure.value.lack is Lack.MALFORMED


async def test_a_kept_connection_that_closes_on_the_second_request_is_one_arrival_each() -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(server.requests) > 1:
            raise ConnectionResetError
        writer.write(OK)

    keeper = Keeper()
    async with serve(once) as server, transport() as api:
        await api.send(get(server.url), permit(keeper))
        with pytest.raises(NoAnswerError):
            await api.send(get(server.url), permit(keeper))
    assert (len(server.requests), server.connections) == (2, 1)


async def test_the_permit_alone_stops_a_second_write() -> None:
    """Even with aiohttp's own retry switched on, as a later version might."""
    keeper = Keeper()
    async with serve(close) as server, transport() as api:
        api._session._retry_connection = True  # type: ignore[union-attr]
        with pytest.raises(NoAnswerError):
            await api.send(get(server.url), permit(keeper))
    assert (len(server.requests), keeper.told) == (1, ["answered"])


async def test_a_reset_in_the_middle_of_the_body_confirms() -> None:
    keeper = Keeper()
    async with serve(reset) as server, transport() as api:
        with pytest.raises(NoAnswerError) as failure:
            await api.send(get(server.url), permit(keeper))
    assert (failure.value.lack, len(server.requests), keeper.told) == (Lack.CLOSED, 1, ["answered"])


async def test_a_request_without_an_answer_in_time_keeps_its_slot() -> None:
    keeper = Keeper()
    async with serve(stall) as server, transport(1.0) as api:
        with pytest.raises(NoAnswerError) as failure:
            await api.send(get(server.url), permit(keeper))
    assert (failure.value.lack, len(server.requests), keeper.told) == (Lack.TIMEOUT, 1, [])


async def test_the_timeout_is_never_longer_than_the_slot_is_held() -> None:
    async with serve(stall) as server, transport(60) as api:
        with pytest.raises(NoAnswerError):
            await api.send(get(server.url), permit(Keeper(), timeout_s=1.0))


async def test_a_body_that_stalls_keeps_its_slot() -> None:
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        await stall(reader, writer)

    keeper = Keeper()
    async with serve(half) as server, transport(1.0) as api:
        with pytest.raises(NoAnswerError) as failure:
            await api.send(get(server.url), permit(keeper))
    assert (failure.value.lack, keeper.told) == (Lack.TIMEOUT, [])


async def test_a_refused_connection_gives_the_permit_back() -> None:
    keeper = Keeper()
    async with transport() as api:
        with pytest.raises(NotSentError, match=r"^127\.0\.0\.1:1 refuses connections"):
            await api.send(get("http://127.0.0.1:1/"), permit(keeper))
    assert keeper.told == ["unused"]


async def test_a_permit_that_expired_while_connecting_is_given_back_and_the_connection_kept() -> None:
    keeper = Keeper()
    async with serve(answer_ok) as server, transport() as api:
        with pytest.raises(PermitExpiredError):
            await api.send(get(server.url), permit(keeper, send_by_s=-0.1))
        assert (server.requests, keeper.told) == ([], ["unused"])
        await api.send(get(server.url), permit(keeper))
    assert server.connections == 1


async def test_a_permit_is_not_used_before_its_instant() -> None:
    keeper = Keeper()
    async with serve(answer_ok) as server, transport() as api:
        with pytest.raises(PermitExpiredError):
            await api.send(get(server.url), permit(keeper, in_s=1.0))
    assert server.requests == []


async def test_a_redirect_is_an_answer_and_not_followed() -> None:
    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n")

    async with serve(elsewhere) as server, transport() as api:
        answer = await api.send(get(server.url), permit(Keeper()))
    assert (answer.status, len(server.requests)) == (302, 1)


async def test_an_answer_that_is_not_http_confirms() -> None:
    async def noise(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello\r\n\r\n")

    keeper = Keeper()
    async with serve(noise) as server, transport() as api:
        with pytest.raises(NoAnswerError) as failure:
            await api.send(get(server.url), permit(keeper))
    assert (failure.value.lack, keeper.told) == (Lack.MALFORMED, ["answered"])


async def test_a_cancelled_request_that_was_written_keeps_its_slot() -> None:
    keeper = Keeper()
    async with serve(stall) as server, transport() as api:
        sending = asyncio.create_task(api.send(get(server.url), permit(keeper)))
        while not server.requests:
            await asyncio.sleep(0.005)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    assert keeper.told == []


async def test_cookies_are_not_kept() -> None:
    async def cookie(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n")

    async with serve(cookie) as server, transport() as api:
        await api.send(get(server.url), permit(Keeper()))
        await api.send(get(server.url), permit(Keeper()))
    assert b"ookie" not in server.requests[1]


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "http_proxy", "http://127.0.0.1:1")
    async with serve(answer_ok) as server, transport() as api:
        answer = await api.send(get(server.url), permit(Keeper()))
    assert answer.status == 200


async def test_a_compressed_body_comes_decompressed() -> None:
    async def packed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = gzip.compress(b"hello")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    async with serve(packed) as server, transport() as api:
        answer = await api.send(get(server.url), permit(Keeper()))
    assert answer.body == b"hello"


async def test_sockets_send_nothing_again_after_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the connection was made under another one."""
    timeout_s, opened, make = 3.0, [], ApiTransport._socket

    def remember(api: ApiTransport, address: tuple[Any, ...]) -> socket.socket:
        opened.append(make(api, address))
        return opened[-1]

    monkeypatch.setattr(ApiTransport, "_socket", remember)
    async with serve(answer_ok) as server, ApiTransport(concurrency=1, timeout_s=lambda: timeout_s) as api:
        for own_s, granted_s, resent_ms in ((3.0, 7.0, 3000), (4.5, 7.0, 4500), (7.0, 2.0, 2000)):
            timeout_s = own_s
            await api.send(get(server.url), permit(Keeper(), timeout_s=granted_s))
            assert opened[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == resent_ms
        linger = opened[0].getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)
        assert linger == (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
        assert len(opened) == 1


@pytest.mark.parametrize(("own_s", "granted_s"), [(1.0, 30.0), (30.0, 1.0)])
async def test_a_request_takes_no_longer_than_the_job_says_now_and_its_permit_was_granted_for(
    own_s: float, granted_s: float
) -> None:
    timeout_s = 60.0
    async with serve(stall) as server, ApiTransport(concurrency=1, timeout_s=lambda: timeout_s) as api:
        timeout_s = own_s
        with pytest.raises(NoAnswerError):
            async with asyncio.timeout(20.0):
                await api.send(get(server.url), permit(Keeper(), timeout_s=granted_s))


async def test_a_request_past_its_permit_is_a_mistake_told_at_once() -> None:
    api = ApiTransport(concurrency=1, timeout_s=lambda: 1.0)
    with pytest.raises(RuntimeError, match="transport is closed"):
        await api.send(get("http://127.0.0.1:1/"), permit(Keeper()))


SAYS_TOO_MUCH = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"
ENDLESS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("head", [SAYS_TOO_MUCH, ENDLESS])
async def test_an_answer_too_large_to_hold_is_refused_and_its_connection_not_used_again(head: bytes) -> None:
    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while head is ENDLESS:
            writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            await writer.drain()

    keeper = Keeper()
    async with serve(pour) as server, transport() as api:
        for _ in range(2):
            with pytest.raises(NoAnswerError, match="more than 1048576"):
                await api.send(get(server.url), permit(keeper))
    assert (server.connections, keeper.told) == (2, ["answered", "answered"])
