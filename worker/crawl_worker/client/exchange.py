"""One HTTP exchange, bounded: whatever a server sends, its answer costs little memory and ends in time.

Both transports read every answer here. aiohttp bounds heads (8,190 bytes a line, 128 lines) and hands a body on in
pieces, unpacked no further than they are taken; the rest is this module's: a bound on the bytes of a body after
unpacking, and one encoding at most, since a second one multiplies what few bytes can become. The deadline is the
caller's. An answer that is refused ends its connection, so that nothing left of it is taken for the next answer.
"""

from __future__ import annotations

import aiohttp
from aiohttp.client_reqrep import ClientRequest, ClientResponse
from yarl import URL

from crawl_core.text import clean
from crawl_worker.client.proxies import Proxies
from crawl_worker.sources.wire import HttpAnswer, HttpRequest

_ENCODINGS = ("gzip", "deflate")
_PLAIN = ("", "identity")
_SHOWN_CHARACTERS = 300


class RefusedAnswerError(Exception):
    """An answer came that this process does not take: too large, or packed in a way that nobody asked for."""


def http_session(
    connector: aiohttp.BaseConnector, *, request_class: type[ClientRequest] = ClientRequest
) -> aiohttp.ClientSession:
    """A session without cookies, netrc, timeouts of its own or other encodings than are unpacked here."""
    session = aiohttp.ClientSession(
        connector=connector,
        request_class=request_class,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        # aiohttp would ask for more where the machine has more decoders.
        headers={"Accept-Encoding": ", ".join(_ENCODINGS)},
    )
    # aiohttp sends a GET again whose connection closed without an answer. A permit refuses its second use anyway;
    # without this the error would be about the permit and not about the connection.
    session._retry_connection = False  # noqa: SLF001
    return session


async def exchange(
    session: aiohttp.ClientSession, request: HttpRequest, *, proxies: Proxies, max_body_bytes: int
) -> HttpAnswer:
    """Send a request and read its whole answer; a redirect is an answer. Raises whatever aiohttp does, and
    RefusedAnswerError."""
    url = URL(request.url, encoded=True)
    async with session.request(
        request.method,
        url,
        headers=request.headers,
        data=request.body or None,
        allow_redirects=False,
        proxy=proxies.of(url),
    ) as response:
        try:
            return HttpAnswer(response.status, response.headers, await _body(response, max_body_bytes))
        except BaseException:
            response.close()
            raise


async def _body(response: ClientResponse, max_bytes: int) -> bytes:
    """The whole body, unpacked, and bounded while it comes: what it says of its length is only a reason to refuse."""
    encoding = ", ".join(response.headers.getall("Content-Encoding", [])).strip().lower()
    if encoding not in _ENCODINGS + _PLAIN:
        raise RefusedAnswerError(f"the answer is encoded as {encoding!r}, and {' or '.join(_ENCODINGS)} was asked for")
    if (response.content_length or 0) > max_bytes:
        raise RefusedAnswerError(f"the answer has more than {max_bytes} bytes")
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > max_bytes:
            raise RefusedAnswerError(f"the answer has more than {max_bytes} bytes")
    return bytes(body)


def in_words(error: Exception) -> str:
    """An error of an exchange, for a message to people: cleaned, since it may quote what the server sent."""
    return clean(_words_of(error), _SHOWN_CHARACTERS)


def _words_of(error: Exception) -> str:
    match error:
        case RefusedAnswerError():
            return str(error)
        case TimeoutError():
            return "no whole answer in time"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy answers {error.status} {error.message}"
        case aiohttp.ClientProxyConnectionError():
            return f"the proxy is not reached: {error}"
        case aiohttp.ClientResponseError():
            return f"the answer is not HTTP as it is written: {error.message}"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
