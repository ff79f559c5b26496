"""A client for the sandbox that costs next to nothing: bytes on a few connections, many requests on the way at once.

It refuses to be correct HTTP: it knows the sandbox's answers have a Content-Length and arrive in order.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Iterable, Iterator

from support.processes.sandbox_process import SandboxProcess

_LENGTH = re.compile(rb"content-length: (\d+)")
_STATUS = slice(9, 12)


async def search_all(
    api: SandboxProcess, queries: Iterable[str], *, token: str, connections: int = 4, pipelined: int = 16
) -> list[int]:
    """Ask for the first page of every query as fast as the sandbox answers. Returns the statuses, in no order."""
    remaining = iter(queries)
    statuses: list[int] = []
    await asyncio.gather(*(_connection(api, remaining, token, pipelined, statuses) for _ in range(connections)))
    return statuses


async def _connection(
    api: SandboxProcess, remaining: Iterator[str], token: str, pipelined: int, statuses: list[int]
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    try:
        while batch := list(itertools.islice(remaining, pipelined)):
            writer.write(b"".join(_request(query, token) for query in batch))
            for _ in batch:
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                assert length is not None, head
                await reader.readexactly(int(length[1]))
                statuses.append(int(head[_STATUS]))
    finally:
        writer.close()
        await writer.wait_closed()


def _request(query: str, token: str) -> bytes:
    return (
        f"GET /v1/search?type=artist&q={query}&limit=50&offset=0 HTTP/1.1\r\n"
        f"Host: sandbox\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()
