"""Answers that attack their reader: too long, too deep, endless, slow, or with something in them for a terminal.

Pure: what is sent, and what may come of it. The server is in `hostile_api`.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

MIB = 2**20
BIG = 8 * MIB - 200
ESCAPES = "\x1b]0;GOTCHA\x07\x1b[2J\x1b[31mFAKE\x1b[0m\x1b]52;c;R09UQ0hB\x07"
BELOW_THE_BOUND = 900_000
"""Bytes of what a page may still be."""


class Way(Enum):
    """How an answer is sent that is no status, headers and body one after the other."""

    PLAIN = "plain"
    ENDLESS = "a body without an end, in chunks"
    CHUNK_EXTENSION = "a chunk's header without an end"
    CONTINUES = "interim answers without an end"
    DRIP = "a byte of the body every half second"
    DRIP_HEAD = "a byte of the headers every half second"
    HEADER_ENDLESS = "a header without an end"
    PIPELINED = "a hundred answers to one request"
    PROMISED = "a length of a terabyte, then nothing"
    GARBAGE = "bytes that are no HTTP"


class End(Enum):
    """What becomes of a crawl that gets nothing else."""

    FINISHES = "finishes"
    WAITS = "waits, with the reason"
    EITHER = "finishes, or waits with the reason"
    DENIED = "exits 78: a person must act"


@dataclass(frozen=True)
class Hostile:
    """One attack."""

    name: str
    end: End
    body: Callable[[], bytes] = bytes
    status: str = "200 OK"
    headers: tuple[tuple[str, str], ...] = ()
    way: Way = Way.PLAIN
    at_token: bool = False


def page(items: str = "[]", total: object = 0, following: str = "null") -> bytes:
    return f'{{"artists":{{"items":{items},"total":{total},"next":{following}}}}}'.encode()


def one(**fields: Any) -> str:
    return json.dumps([{"id": "a1", "name": "b", **fields}])


def inside(literal: str) -> str:
    """One artist with a field that nobody knows."""
    return f'[{{"id":"a1","name":"b","more":{literal}}}]'


def bomb(mib: int, *, wbits: int) -> bytes:
    """A deflated stream of so many MiB of spaces, by one block that is repeated. Its checksum is wrong."""
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = raw.compress(b" " * MIB) + raw.flush(zlib.Z_FULL_FLUSH)
    head = {31: b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", 15: b"\x78\xda", -15: b""}[wbits]
    return head + block * mib + b"\x03\x00" + bytes(8)


def gzipped(data: bytes) -> bytes:
    packed = zlib.compressobj(1, zlib.DEFLATED, 31)
    return packed.compress(data) + packed.flush()


def members(count: int) -> bytes:
    """As many gzip files as that, one after the other."""
    return gzipped(b" ") * (count - 1) + gzipped(page())


def error(message: object, code: int = 400) -> bytes:
    return json.dumps({"error": {"status": code, "message": message}}).encode()


def denial(code: str, description: str) -> bytes:
    return json.dumps({"error": code, "error_description": description}).encode()


def token(value: str, **more: Any) -> bytes:
    return json.dumps({"access_token": value, "token_type": "Bearer", "expires_in": 3600, **more}).encode()


def deep(depth: int = 100_000) -> bytes:
    return b'{"x":' + b"[" * depth


def encoded(encoding: str) -> tuple[tuple[str, str], ...]:
    return (("Content-Encoding", encoding),)


BAD = "400 Bad Request"
ERROR = "500 Internal Server Error"

SEARCHES = [
    Hostile("items-8mb", End.WAITS, lambda: page("[" + ",".join(["{}"] * (BIG // 3)) + "]")),
    Hostile("escapes-8mb", End.WAITS, lambda: page('[{"id":"a","name":"%s"}]' % ("\\\\" * (BIG // 2)))),
    Hostile(
        "artists-300000",
        End.WAITS,
        lambda: page("[" + ",".join(f'{{"id":"{i:x}","name":"b"}}' for i in range(300_000)) + "]", 300_000),
    ),
    Hostile(
        "artists-20000",
        End.WAITS,
        lambda: page("[" + ",".join(f'{{"id":"{i:x}","name":"b"}}' for i in range(20_000)) + "]", 20_000),
    ),
    Hostile("name-8mb", End.WAITS, lambda: page(one(name="n" * BIG), 1)),
    Hostile("name-900kb", End.EITHER, lambda: page(one(name="n" * BELOW_THE_BOUND), 1)),
    Hostile("id-40000", End.EITHER, lambda: page(one(id="0123456789abcdef" * 2500), 1)),
    Hostile("id-odd", End.EITHER, lambda: page(one(id="a\n\x1b[2J\0 b"), 1)),
    Hostile("id-surrogate", End.EITHER, lambda: page('[{"id":"\\ud800","name":"b"}]', 1)),
    Hostile("id-empty", End.EITHER, lambda: page(one(id=""), 1)),
    Hostile("total-2-31", End.FINISHES, lambda: page(one(), 2**31)),
    Hostile("total-2-63", End.FINISHES, lambda: page(one(), 2**63)),
    Hostile("total-100000-digits", End.EITHER, lambda: page(one(), "9" * 100_000)),
    Hostile("total-nan", End.EITHER, lambda: page(one(), "NaN")),
    Hostile("total-exponent", End.EITHER, lambda: page(one(), "1e999999999")),
    Hostile("keys-twice", End.EITHER, lambda: b'{"artists":{"items":[]},"artists":{"items":[{"id":"x","name":"y"}]}}'),
    Hostile("keys-100000", End.EITHER, lambda: page(inside(json.dumps({str(i): 0 for i in range(80_000)})), 1)),
    Hostile("numbers-200000", End.EITHER, lambda: page(inside("[" + "1e9," * 200_000 + "0]"), 1)),
    Hostile("lists-deep-inside", End.EITHER, lambda: page(inside("[" * 400_000 + "]" * 400_000), 1)),
    Hostile("genres-100000", End.EITHER, lambda: page(one(genres=["rock"] * 100_000), 1)),
    Hostile("images-10000", End.EITHER, lambda: page(one(images=[{"url": "u" * 40, "height": 1}] * 10_000), 1)),
    Hostile("next-8mb", End.WAITS, lambda: page(one(), 1, json.dumps("http://192.0.2.1/" + "n" * BIG))),
    Hostile("deep", End.WAITS, deep),
    Hostile("deep-refusal", End.EITHER, deep, BAD),
    Hostile("refusal-nul", End.EITHER, lambda: error("a\0b"), BAD),
    Hostile("refusal-7mb", End.EITHER, lambda: error("m" * 7_000_000), BAD),
    Hostile("refusal-300kb", End.EITHER, lambda: error("m " * 150_000), BAD),
    Hostile("refusal-escapes", End.EITHER, lambda: error(f"{ESCAPES}\nSucceeded 100%"), BAD),
    Hostile("refusal-control-1", End.EITHER, lambda: error("\u009b2J\u009d0;GOTCHA\u009c\u2028Succeeded\u202e%"), BAD),
    Hostile("refusal-nested", End.EITHER, lambda: error({"status": 400, "message": {"message": [1]}}), BAD),
    Hostile("error-7mb", End.WAITS, lambda: error("m" * 7_000_000, 500), ERROR),
    Hostile("error-escapes", End.WAITS, lambda: f"{ESCAPES}\nfake line".encode(), ERROR),
    Hostile("page-escapes", End.FINISHES, lambda: page(one(name=f"{ESCAPES}\nx\u009b31m", genres=[ESCAPES]), 1)),
    Hostile("retry-after-7000-digits", End.WAITS, lambda: b"{}", "429 Too Many", (("Retry-After", "9" * 7000),)),
    Hostile("retry-after-escapes", End.WAITS, lambda: b"{}", "429 Too Many", (("Retry-After", "\x1b[2J1"),)),
    Hostile("429-7mb", End.WAITS, lambda: error("m" * 7_000_000, 429), "429 Too Many", (("Retry-After", "1"),)),
    Hostile("gzip-bomb", End.WAITS, lambda: bomb(512, wbits=31), headers=encoded("gzip")),
    Hostile("deflate-bomb", End.WAITS, lambda: bomb(512, wbits=15), headers=encoded("deflate")),
    Hostile("raw-deflate-bomb", End.WAITS, lambda: bomb(512, wbits=-15), headers=encoded("deflate")),
    Hostile("gzip-twice", End.WAITS, lambda: gzipped(bomb(512, wbits=31)), headers=encoded("gzip, gzip")),
    Hostile("gzip-20-names", End.WAITS, lambda: gzipped(page()), headers=encoded(", ".join(["gzip"] * 20))),
    Hostile("gzip-members", End.EITHER, lambda: members(20_000), headers=encoded("gzip")),
    Hostile("gzip-ends-early", End.WAITS, lambda: gzipped(page())[:-12], headers=encoded("gzip")),
    Hostile("br-garbage", End.WAITS, lambda: bytes(1000), headers=encoded("br")),
    Hostile("zstd-garbage", End.WAITS, lambda: b"\x28\xb5\x2f\xfd" + bytes(1000), headers=encoded("zstd")),
    Hostile("headers-20000", End.WAITS, page, headers=tuple((f"X-{i}", "y" * 100) for i in range(20_000))),
    Hostile("header-2mb", End.WAITS, page, headers=(("X", "y" * 2_000_000),)),
    Hostile("reason-1mb", End.EITHER, page, "200 " + "k" * MIB),
    Hostile("reason-escapes", End.WAITS, lambda: b"x", "500 \x1b[2JGOTCHA"),
    Hostile("status-000", End.WAITS, bytes, "000 x"),
    Hostile("status-999", End.WAITS, lambda: b"x", "999 x"),
    Hostile("status-101", End.WAITS, bytes, "101 Switching Protocols", (("Upgrade", "h2c"), ("Connection", "upgrade"))),
    Hostile("cookies", End.FINISHES, page, headers=tuple(("Set-Cookie", f"a{i}=b; Path=/") for i in range(90))),
    Hostile("redirect", End.WAITS, bytes, "302 Found", (("Location", "{stranger}"),)),
    Hostile("length-twice", End.WAITS, page, headers=(("Content-Length", "7"),)),
    Hostile("length-and-chunks", End.WAITS, page, headers=(("Transfer-Encoding", "chunked"),)),
    Hostile("endless", End.WAITS, way=Way.ENDLESS),
    Hostile("chunk-extension", End.WAITS, way=Way.CHUNK_EXTENSION),
    Hostile("drip", End.WAITS, way=Way.DRIP),
    Hostile("drip-head", End.WAITS, way=Way.DRIP_HEAD),
    Hostile("header-endless", End.WAITS, way=Way.HEADER_ENDLESS),
    Hostile("continues", End.WAITS, way=Way.CONTINUES),
    Hostile("pipelined", End.EITHER, lambda: page(one(), 1), way=Way.PIPELINED),
    Hostile("promised", End.WAITS, way=Way.PROMISED),
    Hostile("garbage", End.WAITS, way=Way.GARBAGE),
]
"""At the search, which gets nothing else."""


def _at_token(name: str, end: End, body: Callable[[], bytes] = bytes, status: str = "200 OK", **how: Any) -> Hostile:
    return Hostile(f"token-{name}", end, body, status, at_token=True, **how)


REFUSED = "400 Bad Request"

TOKENS = [
    _at_token("line-end", End.WAITS, lambda: token("a\r\nX-Injected: 1")),
    _at_token("nul", End.WAITS, lambda: token("a\0b")),
    _at_token("beyond-ascii", End.WAITS, lambda: token("t\u00e9\U0001f600")),
    _at_token("escapes", End.WAITS, lambda: token(ESCAPES)),
    _at_token("4mb", End.WAITS, lambda: token("t" * 4_000_000)),
    _at_token("100kb", End.WAITS, lambda: token("t" * 100_000)),
    _at_token("empty", End.WAITS, lambda: token("")),
    _at_token("deep", End.WAITS, deep),
    _at_token("deep-refusal", End.WAITS, deep, REFUSED),
    _at_token("deep-error", End.WAITS, deep, ERROR),
    _at_token("life-1e308", End.FINISHES, lambda: token("t", expires_in=1e308)),
    _at_token("life-400-digits", End.FINISHES, lambda: token("t", expires_in=10**400)),
    _at_token("refusal-nul", End.DENIED, lambda: denial("invalid_client", "a\0b"), REFUSED),
    _at_token("refusal-escapes", End.DENIED, lambda: denial("invalid_client", f"{ESCAPES}\nline 2"), REFUSED),
    _at_token("refusal-300kb", End.EITHER, lambda: denial("invalid_client", "m " * 150_000), REFUSED),
    _at_token("refusal-5mb", End.WAITS, lambda: denial("x" * 5_000_000, ""), REFUSED),
    _at_token("error-escapes", End.WAITS, lambda: ESCAPES.encode(), ERROR),
    _at_token("gzip-bomb", End.WAITS, lambda: bomb(1024, wbits=31), headers=encoded("gzip")),
    _at_token("gzip-twice", End.WAITS, lambda: gzipped(bomb(1024, wbits=31)), headers=encoded("gzip, gzip")),
    _at_token("redirect", End.WAITS, bytes, "302 Found", headers=(("Location", "{stranger}"),)),
    _at_token("endless", End.WAITS, way=Way.ENDLESS),
    _at_token("drip", End.WAITS, way=Way.DRIP),
    _at_token("drip-head", End.WAITS, way=Way.DRIP_HEAD),
    _at_token("header-endless", End.WAITS, way=Way.HEADER_ENDLESS),
    _at_token("garbage", End.WAITS, way=Way.GARBAGE),
]
"""At the token endpoint, where the search would answer well."""

HOSTILE = {shape.name: shape for shape in [*SEARCHES, *TOKENS]}
