"""The API itself: a raw ASGI callable, because frameworks cost more than the searches.

A request is judged in one go, at its arrival: whether the API is down, who asks, whether there is a place in the
window, which fault strikes, what the answer is. So the log is complete and in order the moment a request has arrived,
however late its answer leaves. The arrival instant is read by the server when its parser has finished the headers
(before the application is even called); with --latency-in it is the end of that delay, which is how a network bunches
requests. A client that gives up during that delay has arrived all the same: keep it below the client's timeout.
HTTP connections are the business of server.py and delivery.py.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from crawl_sandbox.answers import ApiAnswer, Renderer, error, token, token_error
from crawl_sandbox.catalogue import Catalogue
from crawl_sandbox.delivery import Receive, Scope, Send, changed, deliver, send_answer
from crawl_sandbox.faults import NO_FAULTS, Action, FaultPlan, Faults, Path
from crawl_sandbox.latency import Latency
from crawl_sandbox.matching import WordIndex
from crawl_sandbox.requestlog import Arrival, RequestLog
from crawl_sandbox.search import Mode, SearchCall, read_search
from crawl_sandbox.tokens import Refusal, Tokens
from crawl_sandbox.windows import Doors, Limit

RECEIVED_US = "crawl_sandbox.received_us"
"""Where the server puts the arrival instant, on the monotonic clock, into the scope."""
_ARTISTS = "/v1/artists/"
_LARGEST_FORM_BYTES = 65_536


@dataclass(slots=True)
class Settings:
    """What can be changed while the sandbox runs."""

    mode: Mode = "extended"
    latency_in: Latency | None = None
    latency_out: Latency | None = None
    plan: FaultPlan = NO_FAULTS
    outage: Action | None = None


class Sandbox:
    """One API: its catalogue, its limit, its faults, and the log of what arrived."""

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        tokens: Tokens,
        log: RequestLog,
        clock_us: Callable[[], int],
        epoch_offset_us: int,
        limit: Limit | None = None,
        by_peer: bool = False,
        settings: Settings | None = None,
        seed: int = 0,
    ) -> None:
        self.settings = settings or Settings()
        self.log = log
        self.tokens = tokens
        self.clock_us = clock_us
        self.epoch_offset_us = epoch_offset_us
        self.started_us = self._last_us = clock_us()
        self.by_peer = by_peer
        self.doors = Doors(limit, now_us=self.started_us + epoch_offset_us)
        self._index = WordIndex(catalogue.names)
        self._catalogue = catalogue
        self._rng = random.Random(seed)
        self._bases: dict[bytes, str] = {}
        self.apply(self.settings)

    def apply(self, settings: Settings, *, restart_faults: bool = True) -> None:
        """Put settings in force. A plan begins anew, with its counts and its clock, unless it is to go on."""
        self.settings = settings
        if restart_faults:
            self.faults = Faults(settings.plan, now_us=self.clock_us())
        self._renderer = Renderer(self._catalogue, settings.mode, settings.plan.quirks, settings.plan.seed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope["path"]
        if path == "/v1/search":
            await self._api(scope, receive, send, search=True)
        elif path.startswith(_ARTISTS):
            await self._api(scope, receive, send, search=False)
        elif path == "/api/token":
            await self._token(scope, receive, send)
        elif path.startswith("/v1/"):
            await self._api(scope, receive, send, search=None)
        else:
            await send_answer(send, error(404, "Service not found"))

    async def _api(self, scope: Scope, receive: Receive, send: Send, *, search: bool | None) -> None:
        settings = self.settings
        if settings.latency_in is not None:
            await asyncio.sleep(settings.latency_in.draw_s(self._rng))
            now_us = self.clock_us()
        else:
            now_us = scope[RECEIVED_US]
        # Requests that a client pipelines are parsed before their turn; the log must not run backwards for them.
        self._last_us = now_us = max(now_us, self._last_us)
        call = read_search(scope["query_string"], settings.mode) if search else None
        authorization, base = self._headers(scope)
        client_id, denial = self._identify(authorization, now_us)
        answer, action = self._judge(scope, call, client_id, denial, base, now_us)
        self.log.note(
            Arrival(
                now_us + self.epoch_offset_us,
                client_id,
                scope["client"],
                call.query if call else None,
                call.offset if call else None,
                call.limit if call else None,
                0 if action is not None and action.unanswered else answer.status,
            )
        )
        if settings.latency_out is not None:
            await asyncio.sleep(settings.latency_out.draw_s(self._rng))
        if action is None:
            await send_answer(send, answer)
        else:
            await deliver(answer, action, scope=scope, receive=receive, send=send)

    # A request whose token is unknown is nobody's: it counts as an arrival, but in no client's window.
    def _judge(
        self,
        scope: Scope,
        call: SearchCall | None,
        client_id: str | None,
        denial: ApiAnswer | None,
        base: str,
        now_us: int,
    ) -> tuple[ApiAnswer, Action | None]:
        """Return what is answered and, when a fault has a hand in it, how."""
        key = scope["client"][0] if self.by_peer else client_id or ""
        door = self.doors.of(key)
        door.arrive(now_us, self.doors.limit if key else None)
        if self.settings.outage is not None:
            return changed(None, self.settings.outage), self.settings.outage
        if denial is not None:
            return denial, None
        if wait_s := door.admit(now_us, self.doors.limit):
            return error(429, "API rate limit exceeded", retry_after=str(wait_s)), None
        path: Path = "search" if call is not None else "artist"
        query, offset = (call.query, call.offset or 0) if call is not None else (scope["path"][len(_ARTISTS) :], 0)
        action = self.faults.decide(path, query, offset, client_id or "", now_us)
        if action is None:
            return self._true_answer(scope, call, base), None
        if action.expire_tokens:
            self.tokens.expire_all(now_us=now_us)
        needed = action.status in (None, 200) and not action.unanswered
        return changed(self._true_answer(scope, call, base) if needed else None, action), action

    def _true_answer(self, scope: Scope, call: SearchCall | None, base: str) -> ApiAnswer:
        """Return what an API without faults says."""
        if scope["method"] != "GET":
            return error(405, "Method not allowed")
        if call is not None:
            if call.problem is not None:
                return error(400, call.problem)
            return self._renderer.page(call, self._index.find(call.words), base)
        path = scope["path"]
        if not path.startswith(_ARTISTS):
            return error(404, "Service not found")
        artist_id = path[len(_ARTISTS) :]
        if not (artist_id.isalnum() and artist_id.isascii()):
            return error(400, "Invalid base62 id")
        rank = self._catalogue.rank_of(artist_id)
        if rank is None:
            return error(404, "Resource not found")
        return ApiAnswer(200, self._renderer.artist(rank, base).encode())

    def _identify(self, authorization: bytes, now_us: int) -> tuple[str | None, ApiAnswer | None]:
        """Return whose token this is, and the 401 (or 400) it earns when it is no good."""
        if not authorization:
            return None, error(401, "No token provided")
        if authorization[:7].lower() != b"bearer ":
            return None, error(400, "Only valid bearer authentication supported")
        known = self.tokens.find(authorization[7:].decode("latin-1"))
        if known is None:
            return None, error(401, "Invalid access token")
        if now_us >= known.expires_us:
            return known.client_id, error(401, "The access token expired")
        return known.client_id, None

    def _headers(self, scope: Scope) -> tuple[bytes, str]:
        """Return the Authorization header, and the address under which the client knows this API."""
        authorization = host = b""
        for name, value in scope["headers"]:
            if name == b"authorization":
                authorization = value
            elif name == b"host":
                host = value
        base = self._bases.get(host)
        if base is None:
            clean = "".join(c for c in host.decode("latin-1") if c.isalnum() or c in ".-:[]_")
            base = f"{scope['scheme']}://{clean}"
            if len(self._bases) < 100:
                self._bases[host] = base
        return authorization, base

    async def _token(self, scope: Scope, receive: Receive, send: Send) -> None:
        form = await read_body(receive)
        now_us = self.clock_us()
        authorization, _ = self._headers(scope)
        action = self.settings.outage or self.faults.decide("token", "", 0, "", now_us)
        answer = self._grant(scope, authorization.decode("latin-1"), form.decode("latin-1"), now_us)
        if action is None:
            await send_answer(send, answer)
            return
        answer = changed(answer if action.status in (None, 200) else None, action, for_token=True)
        await deliver(answer, action, scope=scope, receive=receive, send=send)

    def _grant(self, scope: Scope, authorization: str, form: str, now_us: int) -> ApiAnswer:
        if scope["method"] != "POST":
            return token_error(405, "invalid_request", "Use POST with a form body")
        granted = self.tokens.grant(authorization, form, now_us=now_us)
        if isinstance(granted, Refusal):
            return token_error(400, granted.error, granted.description)
        return token(granted.text, self.tokens.ttl_s)

    def stats(self) -> dict[str, Any]:
        """Return everything that was counted."""
        log = self.log
        return {
            "arrivals": log.arrivals,
            **self.doors.report(),
            "by_status": {str(status): count for status, count in sorted(log.by_status.items())},
            "tokens_issued": self.tokens.issued,
            "faults": self.faults.report(),
            "artists": len(self._catalogue),
            "forgotten": log.forgotten,
            "started_at_s": (self.started_us + self.epoch_offset_us) / 1e6,
            "first_arrival_s": None if log.first_us is None else log.first_us / 1e6,
            "last_arrival_s": None if log.last_us is None else log.last_us / 1e6,
        }


async def read_body(receive: Receive) -> bytes:
    """Return a request's body, cut where no honest request is."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body") or len(body) > _LARGEST_FORM_BYTES:
            return bytes(body)
