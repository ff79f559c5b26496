"""A small HTTP proxy on loopback, which tunnels (CONNECT), forwards (absolute form), and misbehaves as a test says.

async with http_proxy() as proxy:
    ...proxy.url...; proxy.heads       # what it was asked for, head by head
    proxy.refusal = b"HTTP/1.1 407 ..."  # instead of a tunnel or an answer
    proxy.wait_s = 0.4                 # before it opens a tunnel
    proxy.hangs_up = True              # passes on what comes, and closes the client's side before the answer
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from support.processes.raw_server import listening


class HttpProxy:
    """Counts what it is asked for."""

    def __init__(self) -> None:
        self.url = ""
        self.heads: list[bytes] = []
        self.refusal = b""
        self.wait_s = 0.0
        self.hangs_up = False
        self.talking: set[asyncio.Task[None] | None] = set()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.talking.add(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await self._one(reader, writer):
                pass
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        if self.refusal:
            writer.write(self.refusal)
            return True
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        if method == "CONNECT":
            await asyncio.sleep(self.wait_s)
            host, _, port = target.rpartition(":")
            upstream = await asyncio.open_connection(host, int(port))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(self._pipe(reader, upstream[1]), self._pipe(upstream[0], writer))
            return False
        url = urlsplit(target)
        upstream = await asyncio.open_connection(url.hostname, url.port)
        path = f"{url.path}?{url.query}".encode()
        upstream[1].write(head.replace(target.encode(), path, 1) + await reader.readexactly(_length_of(head)))
        answer = await upstream[0].readuntil(b"\r\n\r\n")
        body = await upstream[0].readexactly(_length_of(answer))
        upstream[1].close()
        if not self.hangs_up:
            writer.write(answer + body)
        return not self.hangs_up

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while chunk := await reader.read(65_536):
                writer.write(chunk)
                await writer.drain()
        writer.close()


def _length_of(head: bytes) -> int:
    lines = head.lower().split(b"\r\n")
    return next((int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")), 0)


@asynccontextmanager
async def http_proxy() -> AsyncIterator[HttpProxy]:
    proxy = HttpProxy()
    async with listening(proxy.talk, proxy.talking) as port:
        proxy.url = f"http://127.0.0.1:{port}"
        yield proxy
