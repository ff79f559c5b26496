"""How a start waits: by looking again and again, with an end, so that nobody is left in front of a silent terminal.

After some seconds whoever waits is told for what, and a wait ends at once when somebody says so from another thread:
Ctrl-C reaches the main thread only, while servers start in one beside it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from crawl_core.errors import ConfigurationError
from crawl_core.wording import duration

TOLD_AFTER_S = 5.0
"""Seconds of waiting until it is told for what; and again after each as many, doubled."""

_LOOK_S = 0.05


class StartStoppedError(ConfigurationError):
    """Somebody asked that the start be given up."""


class Waiting:
    """Waits for conditions. `tell` hears for what after 5 s; `stop`, once set, ends every wait."""

    def __init__(self, tell: Callable[[str], None] | None = None, *, stop: threading.Event | None = None) -> None:
        self.tell = tell
        self._stop = threading.Event() if stop is None else stop

    def until(self, condition: Callable[[], bool], what: str, *, timeout_s: float) -> bool:
        """Whether the condition came to hold within `timeout_s`. Raises StartStoppedError."""
        started_s = time.monotonic()
        next_told_s = TOLD_AFTER_S
        while not condition():
            waited_s = time.monotonic() - started_s
            if waited_s >= timeout_s:
                return False
            if self.tell is not None and waited_s >= next_told_s:
                self.tell(f"still waiting for {what} ({duration(waited_s)})")
                next_told_s *= 2
            if self._stop.wait(_LOOK_S):
                raise StartStoppedError(f"interrupted while waiting for {what}")
        return True
