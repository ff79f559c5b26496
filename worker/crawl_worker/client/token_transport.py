"""Sends requests of tokens. They need no permit, since they do not count against the search limit.

A refused answer is an answer; errors of the network become TokenRequestError. Nothing is retried or redirected here: a
redirect would carry the credentials elsewhere.
"""

from __future__ import annotations

from types import TracebackType

import httpx

from crawl_worker.client.errors import TokenRequestError
from crawl_worker.sources.wire import HttpAnswer, HttpRequest


class TokenTransport:
    """Connections to one token endpoint. Use it as `async with`."""

    def __init__(self, *, request_timeout_s: float) -> None:
        self._http = httpx.AsyncClient(timeout=request_timeout_s, follow_redirects=False, trust_env=False)

    async def __aenter__(self) -> TokenTransport:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, trace)

    async def send(self, request: HttpRequest) -> HttpAnswer:
        """Send it. Raises TokenRequestError where there is no answer."""
        outgoing = httpx.Request(request.method, request.url, headers=dict(request.headers), content=request.body)
        try:
            answer = await self._http.send(outgoing)
        except (httpx.HTTPError, OSError, TimeoutError) as error:
            raise TokenRequestError(str(error) or type(error).__name__) from error
        return HttpAnswer(answer.status_code, answer.headers, answer.content)
