"""A server written by hand, which answers every request with whatever bytes a test says."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager

Streams = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Counts connections and requests; `answer` is called for each request."""

    def __init__(self, answer: Streams) -> None:
        self.answer = answer
        self.connections = 0
        self.requests: list[bytes] = []
        self.url = ""
        self.talking: list[asyncio.Task[None] | None] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.talking.append(asyncio.current_task())
        self.connections += 1
        try:
            while True:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                await self.answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serve(answer: Streams, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server(answer)
    async with listening(server.talk, server.talking, tls=tls) as port:
        server.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}/v1/search?q=a%20b"
        yield server


@asynccontextmanager
async def listening(
    talk: Streams, talking: Collection[asyncio.Task[None] | None], *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Call `talk` for each connection to the port of loopback that it yields; in the end `talking` are cancelled."""
    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for task in filter(None, talking):
        task.cancel()
    await asyncio.gather(*filter(None, talking), return_exceptions=True)
    await asyncio.sleep(0)  # Closed transports close their sockets in the next turn.
