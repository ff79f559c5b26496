"""Requests through a real proxy, with and without TLS: one arrival a permit at the API, and a proxy speaks for itself.

The API's certificate is made here, with openssl.
"""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp.connector
import pytest
from support.fakes.permits import Keeper, permit
from support.processes.http_proxy import HttpProxy, http_proxy
from support.processes.raw_server import Server, serve

from crawl_core.limiter.permit import PermitExpiredError
from crawl_worker.client.errors import NoAnswerError, NotSentError, TokenRequestError
from crawl_worker.client.proxies import Proxies
from crawl_worker.client.token_transport import TokenTransport
from crawl_worker.client.transport import ApiTransport
from crawl_worker.sources.outcomes import Lack
from crawl_worker.sources.wire import HttpAnswer, HttpRequest

HEADERS = {"Authorization": "Bearer hush"}


@pytest.fixture
def tunnelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """What the API serves with, so that a proxy has to tunnel; the client trusts it."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    make = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, *names]
    subprocess.run(make, check=True, capture_output=True)
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", ssl.create_default_context(cafile=certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@pytest.fixture(params=["forwarded", "tunnelled"])
def tls(request: pytest.FixtureRequest) -> ssl.SSLContext | None:
    """None where the proxy is to forward."""
    return None if request.param == "forwarded" else request.getfixturevalue("tunnelled")


async def answer_ok(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@asynccontextmanager
async def behind(tls: ssl.SSLContext | None, **more: str) -> AsyncIterator[tuple[HttpProxy, Server, ApiTransport]]:
    """A proxy, an API and a transport that goes through the one to the other."""
    async with http_proxy() as proxy, serve(answer_ok, tls=tls) as server:
        found = {"http": proxy.url, "https": proxy.url} | more
        async with ApiTransport(
            concurrency=4, timeout_s=lambda: 2.0, proxies=Proxies(used=True, found=found)
        ) as transport:
            yield proxy, server, transport


async def send(transport: ApiTransport, server: Server, keeper: Keeper | None = None) -> HttpAnswer:
    return await transport.send(HttpRequest("GET", server.url, HEADERS), permit(keeper or Keeper()))


async def test_a_permit_is_one_arrival_behind_a_proxy(tls: ssl.SSLContext | None) -> None:
    keeper = Keeper()
    async with behind(tls) as (proxy, server, transport):

        async def task() -> None:
            for _ in range(5):
                assert (await send(transport, server, keeper)).body == b"ok"

        await asyncio.gather(*(task() for _ in range(4)))
        assert len(server.requests) == 20
        assert all(request.startswith(b"GET /v1/search?q=a%20b HTTP/1.1") for request in server.requests)
        assert len(proxy.heads) == (20 if tls is None else 4)
    assert keeper.told == ["answered"] * 20


async def test_no_token_goes_into_the_request_of_a_tunnel(tls: ssl.SSLContext | None) -> None:
    async with behind(tls) as (proxy, server, transport):
        await send(transport, server)
        assert b"Bearer hush" in server.requests[0]
        assert (b"Bearer hush" in proxy.heads[0]) is (tls is None)
        assert proxy.heads[0].startswith(b"GET http://" if tls is None else b"CONNECT 127.0.0.1:")


async def test_the_login_is_the_proxys_alone(tls: ssl.SSLContext | None) -> None:
    async with http_proxy() as proxy, serve(answer_ok, tls=tls) as server:
        url = proxy.url.replace("//", "//user:p%40ss@")
        proxies = Proxies(used=True, found={"http": url, "https": url})
        async with ApiTransport(concurrency=1, timeout_s=lambda: 2.0, proxies=proxies) as transport:
            for _ in range(2):
                await send(transport, server)
        assert all(b"\r\nProxy-Authorization: Basic dXNlcjpwQHNz\r\n" in head for head in proxy.heads)
        assert b"user" not in b"".join(head.split(b"\r\n")[0] for head in proxy.heads)
        assert tls is None or all(b"Proxy-Authorization" not in request for request in server.requests)


async def test_an_address_in_no_proxy_is_reached_directly(tls: ssl.SSLContext | None) -> None:
    async with behind(tls, no="10.0.0.1, 127.0.0.1") as (proxy, server, transport):
        await send(transport, server)
        assert (len(server.requests), proxy.heads) == (1, [])


@pytest.mark.parametrize("status", [b"407 Proxy Authentication Required", b"502 Bad Gateway", b"403 Forbidden"])
async def test_a_proxy_that_refuses_a_tunnel_costs_no_permit(status: bytes, tunnelled: ssl.SSLContext) -> None:
    keeper = Keeper()
    async with behind(tunnelled) as (proxy, server, transport):
        proxy.refusal = b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n"
        with pytest.raises(NotSentError, match=f"the proxy answers {status.decode()}"):
            await send(transport, server, keeper)
        assert (server.requests, keeper.told) == ([], ["unused"])


async def test_a_proxy_that_wants_a_login_is_no_answer_of_the_api() -> None:
    async with behind(None) as (proxy, server, transport):
        proxy.refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
        with pytest.raises(NoAnswerError, match="the proxy answers 407: it wants a login") as failure:
            await send(transport, server)
        assert failure.value.lack is Lack.OTHER


async def test_a_proxy_that_hangs_up_leaves_the_slot_held() -> None:
    """It may pass the request on later than the quarter of a second in which one on a closed connection arrives."""
    keeper = Keeper()
    async with behind(None) as (proxy, server, transport):
        proxy.hangs_up = True
        with pytest.raises(NoAnswerError) as failure:
            await send(transport, server, keeper)
        assert (failure.value.lack, keeper.told) == (Lack.CLOSED, [])


async def test_a_permit_that_ends_while_a_tunnel_is_opened_is_given_back_and_the_tunnel_kept(
    tunnelled: ssl.SSLContext,
) -> None:
    keeper = Keeper()
    async with behind(tunnelled) as (proxy, server, transport):
        proxy.wait_s = 0.3
        late = permit(keeper, send_by_s=0.1)
        with pytest.raises(PermitExpiredError):
            await transport.send(HttpRequest("GET", server.url, HEADERS), late)
        assert (server.requests, keeper.told) == ([], ["unused"])
        await send(transport, server, keeper)
        assert (len(server.requests), len(proxy.heads)) == (1, 1)


async def test_a_proxy_that_is_not_there_is_told_and_costs_no_permit(tls: ssl.SSLContext | None) -> None:
    keeper, nowhere = Keeper(), "http://user:hush@127.0.0.1:1"
    async with serve(answer_ok, tls=tls) as server:
        proxies = Proxies(used=True, found={"http": nowhere, "https": nowhere})
        async with ApiTransport(concurrency=1, timeout_s=lambda: 2.0, proxies=proxies) as transport:
            with pytest.raises(NotSentError, match=r"the proxy 127\.0\.0\.1:1 refuses connections") as failure:
                await send(transport, server, keeper)
        assert "hush" not in str(failure.value)
        assert (server.requests, keeper.told) == ([], ["unused"])


async def test_tokens_are_asked_for_through_the_proxy_as_well(tls: ssl.SSLContext | None) -> None:
    async with http_proxy() as proxy, serve(answer_ok, tls=tls) as server:
        proxies = Proxies(used=True, found={"http": proxy.url, "https": proxy.url})
        async with TokenTransport(timeout_s=lambda: 2.0, proxies=proxies) as tokens:
            assert (await tokens.send(HttpRequest("GET", server.url, HEADERS))).body == b"ok"
            proxy.refusal = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"
            if tls is not None:
                with pytest.raises(TokenRequestError, match="the proxy answers 502 Bad Gateway"):
                    await tokens.send(HttpRequest("GET", server.url, HEADERS))
        assert (len(server.requests), len(proxy.heads)) == (1, 1 if tls is None else 2)


async def test_without_being_told_so_no_proxy_is_used_and_a_failure_says_that_there_is_one() -> None:
    proxies = Proxies(used=False, found={"http": "http://127.0.0.1:1", "https": "http://127.0.0.1:1"})
    async with serve(answer_ok) as server:
        async with ApiTransport(concurrency=1, timeout_s=lambda: 2.0, proxies=proxies) as transport:
            await send(transport, server)
            with pytest.raises(NotSentError, match="HTTP_PROXY is set and not used: write proxy: FromEnvironment"):
                await transport.send(HttpRequest("GET", "http://127.0.0.1:1/", {}), permit(Keeper()))
        async with TokenTransport(timeout_s=lambda: 2.0, proxies=proxies) as tokens:
            with pytest.raises(TokenRequestError, match="HTTPS_PROXY is set and not used"):
                await tokens.send(HttpRequest("GET", "https://127.0.0.1:1/", {}))
