"""The process around the API: a socket, uvicorn, signals, and one line that says where it listens.

uvicorn is told to log nothing and to keep connections, and its protocol is asked for two things that ASGI does not
give: the instant at which a request's headers were complete, and the connection, for faults that cut it.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Callable
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from crawl_sandbox.app import RECEIVED_US, Sandbox
from crawl_sandbox.control import PREFIX, Pages
from crawl_sandbox.delivery import TRANSPORT, Receive, Scope, Send

_BACKLOG = 4096
_KEEP_ALIVE_S = 600
_GRACE_S = 1


def clock_us() -> int:
    """Return microseconds on the monotonic clock, which no change of the wall clock moves."""
    return time.monotonic_ns() // 1000


class StampingProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with the arrival instant and the connection in the scope."""

    def on_headers_complete(self) -> None:
        """Stamp the request before anything is done with it."""
        scope = cast("dict[str, Any]", self.scope)
        scope[RECEIVED_US] = time.monotonic_ns() // 1000
        scope[TRANSPORT] = self.transport
        super().on_headers_complete()


class SandboxServer(uvicorn.Server):
    """uvicorn without its own signals: SIGTERM and SIGINT end this process with status 0."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until a signal comes."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        await self._serve(sockets)

    def _stop(self) -> None:
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        self._announce()


def serve(sandbox: Sandbox, listener: socket.socket, *, announce: Callable[[], None]) -> None:
    """Answer requests on a bound socket until SIGTERM or SIGINT."""
    pages = Pages(sandbox)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (pages if scope["path"].startswith(PREFIX) else sandbox)(scope, receive, send)

    config = uvicorn.Config(
        cast("Any", app),
        http=StampingProtocol,
        ws="none",
        loop="uvloop",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_config=None,
        date_header=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
    )
    SandboxServer(config, announce).run(sockets=[listener])
