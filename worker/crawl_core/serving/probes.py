"""What Kubernetes asks a process: /healthz, whether to start it again, and /readyz, whether it can do its work.

Both answer with one line that says why. /healthz must depend on nothing outside the process: a restart mends no
database.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from crawl_core.serving.listening import Handler, listening

Check = Callable[[], str | None]
"""None where all is well; else what is wrong, in a few words."""


@dataclass(slots=True)
class Readiness:
    """A check whose answer the process changes as it starts."""

    lacks: str | None = "starting"
    """What is still missing; None when ready."""

    def __call__(self) -> str | None:
        """The answer to a probe."""
        return self.lacks


def alive() -> str | None:
    """The check of a process in which only the event loop can hang: an answer says that it does not."""
    return None


@asynccontextmanager
async def serving(port: int | None, *, healthz: Check = alive, readyz: Check = alive) -> AsyncIterator[int | None]:
    """Answer probes on all addresses while inside; yields the port. With None there are no probes, with 0 any port."""
    if port is None:
        yield None
        return
    # The kubelet asks at the pod's address.
    async with listening(port, {"/healthz": _answer(healthz), "/readyz": _answer(readyz)}) as bound:
        yield bound


def _answer(check: Check) -> Handler:
    from aiohttp import web

    async def handler(_: web.Request) -> web.Response:
        wrong = check()
        return web.Response(text=f"{wrong or 'ok'}\n", status=503 if wrong else 200)

    return handler
