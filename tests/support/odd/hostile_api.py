"""The hostile API as a process of its own: /NAME/v1/search, /NAME/api/token, and /_seen/NAME for what it was asked.

It writes bytes, since no HTTP server would send most of this. A second address plays a stranger: whoever comes there
has followed where no client should go. Run as a program it prints both ports and serves until it is ended.
"""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from support.odd.hostile import HOSTILE, MIB, Hostile, Way, page, token

OK = "200 OK"
STEP_S = 0.5


@cache
def body_of(name: str) -> bytes:
    return HOSTILE[name].body()


class HostileServer:
    """What is served, and what came."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.stranger = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError):
            while await self._answer(reader, writer):
                pass
        writer.close()

    async def strange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            self.seen["stranger"] += 1
            await send(writer, OK, token("t"))
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                await reader.readexactly(int(line.partition(b":")[2]))
        name, _, rest = head.split(b" ", 2)[1].decode().strip("/").partition("/")
        if name == "_seen":
            mine = {key.partition(" ")[2]: count for key, count in self.seen.items() if key.startswith(f"{rest} ")}
            await send(writer, OK, json.dumps(mine | {"stranger": self.seen["stranger"]}).encode())
            return True
        at_token = rest.startswith("api/token")
        self.seen[f"{name} {'tokens' if at_token else 'searches'}"] += 1
        self.seen[f"{name} injected"] += b"\nx-injected" in head.lower() or b"\ncookie" in head.lower()
        shape = HOSTILE[name]
        if at_token == shape.at_token:
            return await self._attack(writer, shape)
        await send(writer, OK, token("t") if at_token else page())
        return True

    async def _attack(self, writer: asyncio.StreamWriter, shape: Hostile) -> bool:
        if shape.way is not Way.PLAIN:
            await send_strangely(writer, shape)
            return False
        headers = [(name, value.replace("{stranger}", self.stranger)) for name, value in shape.headers]
        await send(writer, shape.status, body_of(shape.name), headers)
        return True


async def send(
    writer: asyncio.StreamWriter, status: str, body: bytes, headers: list[tuple[str, str]] | None = None
) -> None:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers or []]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    await writer.drain()


async def send_strangely(writer: asyncio.StreamWriter, shape: Hostile) -> None:
    """Until the other side is tired of it."""
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    match shape.way:
        case Way.ENDLESS:
            await _repeat(writer, chunked, b"100000\r\n" + b" " * MIB + b"\r\n")
        case Way.CHUNK_EXTENSION:
            await _repeat(writer, chunked + b"1;", b"e" * MIB)
        case Way.DRIP:
            await _repeat(writer, b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" ", every_s=STEP_S)
        case Way.DRIP_HEAD:
            await _repeat(writer, b"HTTP/1.1 200 OK\r\nX: ", b"y", every_s=STEP_S)
        case Way.HEADER_ENDLESS:
            await _repeat(writer, b"HTTP/1.1 200 OK\r\nX: ", b"y" * 65536)
        case Way.CONTINUES:
            await _repeat(writer, b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, every_s=0.01)
        case Way.PROMISED:
            await _repeat(writer, b"HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n", b"", every_s=STEP_S)
        case Way.GARBAGE:
            writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500))
            await writer.drain()
        case Way.PIPELINED:
            await send(writer, OK, body_of(shape.name))
            for _ in range(100):
                await send(writer, OK, page('[{"id":"evil","name":"evil"}]', 1))


async def _repeat(writer: asyncio.StreamWriter, head: bytes, again: bytes, *, every_s: float = 0.0) -> None:
    writer.write(head)
    while not writer.is_closing():
        writer.write(again)
        await writer.drain()
        await asyncio.sleep(every_s)


class HostileApi:
    """The process, from outside."""

    def __init__(self, address: str) -> None:
        self.address = address

    def url(self, name: str) -> str:
        return f"{self.address}/{name}"

    def seen(self, name: str) -> dict[str, Any]:
        """What one shape was asked: searches, tokens, injected headers; and who came to the stranger."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.address}/_seen/{name}", timeout=30) as answer:
            counts: dict[str, Any] = json.load(answer)
            return counts


@asynccontextmanager
async def hostile_api() -> AsyncIterator[HostileApi]:
    """The API in a process of its own."""
    tests = Path(__file__).resolve().parents[2]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "support.odd.hostile_api"), cwd=tests, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield HostileApi(f"http://127.0.0.1:{int(await process.stdout.readline())}")
    finally:
        process.kill()
        await process.communicate()


async def main() -> None:
    served = HostileServer()
    strangers = await asyncio.start_server(served.strange, "127.0.0.1", 0)
    served.stranger = f"http://127.0.0.1:{strangers.sockets[0].getsockname()[1]}/steal"
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0, limit=MIB)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with strangers, server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
