"""How an answer leaves, or fails to: whole, late, in half, or not at all.

A fault's action is applied here and nowhere else; `faults` chooses it.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import replace
from typing import Any

from crawl_sandbox.answers import ApiAnswer, error, token_error
from crawl_sandbox.faults import Action

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

TRANSPORT = "crawl_sandbox.transport"
"""Where the server puts the connection's transport into the scope."""
_MESSAGES = {
    400: "Bad request",
    401: "The access token expired",
    403: "Forbidden",
    404: "Not found",
    429: "API rate limit exceeded",
    500: "Server error.",
    502: "Bad gateway.",
    503: "Service unavailable",
    504: "Gateway timeout",
}
_LINGER_0_S = struct.pack("ii", 1, 0)


def changed(true: ApiAnswer | None, action: Action, *, for_token: bool = False) -> ApiAnswer:
    """Return the answer that an action makes of the true one (which is not needed when the action brings a status)."""
    status = action.status or 503
    message = action.message or _MESSAGES.get(status, "Error")
    if action.body == "QUOTA_EXCEEDED":
        answer = error(action.status or 429, action.message or "Too many requests", reason="QUOTA_EXCEEDED")
    elif action.expire_tokens and action.status is None:
        answer = error(401, _MESSAGES[401])
    elif true is not None and action.status in (None, 200):
        answer = true
    elif for_token:
        answer = token_error(status, "server_error", message)
    else:
        answer = error(status, message)
    return replace(_bodied(answer, action, message), retry_after=action.retry_after_header)


def _bodied(answer: ApiAnswer, action: Action, message: str) -> ApiAnswer:
    if action.body == "html":
        page = f"<html><head><title>{message}</title></head><body><h1>{message}</h1></body></html>"
        return replace(answer, body=page.encode(), content_type=b"text/html")
    if action.body == "text":
        return replace(answer, body=message.encode(), content_type=b"text/plain")
    if action.body == "empty":
        return replace(answer, body=b"")
    if action.body == "invalid-json":
        return replace(answer, body=answer.body[: len(answer.body) // 2])
    if action.body == "no-items":
        page_object = json.loads(answer.body)
        if "artists" in page_object:
            page_object["artists"]["items"] = []
        return replace(answer, body=json.dumps(page_object).encode())
    return answer


async def send_answer(send: Send, answer: ApiAnswer) -> None:
    """Send an answer as it is."""
    await send({"type": "http.response.start", "status": answer.status, "headers": _headers(answer)})
    await send({"type": "http.response.body", "body": answer.body})


async def deliver(answer: ApiAnswer, action: Action, *, scope: Scope, receive: Receive, send: Send) -> None:
    """Send an answer in the way a fault wants it sent."""
    if action.stall_s and action.stall_at == "before":
        await asyncio.sleep(action.stall_s)
    if action.unanswered:
        await _leave(action, scope[TRANSPORT], receive)
        return
    if action.body != "cut" and action.stall_at == "before":
        await send_answer(send, answer)
        return
    half = len(answer.body) // 2
    await send({"type": "http.response.start", "status": answer.status, "headers": _headers(answer)})
    await send({"type": "http.response.body", "body": answer.body[:half], "more_body": True})
    if action.stall_at == "inside":
        await asyncio.sleep(action.stall_s)
    if action.body != "cut":
        await send({"type": "http.response.body", "body": answer.body[half:]})
    # Otherwise the server closes the connection, because the body is shorter than its Content-Length says.


async def _leave(action: Action, transport: asyncio.Transport, receive: Receive) -> None:
    """Reset or close the connection, or do nothing until the client goes."""
    if action.reset:
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0_S)
        transport.abort()
    elif action.close_after_read:
        transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass


def _headers(answer: ApiAnswer) -> list[tuple[bytes, bytes]]:
    headers = [(b"content-type", answer.content_type), (b"content-length", b"%d" % len(answer.body))]
    if answer.retry_after is not None:
        headers.append((b"retry-after", answer.retry_after.encode()))
    return headers
