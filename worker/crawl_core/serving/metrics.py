"""Serves /metrics of a process, on a port of its own: the probes' port is for the kubelet alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from crawl_core.errors import ConfigurationError
from crawl_core.metrics.exposition import CONTENT_TYPE, Scrape
from crawl_core.serving.listening import listening

PATH = "/metrics"


@asynccontextmanager
async def serving_metrics(
    port: int | None, scrape: Scrape, *, host: str | None = None, in_thread: bool = False
) -> AsyncIterator[int | None]:
    """Answer scrapes while inside, on all addresses without a host; yields the port. None: not at all; 0: any port.

    `in_thread` makes the text beside the event loop: for one that takes long, and whose parts may be read so.
    Raises ConfigurationError where the port cannot be had.
    """
    if port is None:
        yield None
        return
    from aiohttp import web

    async def metrics(_: web.Request) -> web.Response:
        text = await asyncio.to_thread(scrape) if in_thread else scrape()
        response = web.Response(body=text, headers={"Content-Type": CONTENT_TYPE})
        # By a method that the client accepts: a seventh of this text is left, or less.
        response.enable_compression()
        return response

    async with AsyncExitStack() as stack:
        try:
            bound = await stack.enter_async_context(listening(port, {PATH: metrics}, host=host))
        except OSError as error:
            raise ConfigurationError(
                f"metrics cannot be served on port {port} ({error.strerror or error}): "
                "give another one with --metrics-port PORT, or --metrics-port -1 for none"
            ) from error
        yield bound
