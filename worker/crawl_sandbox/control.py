"""The sandbox's own pages: what arrived, what was counted, and changes while it runs.

    GET  /_sandbox/requests?since=S   JSON lines, in the order of arrival; `since` is epoch seconds, inclusive
    GET  /_sandbox/stats              everything counted, exactly (windows.py says what changed limits mean for it)
    GET  /_sandbox/health             200
    POST /_sandbox/control            JSON, all or nothing:
         {"limit": "10/30s", "latency": SPEC, "latency_in": SPEC, "latency_out": SPEC, "mode": "development",
          "faults": {...} | null, "outage": {an action, such as "status": 503} | null, "expire_tokens": true,
          "clear": true}

An outage is an action (faults.py) for every request and for tokens, until it is set to null. `clear` forgets
the log, the counts and the places taken in the window, as a new process would. These pages need no credentials:
a sandbox has nothing to protect.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import msgspec

from crawl_sandbox.answers import ApiAnswer, error
from crawl_sandbox.app import Sandbox, Settings, read_body
from crawl_sandbox.delivery import Receive, Scope, Send, send_answer
from crawl_sandbox.errors import OptionError, SandboxError
from crawl_sandbox.faults import NO_FAULTS, Action, FaultPlan, convert
from crawl_sandbox.latency import Latency
from crawl_sandbox.search import Mode
from crawl_sandbox.windows import Limit

PREFIX = "/_sandbox/"


class ControlRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A control request. What is absent stays as it is."""

    limit: str | msgspec.UnsetType = msgspec.UNSET
    latency: str | msgspec.UnsetType = msgspec.UNSET
    latency_in: str | msgspec.UnsetType = msgspec.UNSET
    latency_out: str | msgspec.UnsetType = msgspec.UNSET
    mode: Mode | msgspec.UnsetType = msgspec.UNSET
    faults: FaultPlan | msgspec.UnsetType | None = msgspec.UNSET
    outage: Action | msgspec.UnsetType | None = msgspec.UNSET
    expire_tokens: bool = False
    clear: bool = False

    def settings(self, before: Settings) -> Settings:
        """Return the settings after this change."""
        after = replace(before)
        for text in (self.latency, self.latency_out):
            if not isinstance(text, msgspec.UnsetType):
                after.latency_out = Latency.parse(text)
        if not isinstance(self.latency_in, msgspec.UnsetType):
            after.latency_in = Latency.parse(self.latency_in)
        if not isinstance(self.mode, msgspec.UnsetType):
            after.mode = self.mode
        if not isinstance(self.faults, msgspec.UnsetType):
            after.plan = self.faults or NO_FAULTS
        if not isinstance(self.outage, msgspec.UnsetType):
            after.outage = self.outage
        return after


class Pages:
    """Answers what is under /_sandbox/."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        page = scope["method"], scope["path"][len(PREFIX) :]
        if page == ("GET", "requests"):
            await self._requests(scope, send)
        elif page == ("GET", "stats"):
            self._sandbox.log.flush()
            await send_answer(send, _json(self._sandbox.stats()))
        elif page == ("POST", "control"):
            await send_answer(send, self._control(await read_body(receive)))
        elif page == ("GET", "health"):
            await send_answer(send, _json({"status": "ok"}))
        else:
            await send_answer(send, error(404, "There are GET requests, stats, health, and POST control here"))

    async def _requests(self, scope: Scope, send: Send) -> None:
        since = parse_qs(scope["query_string"].decode("latin-1")).get("since", ["0"])[0]
        try:
            since_s = float(since)
        except ValueError:
            await send_answer(send, error(400, f"since={since}: write seconds since 1970, such as 1764000000.5"))
            return
        self._sandbox.log.flush()
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", b"application/x-ndjson")],
            }
        )
        for chunk in self._sandbox.log.chunks(since_s=since_s):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            # Requests must not wait behind a long log.
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b""})

    def _control(self, body: bytes) -> ApiAnswer:
        try:
            change: ControlRequest = convert(msgspec.json.decode(body), ControlRequest, origin="control")
            settings = change.settings(self._sandbox.settings)
            limit = self._sandbox.doors.limit
            if not isinstance(change.limit, msgspec.UnsetType):
                limit = Limit.parse(change.limit)
        except (SandboxError, OptionError, msgspec.DecodeError) as problem:
            return error(400, str(problem))
        self._apply(change, settings, limit)
        return _json(self._state())

    def _apply(self, change: ControlRequest, settings: Settings, limit: Limit | None) -> None:
        sandbox = self._sandbox
        now_us = sandbox.clock_us()
        sandbox.apply(settings, restart_faults=not isinstance(change.faults, msgspec.UnsetType))
        if limit != sandbox.doors.limit:
            sandbox.doors.change_limit(limit, now_us=now_us + sandbox.epoch_offset_us)
        if change.expire_tokens:
            sandbox.tokens.expire_all(now_us=now_us)
        if change.clear:
            sandbox.log.clear()
            sandbox.doors.clear(now_us=now_us + sandbox.epoch_offset_us)

    def _state(self) -> dict[str, Any]:
        settings, limit = self._sandbox.settings, self._sandbox.doors.limit
        return {
            "limit": limit.text if limit else "none",
            "mode": settings.mode,
            "latency_in": settings.latency_in.text if settings.latency_in else "none",
            "latency_out": settings.latency_out.text if settings.latency_out else "none",
            "faults": settings.plan,
            "outage": settings.outage,
        }


def _json(document: object) -> ApiAnswer:
    return ApiAnswer(200, msgspec.json.encode(document))
