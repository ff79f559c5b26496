"""Sends one request for one permit, and tells the permit what became of it.

The promise about arrivals hangs on this file: the permit is asked on the open connection, right before the first byte,
so that neither a slow connect nor a stopped process sends late, and nothing is ever sent twice. So it never retries and
follows no redirect; it keeps no cookies, and uses no proxy that it was not told to use.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from contextvars import ContextVar
from types import TracebackType
from typing import Any

import aiohttp
from aiohttp.client_reqrep import ClientRequest, ClientResponse
from aiohttp.connector import Connection
from yarl import URL

from crawl_core.limiter.permit import Permit, PermitExpiredError
from crawl_worker.client.errors import NoAnswerError, NotSentError
from crawl_worker.sources.outcomes import Lack
from crawl_worker.sources.wire import HttpAnswer, HttpRequest

KEEPALIVE_S = 55.0
"""Seconds an idle connection is kept. Servers commonly close after 60; one that they close first costs a request."""

MAX_BODY_BYTES = 8 * 2**20
"""Bytes of an answer, decompressed: far more than 50 artists take, and no more than a process can spare."""

_permit: ContextVar[Permit] = ContextVar("permit")


class _PermitRequest(ClientRequest):
    """A request that asks its permit on the open connection, before the first byte."""

    async def send(self, conn: Connection) -> ClientResponse:
        try:
            _permit.get().use()
        except (LookupError, PermitExpiredError):
            # The connection is good, and the next permit need not wait for one.
            conn.release()
            raise
        return await super().send(conn)


class ApiTransport:
    """Connections to one API, at most `concurrency` of them, for requests that have a permit."""

    def __init__(self, *, concurrency: int, request_timeout_s: float, trust_env: bool = False) -> None:
        self._concurrency = concurrency
        self._request_timeout_s = request_timeout_s
        self._trust_env = trust_env
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> ApiTransport:
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._concurrency, keepalive_timeout=KEEPALIVE_S, socket_factory=self._socket
            ),
            request_class=_PermitRequest,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            trust_env=self._trust_env,
        )
        # aiohttp sends a GET again whose connection closed without an answer. A permit refuses its second use anyway;
        # without this the error would be about the permit and not about the connection.
        session._retry_connection = False  # noqa: SLF001
        self._session = session
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session:
            await self._session.close()
            self._session = None

    async def send(self, request: HttpRequest, permit: Permit) -> HttpAnswer:
        """Send a request. Raises PermitExpiredError where nothing was written: take another permit."""
        try:
            answer = await self._exchange(request, permit)
        except PermitExpiredError as error:
            if permit.used:
                raise _settle(permit, aiohttp.ServerDisconnectedError(str(error))) from error
            permit.unused()
            raise
        except (TimeoutError, OSError, aiohttp.ClientError) as error:
            raise _settle(permit, error) from error
        except asyncio.CancelledError:
            # What was written may still arrive: its slot stays held.
            if not permit.used:
                permit.unused()
            raise
        permit.answered()
        return answer

    async def _exchange(self, request: HttpRequest, permit: Permit) -> HttpAnswer:
        if self._session is None:
            raise RuntimeError("the transport is closed: use it as `async with ApiTransport(...)`")
        token = _permit.set(permit)
        try:
            # One timeout over everything: the wait for a connection, connecting, sending, the answer and its body.
            async with asyncio.timeout(min(self._request_timeout_s, permit.request_timeout_s)):
                response = await self._session.request(
                    request.method,
                    URL(request.url, encoded=True),
                    headers=request.headers,
                    data=request.body or None,
                    allow_redirects=False,
                )
                body = await _body(response)
        finally:
            _permit.reset(token)
        return HttpAnswer(response.status, response.headers, body)

    def _socket(self, address: tuple[Any, ...]) -> socket.socket:
        """A socket from which neither a timed-out request nor a dead process sends anything again."""
        family, kind, protocol, _, _ = address
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            timeout_ms = max(1, round(self._request_timeout_s * 1000))
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)
        return made


async def _body(response: ClientResponse) -> bytes:
    """The whole body. One that says its size is read at once; else it is bounded while it comes."""
    if (length := response.content_length) is not None and "Content-Encoding" not in response.headers:
        if length > MAX_BODY_BYTES:
            response.close()  # the rest of the body is still to come on this connection
            raise aiohttp.ClientPayloadError(f"the answer has {length} bytes, more than {MAX_BODY_BYTES}")
        return await response.read()
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            response.close()
            raise aiohttp.ClientPayloadError(f"the answer has more than {MAX_BODY_BYTES} bytes")
    return bytes(body)


def _settle(permit: Permit, error: Exception) -> NotSentError | NoAnswerError:
    """Tell the permit what became of its request, and say it in our words."""
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if not permit.used:
        permit.unused()
        return NotSentError(f"no connection: {what}")
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError) or (
        isinstance(error, OSError) and error.errno in (errno.ECONNRESET, errno.EPIPE)
    ):
        permit.answered(closed=True)
        return NoAnswerError(Lack.CLOSED, f"the connection closed before the answer was whole: {what}")
    if isinstance(error, aiohttp.ClientResponseError):
        permit.answered()
        return NoAnswerError(Lack.MALFORMED, f"the answer is not HTTP: {what}")
    # It may still arrive: the slot stays held for the longest that can take.
    if isinstance(error, TimeoutError):
        return NoAnswerError(Lack.TIMEOUT, "no whole answer in time")
    return NoAnswerError(Lack.OTHER, what)
