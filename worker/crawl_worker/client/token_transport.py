"""Sends requests of tokens. They need no permit, since they do not count against the search limit.

A refused answer is an answer; whatever brings none becomes TokenRequestError. Nothing is retried or redirected here: a
redirect would carry the credentials elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType

import aiohttp
from yarl import URL

from crawl_worker.client.errors import TokenRequestError
from crawl_worker.client.exchange import exchange, http_session, in_words
from crawl_worker.client.proxies import Proxies
from crawl_worker.sources.wire import HttpAnswer, HttpRequest

MAX_BODY_BYTES = 64 * 2**10
"""Bytes of an answer, unpacked: more than any token takes."""


class TokenTransport:
    """Connections to one token endpoint. Use it as `async with`. `timeout_s` is asked at each request."""

    def __init__(self, *, timeout_s: Callable[[], float], proxies: Proxies | None = None) -> None:
        self._timeout_s = timeout_s
        self._proxies = proxies or Proxies(used=False)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> TokenTransport:
        # One connection a request: there is one an hour.
        self._session = http_session(aiohttp.TCPConnector(force_close=True))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session:
            await self._session.close()
            self._session = None

    async def send(self, request: HttpRequest) -> HttpAnswer:
        """Send it. Raises TokenRequestError where there is no answer."""
        if self._session is None:
            raise RuntimeError("the transport is closed: use it as `async with TokenTransport(...)`")
        try:
            async with asyncio.timeout(self._timeout_s()):
                return await exchange(self._session, request, proxies=self._proxies, max_body_bytes=MAX_BODY_BYTES)
        except aiohttp.ClientConnectorError as error:
            raise TokenRequestError(f"{in_words(error)}{self._proxies.hint(URL(request.url))}") from error
        except Exception as error:
            raise TokenRequestError(in_words(error)) from error
