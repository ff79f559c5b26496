"""Logs what nobody foresaw that a driver raises. It is waited out as an outage, and must not be hidden by that.

A connection that dies makes drivers raise what their documentation does not name: uvloop's RuntimeError of a closed
transport, an AttributeError of a writer that is gone. A defect of this program raises the same classes.
"""

from __future__ import annotations

import logging

from crawl_core.clock import SYSTEM_CLOCK
from crawl_core.logs import fields

log = logging.getLogger(__name__)

AGAIN_S = 60.0
"""Seconds until the same class is logged again for the same server."""

_logged_s: dict[tuple[str, type], float] = {}


def log_unforeseen(server: str, error: Exception) -> None:
    """Log an error with its class and traceback, once a minute."""
    kind, now_s = (server, type(error)), SYSTEM_CLOCK.monotonic()
    if now_s - _logged_s.get(kind, -AGAIN_S) >= AGAIN_S:
        _logged_s[kind] = now_s
        extra = fields("backend.unforeseen", server=server, error=type(error).__name__)
        log.error("the client of %s raises %s", server, type(error).__name__, exc_info=error, extra=extra)
