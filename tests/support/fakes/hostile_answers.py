"""Answers that attack whoever reads them, as bytes on the wire: too large, packed twice, malformed, without an end."""

from __future__ import annotations

import asyncio
import gzip
import zlib

from support.processes.raw_server import Streams

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
    "a body in chunks of a byte": CHUNKED + b"\r\n" + b"1\r\nx\r\n" * 2 * MIB + b"0\r\n\r\n",
    "a gzip bomb of many members": whole(gzip.compress(b" " * MIB) * 64, b"Content-Encoding: gzip"),
    "a deflate bomb": whole(packed(64, 15), b"Content-Encoding: deflate"),
    "a deflate bomb without its header": whole(packed(64, -15), b"Content-Encoding: deflate"),
    "two encodings in a line": whole(gzip.compress(BOMB), b"Content-Encoding: gzip, gzip"),
    "two lines of an encoding": whole(gzip.compress(BOMB), b"Content-Encoding: gzip", b"Content-Encoding: gzip"),
    "gzip and identity": whole(BOMB, b"Content-Encoding: gzip,identity"),
    "an encoding that nobody asked for": whole(b"\0" * 100, b"Content-Encoding: br"),
    "another one": whole(b"\x28\xb5\x2f\xfd" + b"\0" * 100, b"Content-Encoding: zstd"),
    "one that does not exist": whole(b"{}", b"Content-Encoding: \x1b[31mx"),
    "gzip that is cut": whole(gzip.compress(b"{}" * 1000)[:-5], b"Content-Encoding: gzip"),
    "gzip with something behind it": whole(gzip.compress(b"{}") + b"{}", b"Content-Encoding: gzip"),
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
    "an endless packed body of nothing": (
        HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"")[:10],
        b"\0\0\0\xff\xff" * 10_000,
    ),
    "endless packed bodies of nothing": (HEAD + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(b"") * 3_000),
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
