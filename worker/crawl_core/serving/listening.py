"""Answers HTTP on a port while its process runs: the one way in which probes and metrics are served.

aiohttp comes with the extras `worker` and `operator`, so it is imported where it is used. Requests are not logged: they
come every few seconds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

Handler = Callable[["web.Request"], Awaitable["web.StreamResponse"]]

STOP_S = 1.0
"""Seconds that answers in progress get when the process ends."""


@asynccontextmanager
async def listening(port: int, handlers: Mapping[str, Handler], *, host: str | None = None) -> AsyncIterator[int]:
    """Answer GET on these paths while inside; yields the port. With port 0 any, without a host on all addresses.

    Raises OSError where the port cannot be had.
    """
    from aiohttp import web

    app = web.Application()
    for path, handler in handlers.items():
        app.router.add_get(path, handler)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=STOP_S)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        # With port 0 IPv4 and IPv6 have a port each; the shorter address is IPv4's.
        yield int(min(runner.addresses, key=len)[1])
    finally:
        await runner.cleanup()
