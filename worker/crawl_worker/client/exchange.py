"""One HTTP exchange, bounded: whatever a server sends, its answer costs little memory and ends in time.

Both transports read every answer here. aiohttp bounds heads (8,190 bytes a line, 128 lines) and hands a body on as it
comes. The rest is this module's: a bound on the bytes of a body after unpacking, into no more room than that; one
encoding at most, and of that one stream, since whatever is packed in another multiplies what few bytes cost; and a
bound on the answers that are read ahead, since aiohttp queues all that come. The deadline is the caller's. An answer
that is refused ends its connection, so that nothing left of it is taken for the next answer.
"""

from __future__ import annotations

import asyncio
import errno
import zlib
from functools import partial

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest, ClientResponse
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from crawl_core.text import clean
from crawl_worker.client.proxies import Proxies
from crawl_worker.sources.wire import HttpAnswer, HttpRequest

_ENCODINGS = ("gzip", "deflate")
_PLAIN = ("", "identity")
_SHOWN_CHARACTERS = 300


_READ_BYTES = 16 * 2**10
_ANSWERS_AHEAD = 16
"""One is due a request. Before it may come some of 1xx, which say nothing; a server that sends them without end would
have 80,000 parsed in one turn of the event loop."""


class RefusedAnswerError(Exception):
    """An answer came that this process does not take: too large, or packed in a way that nobody asked for."""


class _Handler(ResponseHandler):
    """aiohttp's end of a connection, which ends it where more answers come than can be due."""

    def data_received(self, data: bytes) -> None:
        # No data is a call as well: aiohttp goes on with what it had put aside.
        for start in range(0, len(data) or 1, _READ_BYTES):
            super().data_received(data[start : start + _READ_BYTES])
            if len(self) > _ANSWERS_AHEAD:
                self.abort()
                self.set_exception(HttpProcessingError(message="more answers than requests"))
            if self.exception() is not None or self.transport is None:
                return


def http_session(
    connector: aiohttp.TCPConnector, *, request_class: type[ClientRequest] = ClientRequest
) -> aiohttp.ClientSession:
    """A session without cookies, netrc, timeouts of its own or other encodings than are unpacked here."""
    connector._factory = partial(  # type: ignore[assignment]  # noqa: SLF001
        _Handler, loop=asyncio.get_running_loop()
    )
    session = aiohttp.ClientSession(
        connector=connector,
        request_class=request_class,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        auto_decompress=False,
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
    body, packed = bytearray(), None
    async for chunk in response.content.iter_any():
        if encoding in _PLAIN:
            body += chunk
        else:
            packed = packed or _unpacker(encoding, chunk)
            body += _unpacked(packed, chunk, max_bytes=max_bytes + 1 - len(body))
        if len(body) > max_bytes:
            raise RefusedAnswerError(f"the answer has more than {max_bytes} bytes")
    if packed and not packed.eof:
        raise RefusedAnswerError(f"the answer ends in the middle of its {encoding}")
    return bytes(body)


def _unpacker(encoding: str, beginning: bytes) -> zlib._Decompress:
    if encoding == "gzip":
        return zlib.decompressobj(16 + zlib.MAX_WBITS)
    # Some servers leave out the header of deflate.
    return zlib.decompressobj(zlib.MAX_WBITS if beginning[0] & 0x0F == zlib.DEFLATED else -zlib.MAX_WBITS)


def _unpacked(packed: zlib._Decompress, chunk: bytes, *, max_bytes: int) -> bytes:
    try:
        unpacked = packed.decompress(chunk, max_bytes)
    except zlib.error as error:
        raise RefusedAnswerError(f"the answer is not packed as it says: {error}") from error
    if packed.unused_data:
        raise RefusedAnswerError("the answer goes on after the end of what is packed")
    return unpacked


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
            return f"the proxy {_not_reached(error)}"
        case aiohttp.ClientConnectorCertificateError():
            return f"the certificate of {error.host}:{error.port} is not accepted: {error.certificate_error}"
        case aiohttp.ClientConnectorDNSError():
            return f"the name {error.host} is not found: {error.strerror or error.os_error}"
        case aiohttp.ClientConnectorError():
            return _not_reached(error)
        case aiohttp.ClientResponseError():
            return f"the answer is not HTTP as it is written: {error.message}"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _not_reached(error: aiohttp.ClientConnectorError) -> str:
    server = f"[{error.host}]:{error.port}" if ":" in error.host else f"{error.host}:{error.port}"
    # Where a name has several addresses, all their errors are in one text without a number.
    if f"[Errno {errno.ECONNREFUSED}]" in str(error.os_error):
        return f"{server} refuses connections"
    return f"{server} is not reached: {error.os_error.strerror or error.os_error}"
