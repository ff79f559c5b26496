"""Sends one request for one permit, and tells the permit what became of it.

The promise about arrivals hangs on this file: the permit is asked on the open connection, right before the first byte,
so that neither a slow connect nor a stopped process sends late, and nothing is ever sent twice. So it never retries and
follows no redirect; it keeps no cookies, and uses no proxy that it was not told to use. Through a proxy the same
holds of the API: a tunnel is opened without the permit, and what is written into it needs one.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any

import aiohttp
from aiohttp.client_reqrep import ClientRequest, ClientResponse
from aiohttp.connector import Connection
from yarl import URL

from crawl_core.limiter.permit import Permit, PermitExpiredError
from crawl_worker.client.errors import NoAnswerError, NotSentError
from crawl_worker.client.exchange import RefusedAnswerError, exchange, http_session, in_words
from crawl_worker.client.proxies import Proxies
from crawl_worker.sources.outcomes import Lack
from crawl_worker.sources.wire import HttpAnswer, HttpRequest

KEEPALIVE_S = 55.0
"""Seconds an idle connection is kept. Servers commonly close after 60; one that they close first costs a request."""

MAX_BODY_BYTES = 2**20
"""Bytes of an answer, unpacked: ten times what 50 artists take. What is read from them takes more than they do."""

_OTHER_CONNECTIONS = 4
"""Connections tried with the same permit where something is left on one: as many as tasks commonly keep open."""


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One request under way: what it is sent with, and how long it may take."""

    permit: Permit
    timeout_s: float


_exchange: ContextVar[_Exchange] = ContextVar("exchange")


class _SpokeFirstError(aiohttp.ClientConnectionError):
    """Nothing was sent on this connection, which is closed; another may do."""


class _PermitRequest(ClientRequest):
    """A request that asks its permit on the open connection, before the first byte."""

    async def send(self, conn: Connection) -> ClientResponse:
        if conn.protocol is None or conn.protocol.should_close:
            # Something came on it since the last answer: it would be read as the answer to this request.
            conn.close()
            raise _SpokeFirstError("the server spoke on the connection before it was asked")
        try:
            under_way = _exchange.get()
            _stop_sending_after(conn, under_way.timeout_s)
            under_way.permit.use()
        except (LookupError, PermitExpiredError):
            # The connection is good, and the next permit need not wait for one.
            conn.release()
            raise
        return await super().send(conn)


def _stop_sending_after(conn: Connection, timeout_s: float) -> None:
    """Have the kernel send nothing again that long after it was written, whatever becomes of this process.

    A connection outlives the timeout that it was made under: another one may be in force for this request.
    """
    if conn.transport is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
        opened = conn.transport.get_extra_info("socket")
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, max(1, round(timeout_s * 1000)))


class ApiTransport:
    """Connections to one API, at most `concurrency` of them, for requests that have a permit.

    `timeout_s` is asked at each request, for it may change while the job runs.
    """

    def __init__(self, *, concurrency: int, timeout_s: Callable[[], float], proxies: Proxies | None = None) -> None:
        self._concurrency = concurrency
        self._timeout_s = timeout_s
        self._proxies = proxies or Proxies(used=False)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> ApiTransport:
        self._session = http_session(
            aiohttp.TCPConnector(limit=self._concurrency, keepalive_timeout=KEEPALIVE_S, socket_factory=self._socket),
            request_class=_PermitRequest,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session:
            await self._session.close()
            self._session = None

    async def send(self, request: HttpRequest, permit: Permit) -> HttpAnswer:
        """Send a request. Raises PermitExpiredError where nothing was written: take another permit."""
        if self._session is None:
            raise RuntimeError("the transport is closed: use it as `async with ApiTransport(...)`")
        try:
            answer = await self._exchange(self._session, request, permit)
        except PermitExpiredError as error:
            if permit.used:
                raise self._settle(request, permit, aiohttp.ServerDisconnectedError(str(error))) from error
            permit.unused()
            raise
        except asyncio.CancelledError:
            # What was written may still arrive: its slot stays held.
            if not permit.used:
                permit.unused()
            raise
        except Exception as error:
            raise self._settle(request, permit, error) from error
        permit.answered()
        if answer.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            # About the way there, whatever was asked for.
            raise NoAnswerError(Lack.OTHER, "the proxy answers 407: it wants a login")
        return answer

    async def _exchange(self, session: aiohttp.ClientSession, request: HttpRequest, permit: Permit) -> HttpAnswer:
        timeout_s = permit.may_take_s(self._timeout_s())
        token = _exchange.set(_Exchange(permit, timeout_s))
        try:
            # One timeout over everything: the wait for a connection, connecting, sending, the answer and its body.
            async with asyncio.timeout(timeout_s):
                for _ in range(_OTHER_CONNECTIONS):
                    with suppress(_SpokeFirstError):
                        return await self._send_once(session, request)
                return await self._send_once(session, request)
        finally:
            _exchange.reset(token)

    async def _send_once(self, session: aiohttp.ClientSession, request: HttpRequest) -> HttpAnswer:
        return await exchange(session, request, proxies=self._proxies, max_body_bytes=MAX_BODY_BYTES)

    def _socket(self, address: tuple[Any, ...]) -> socket.socket:
        """A socket from which neither a timed-out request nor a dead process sends anything again.

        For how long a stopped process may, each request says for itself.
        """
        family, kind, protocol, _, _ = address
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return made

    def _settle(self, request: HttpRequest, permit: Permit, error: Exception) -> NotSentError | NoAnswerError:
        """Tell the permit what became of its request, and say it in our words."""
        what = in_words(error)
        if not permit.used:
            permit.unused()
            hint = self._proxies.hint(URL(request.url)) if isinstance(error, aiohttp.ClientConnectorError) else ""
            return NotSentError(f"{what}{hint}")
        if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError) or (
            isinstance(error, OSError) and error.errno in (errno.ECONNRESET, errno.EPIPE)
        ):
            if self._proxies.of(URL(request.url)) is None:
                permit.answered(closed=True)
            # Else the proxy may hold the request, and pass it on later than a closed connection lets one arrive.
            return NoAnswerError(Lack.CLOSED, f"the connection closed before the answer was whole: {what}")
        if isinstance(error, aiohttp.ClientResponseError | RefusedAnswerError):
            permit.answered()
            return NoAnswerError(Lack.MALFORMED, what)
        # It may still arrive: the slot stays held for the longest that can take.
        return NoAnswerError(Lack.TIMEOUT if isinstance(error, TimeoutError) else Lack.OTHER, what)
