"""Whatever a server sends, an answer is bounded, and nothing but the transports' own errors comes out of them."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support.fakes.permits import Keeper, permit
from support.processes.raw_server import Streams, serve

from crawl_worker.client import token_transport, transport
from crawl_worker.client.errors import NoAnswerError, TokenRequestError
from crawl_worker.client.token_transport import TokenTransport
from crawl_worker.client.transport import ApiTransport
from crawl_worker.sources.outcomes import Lack
from crawl_worker.sources.wire import HttpAnswer, HttpRequest

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n"
MIB = 2**20


def whole(body: bytes, *headers: bytes) -> bytes:
    lines = [b"Content-Length: %d" % len(body), *headers]
    return HEAD + b"\r\n".join(lines) + b"\r\n\r\n" + body


def packed(mib: int, bits: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, bits)
    return b"".join(packer.compress(b" " * MIB) for _ in range(mib)) + packer.flush()


BOMB = gzip.compress(b" " * 64 * MIB)
NOT_TAKEN = {
    "a length that is too large": HEAD + b"Content-Length: 99999999\r\n\r\n",
    "a gzip bomb": whole(BOMB, b"Content-Encoding: gzip"),
    "a gzip bomb in small pieces": CHUNKED
    + b"Content-Encoding: gzip\r\n\r\n"
    + b"".join(b"1\r\n" + BOMB[i : i + 1] + b"\r\n" for i in range(len(BOMB)))
    + b"0\r\n\r\n",
    "a gzip bomb of many members": whole(gzip.compress(b" " * MIB) * 64, b"Content-Encoding: gzip"),
    "a deflate bomb": whole(packed(64, 15), b"Content-Encoding: deflate"),
    "a deflate bomb without its header": whole(packed(64, -15), b"Content-Encoding: deflate"),
    "two encodings in a line": whole(gzip.compress(BOMB), b"Content-Encoding: gzip, gzip"),
    "two lines of an encoding": whole(gzip.compress(BOMB), b"Content-Encoding: gzip", b"Content-Encoding: gzip"),
    "gzip and identity": whole(BOMB, b"Content-Encoding: gzip,identity"),
    "an encoding that nobody asked for": whole(b"\0" * 100, b"Content-Encoding: br"),
    "another one": whole(b"\x28\xb5\x2f\xfd" + b"\0" * 100, b"Content-Encoding: zstd"),
    "one that does not exist": whole(b"{}", b"Content-Encoding: \x1b[31mx"),
    "gzip that is none": whole(b"{}", b"Content-Encoding: gzip"),
    "deflate that is none": whole(b"{}", b"Content-Encoding: deflate"),
    "a long header": HEAD + b"X: " + b"y" * 2 * MIB + b"\r\n\r\n",
    "a long name of a header": HEAD + b"y" * 2 * MIB + b": x\r\n\r\n",
    "a long reason": b"HTTP/1.1 200 " + b"y" * 2 * MIB + b"\r\n\r\n",
    "many headers": HEAD + b"".join(b"X-%d: y\r\n" % i for i in range(20_000)) + b"\r\n",
    "many trailers": CHUNKED + b"\r\n0\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(20_000)) + b"\r\n",
    "a length of two kinds": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    "a length below 0": HEAD + b"Content-Length: -1\r\n\r\nabc",
    "a length of many digits": HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nabc",
    "a chunk of no size": CHUNKED + b"\r\nzz\r\nabc\r\n0\r\n\r\n",
    "a chunk larger than anything": CHUNKED + b"\r\n" + b"f" * 40 + b"\r\nabc",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n",
    "HTTP of another time": b"HTTP/9.9 200 OK\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "a header that goes on in the next line": HEAD + b"X: a\r\n" + b" b" * MIB + b"\r\n\r\n",
}
POURED = {
    "an endless body": (CHUNKED + b"\r\n", b"10000\r\n" + b" " * 65536 + b"\r\n"),
    "an endless body until the end": (HEAD + b"Connection: close\r\n\r\n", b" " * 65536),
    "an endless extension of a chunk": (CHUNKED + b"\r\n1;", b"e" * 65536),
    "endless empty lines": (b"", b"\r\n" * 30_000),
    "an endless header": (HEAD + b"X: ", b"y" * 65536),
    "endless headers": (HEAD, b"X: y\r\n" * 10_000),
    "endless answers before the answer": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000),
    "endless early hints": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" * 1_000),
}


def says(answer: bytes) -> Streams:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    return say


def pours(head: bytes, more: bytes, *, every_s: float = 0.0) -> Streams:
    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(more)
            await writer.drain()
            await asyncio.sleep(every_s)
        raise ConnectionResetError

    return pour


@asynccontextmanager
async def api() -> AsyncIterator[ApiTransport]:
    async with ApiTransport(concurrency=2, request_timeout_s=1.0) as made:
        yield made


async def search(made: ApiTransport, url: str, keeper: Keeper | None = None) -> HttpAnswer:
    return await made.send(HttpRequest("GET", url, {}), permit(keeper or Keeper()))


async def grant(url: str) -> HttpAnswer:
    async with TokenTransport(request_timeout_s=1.0) as tokens:
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
    "in chunks": CHUNKED + b"\r\n2;x=y\r\n{}\r\n0\r\nX: y\r\n\r\n",
    "after another one": b"HTTP/1.1 100 Continue\r\n\r\n" + whole(b"{}"),
}


@pytest.mark.parametrize("answer", TAKEN.values(), ids=TAKEN)
async def test_an_answer_in_another_form_is_one(answer: bytes) -> None:
    async with serve(says(answer)) as server, api() as made:
        assert (await search(made, server.url)).body == b"{}"


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
    async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(server.requests) == 1:
            writer.write(whole(b"first"))
            await writer.drain()
            await asyncio.sleep(late_s)
            writer.write(whole(b"evil") * 3)
        else:
            writer.write(whole(b"second"))

    bodies = []
    async with serve(twice) as server, api() as made:
        bodies.append((await search(made, server.url)).body)
        await asyncio.sleep(late_s + 0.1)
        while len(bodies) < 3:
            try:
                bodies.append((await search(made, server.url)).body)
            except Exception as error:
                assert "spoke on the connection before it was asked" in str(error)  # noqa: PT017
    assert bodies == [b"first", b"second", b"second"]


async def test_a_request_that_cannot_be_written_is_an_error_of_its_own_kind() -> None:
    keeper = Keeper()
    async with serve(says(whole(b"{}"))) as server, api() as made:
        with pytest.raises(NoAnswerError):
            await made.send(HttpRequest("GET", server.url, {"X": "a\r\nY: b"}), permit(keeper))
        assert server.requests == []
        with pytest.raises(TokenRequestError):
            async with TokenTransport(request_timeout_s=1.0) as tokens:
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
