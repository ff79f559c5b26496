"""The fake API as a server: one shape a path, /SHAPE/v1/search and /SHAPE/api/token, and a log of what was asked."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from support.odd.shape import Shape, Standstill
from support.odd.wire import Ask, Reply


@dataclass
class Seen:
    """What one shape was asked."""

    searches: list[Ask] = field(default_factory=list)
    tokens: int = 0
    elsewhere: list[str] = field(default_factory=list)
    """Paths that no client of a search API has any business at."""
    began_s: float | None = None
    token_began_s: float | None = None
    pages: Counter[tuple[str, int]] = field(default_factory=Counter)
    by_token: Counter[str] = field(default_factory=Counter)


class OddApi:
    """All shapes at one address."""

    def __init__(self, shapes: Mapping[str, Shape | Standstill], address: str) -> None:
        self.shapes = shapes
        self.address = address
        self.seen = {name: Seen() for name in shapes}

    def url(self, name: str) -> str:
        return f"{self.address}/{name}"

    async def search(self, request: web.Request) -> web.StreamResponse:
        name, query = request.match_info["shape"], request.query
        seen = self.seen[name]
        now_s = time.monotonic()
        seen.began_s = now_s if seen.began_s is None else seen.began_s
        string, offset = query.get("q", ""), int(query.get("offset", "0"))
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        seen.pages[string, offset] += 1
        seen.by_token[token] += 1
        ask = Ask(
            string=string,
            offset=offset,
            limit=int(query.get("limit", "5")),
            number=len(seen.searches) + 1,
            nth=seen.pages[string, offset],
            since_s=now_s - seen.began_s,
            token=token,
            token_uses=seen.by_token[token],
        )
        seen.searches.append(ask)
        return await send(request, self.shapes[name].search(ask))

    async def token(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["shape"]
        seen = self.seen[name]
        now_s = time.monotonic()
        seen.token_began_s = now_s if seen.token_began_s is None else seen.token_began_s
        seen.tokens += 1
        return await send(request, self.shapes[name].token(seen.tokens, now_s - seen.token_began_s))

    async def elsewhere(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["shape"]
        self.seen[name].elsewhere.append(request.path_qs)
        return web.Response(status=404)


async def send(request: web.Request, reply: Reply) -> web.StreamResponse:
    """The reply on the wire."""
    await asyncio.sleep(reply.delay_s)
    if reply.dropped:
        _close(request)
        return web.Response()
    response = web.StreamResponse(status=reply.status, headers={"Content-Type": "application/json", **reply.headers})
    if reply.closing:
        response.force_close()
    if reply.chunked:
        response.enable_chunked_encoding()
    else:
        response.content_length = len(reply.body)
    await response.prepare(request)
    half = len(reply.body) // 2
    await response.write(reply.body[:half])
    if reply.cut:
        await asyncio.sleep(0.01)
        _close(request)
        return response
    await response.write(reply.body[half:])
    await response.write_eof()
    return response


def _close(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()


@asynccontextmanager
async def odd_api(shapes: Mapping[str, Shape | Standstill]) -> AsyncIterator[OddApi]:
    """The API on a free port of this machine."""
    application = web.Application()
    runner = web.AppRunner(application, access_log=None, handle_signals=False)
    api = OddApi(shapes, "")
    application.router.add_get("/{shape}/v1/search", api.search)
    application.router.add_post("/{shape}/api/token", api.token)
    application.router.add_route("*", "/{shape}/{rest:.*}", api.elsewhere)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        api.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield api
    finally:
        await runner.cleanup()
