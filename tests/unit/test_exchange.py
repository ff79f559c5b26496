"""Whatever a server sends, an answer is bounded, and nothing but the transports' own errors comes out of them."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support.fakes.hostile_answers import CHUNKED, HEAD, NOT_TAKEN, POURED, pours, says, whole
from support.fakes.permits import Keeper, permit
from support.processes.raw_server import serve

from crawl_worker.client import token_transport, transport
from crawl_worker.client.errors import NoAnswerError, TokenRequestError
from crawl_worker.client.token_transport import TokenTransport
from crawl_worker.client.transport import ApiTransport
from crawl_worker.sources.outcomes import Lack
from crawl_worker.sources.wire import HttpAnswer, HttpRequest


@asynccontextmanager
async def api() -> AsyncIterator[ApiTransport]:
    async with ApiTransport(concurrency=2, timeout_s=lambda: 1.0) as made:
        yield made


async def search(made: ApiTransport, url: str, keeper: Keeper | None = None) -> HttpAnswer:
    return await made.send(HttpRequest("GET", url, {}), permit(keeper or Keeper()))


async def grant(url: str) -> HttpAnswer:
    async with TokenTransport(timeout_s=lambda: 1.0) as tokens:
        return await tokens.send(HttpRequest("POST", url, {}, b"grant_type=client_credentials"))


@pytest.mark.parametrize("answer", NOT_TAKEN.values(), ids=NOT_TAKEN)
async def test_an_answer_that_is_not_taken_is_no_answer_and_ends_its_connection(answer: bytes) -> None:
    async with serve(says(answer)) as server, api() as made:
        with pytest.raises(NoAnswerError) as failure:
            await search(made, server.url)
        server.answer = says(whole(b"{}"))
        assert (await search(made, server.url)).body == b"{}"
        assert str(failure.value).isprintable()
        assert len(str(failure.value)) < 400
        server.answer = says(answer)
        with pytest.raises(TokenRequestError):
            await grant(server.url)


@pytest.mark.parametrize(("head", "more"), POURED.values(), ids=POURED)
async def test_an_answer_without_an_end_ends_in_time(head: bytes, more: bytes) -> None:
    async with serve(pours(head, more)) as server, asyncio.timeout(20):
        async with api() as made:
            with pytest.raises(NoAnswerError):
                await search(made, server.url)
        with pytest.raises(TokenRequestError):
            await grant(server.url)


@pytest.mark.parametrize("head", [b"", HEAD, HEAD + b"Content-Length: 1000\r\n\r\n"])
async def test_an_answer_that_drips_ends_in_time(head: bytes) -> None:
    async with serve(pours(head, b"X", every_s=0.05)) as server, asyncio.timeout(20):
        async with api() as made:
            with pytest.raises(NoAnswerError) as failure:
                await search(made, server.url)
        assert failure.value.lack in (Lack.TIMEOUT, Lack.MALFORMED)
        with pytest.raises(TokenRequestError):
            await grant(server.url)


TAKEN = {
    "plain": whole(b"{}"),
    "said to be plain": whole(b"{}", b"Content-Encoding: identity"),
    "said to be nothing": whole(b"{}", b"Content-Encoding:"),
    "gzip": whole(gzip.compress(b"{}"), b"Content-Encoding: GZip"),
    "deflate": whole(zlib.compress(b"{}"), b"Content-Encoding: deflate"),
    "deflate without its header": whole(zlib.compress(b"{}")[2:-4], b"Content-Encoding: deflate"),
    "gzip of nothing": CHUNKED + b"Content-Encoding: gzip\r\n\r\n0\r\n\r\n",
    "in chunks": CHUNKED + b"\r\n2;x=y\r\n{}\r\n0\r\nX: y\r\n\r\n",
    "after another one": b"HTTP/1.1 100 Continue\r\n\r\n" + whole(b"{}"),
}


@pytest.mark.parametrize("answer", TAKEN.values(), ids=TAKEN)
async def test_an_answer_in_another_form_is_one(answer: bytes) -> None:
    async with serve(says(answer)) as server, api() as made:
        for _ in range(2):
            assert (await search(made, server.url)).body in (b"{}", b"")
        assert server.connections == 1


@pytest.mark.parametrize(("size", "taken"), [(transport.MAX_BODY_BYTES, True), (transport.MAX_BODY_BYTES + 1, False)])
@pytest.mark.parametrize("is_packed", [False, True])
async def test_a_page_may_have_a_mebibyte_unpacked(size: int, taken: bool, is_packed: bool) -> None:
    body = b" " * size
    answer = whole(gzip.compress(body), b"Content-Encoding: gzip") if is_packed else whole(body)
    async with serve(says(answer)) as server, api() as made:
        if taken:
            assert len((await search(made, server.url)).body) == size
        else:
            with pytest.raises(NoAnswerError, match=f"more than {transport.MAX_BODY_BYTES} bytes"):
                await search(made, server.url)


async def test_a_token_may_have_64_kibibytes() -> None:
    async with serve(says(whole(b" " * token_transport.MAX_BODY_BYTES))) as server:
        assert len((await grant(server.url)).body) == token_transport.MAX_BODY_BYTES
    async with serve(says(whole(b" " * (token_transport.MAX_BODY_BYTES + 1)))) as server:
        with pytest.raises(TokenRequestError, match="more than 65536 bytes"):
            await grant(server.url)


@pytest.mark.parametrize("late_s", [0.0, 0.1])
async def test_an_answer_that_nobody_asked_for_is_not_the_next_ones(late_s: float) -> None:
    said = asyncio.Event()

    async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(server.requests) == 1:
            writer.write(whole(b"first"))
            await writer.drain()
            await asyncio.sleep(late_s)
            writer.write(whole(b"evil") * 3)
            await writer.drain()
            said.set()
        else:
            writer.write(whole(b"second"))

    keeper = Keeper()
    async with serve(twice) as server, api() as made:
        first = await search(made, server.url, keeper)
        await said.wait()
        await asyncio.sleep(0.1)  # It is in the kernel: a few turns of the loop bring it.
        later = [await search(made, server.url, keeper) for _ in range(2)]
        assert [answer.body for answer in (first, *later)] == [b"first", b"second", b"second"]
        assert (len(server.requests), keeper.told) == (3, ["answered"] * 3)


async def test_a_request_that_cannot_be_written_is_an_error_of_its_own_kind() -> None:
    keeper = Keeper()
    async with serve(says(whole(b"{}"))) as server, api() as made:
        with pytest.raises(NoAnswerError):
            await made.send(HttpRequest("GET", server.url, {"X": "a\r\nY: b"}), permit(keeper))
        assert server.requests == []
        with pytest.raises(TokenRequestError):
            async with TokenTransport(timeout_s=lambda: 1.0) as tokens:
                await tokens.send(HttpRequest("POST", server.url, {"X": "a\r\nY: b"}))


async def test_a_redirect_of_a_token_request_carries_the_credentials_nowhere() -> None:
    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        location = other.url.encode()
        writer.write(b"HTTP/1.1 307 Go\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n")

    async with serve(says(whole(b"{}"))) as other, serve(elsewhere) as server:
        assert (await grant(server.url)).status == 307
        assert other.requests == []


async def test_no_other_encoding_is_asked_for_than_is_taken() -> None:
    async with serve(says(whole(b"{}"))) as server, api() as made:
        await search(made, server.url)
        await grant(server.url)
    assert all(b"\r\nAccept-Encoding: gzip, deflate\r\n" in request for request in server.requests[:1])
