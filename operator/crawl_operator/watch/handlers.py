"""What kopf is for: it watches, and puts each object into the store. Its handlers decide, write and remember nothing.

kopf's own ways are switched off one by one below; each of them is a trap that operators have fallen into.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import kopf

from crawl_core.metrics.definitions import WATCH_EVENTS
from crawl_operator.values import names
from crawl_operator.watch.store import Kind, Store

SERVER_TIMEOUT_S = 300
"""A watch is opened anew that often, so that none stays silent behind a load balancer for ever."""
CONNECT_TIMEOUT_S = 10.0
REQUEST_TIMEOUT_S = 60.0


def registry_of(store: Store, *, relisted: Callable[[], None]) -> kopf.OperatorRegistry:
    """Our handlers, in a registry of their own. `relisted` hears of it when a watch begins with a list."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    def login(**arguments: Any) -> kopf.ConnectionInfo | None:
        # As the `kubernetes` client does for everything else; asked again when a token has run out.
        return kopf.login_via_client(**arguments)

    @kopf.on.event(names.GROUP, names.VERSION, names.PLURAL, registry=registry)
    async def crawljob(event: Any, **_: Any) -> None:
        keep("crawljobs", event)

    @kopf.on.event("apps", "v1", "deployments", registry=registry)
    async def deployment(event: Any, **_: Any) -> None:
        keep("deployments", event)

    def keep(kind: Kind, event: Any) -> None:
        WATCH_EVENTS.labels(kind).inc()
        raw = dict(event["object"])
        if event["type"] is None:
            # What was deleted since the last list, a new list does not say.
            relisted()
        store.remove(kind, raw) if event["type"] == "DELETED" else store.put(kind, raw)

    return registry


class _NoMemory(kopf.DiffBaseStorage):
    """What kopf compares an object with: nothing. Else it copies each object of each event twice, for handlers of
    changes, of which we have none: with 1,000 CrawlJobs a sixth of the operator's work."""

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return


def kopf_settings() -> kopf.OperatorSettings:
    """kopf, watching and nothing else."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    # Never used: no handler of ours needs it. Named, so that kopf's own name can appear nowhere.
    settings.persistence.finalizer = f"{names.GROUP}/kopf"
    settings.persistence.diffbase_storage = _NoMemory()
    # In namespaced mode kopf would ask for all namespaces first, be refused, and retry for 54 s. What it looks for,
    # added namespaces and resources, we do not serve without a restart.
    settings.scanning.disabled = True
    settings.watching.server_timeout = SERVER_TIMEOUT_S
    settings.watching.connect_timeout = CONNECT_TIMEOUT_S
    settings.watching.chunk_size = 500
    settings.watching.label_selectors["apps", "v1", "deployments"] = names.COMMON_SELECTOR
    settings.networking.connect_timeout = CONNECT_TIMEOUT_S
    settings.networking.request_timeout = REQUEST_TIMEOUT_S
    settings.queueing.idle_timeout = 1.0
    settings.process.ultimate_exiting_timeout = None
    return settings


def tame_logs(level: str) -> None:
    """Let kopf and the clients speak only of what is wrong. A client's debug lines would show Secrets."""
    quiet = logging.DEBUG if level == "DEBUG" else logging.WARNING
    for name in ("kopf", "asyncio", "aiohttp"):
        logging.getLogger(name).setLevel(quiet)
    # "kopf.objects" says of each event that a handler was invoked, and that it succeeded.
    for name in ("kopf.objects", "kubernetes", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_no_error)


def _no_error(record: logging.LogRecord) -> bool:
    """A watch that is cut is opened again by itself; while the API server is away, that fails each second or so."""
    tried = record.name.startswith("kopf.") and str(record.msg).startswith("Request attempt ")
    if tried and record.levelno == logging.ERROR:
        record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
    return True
