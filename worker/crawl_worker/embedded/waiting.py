"""How a start waits: by looking again and again, with an end, and with a word for what it waits for.

It never blocks for longer than a moment, so that whoever started it in a thread can call it off.
"""

from __future__ import annotations

import time
from collections.abc import Callable

TOLD_AFTER_S = 5.0
"""Seconds of waiting until it is told for what."""

_LOOK_S = 0.05


class Waiting:
    """Waits for conditions. `tell` hears what a wait is for, once, when it has taken `after_s`."""

    def __init__(self, tell: Callable[[str], None] | None = None, *, after_s: float = TOLD_AFTER_S) -> None:
        self._tell = tell
        self._after_s = after_s

    def until(self, condition: Callable[[], bool], what: str, *, timeout_s: float) -> bool:
        """Whether the condition came to hold within `timeout_s`."""
        started_s = time.monotonic()
        told = self._tell is None
        while not condition():
            waited_s = time.monotonic() - started_s
            if waited_s >= timeout_s:
                return False
            if self._tell is not None and not told and waited_s >= self._after_s:
                self._tell(what)
                told = True
            time.sleep(_LOOK_S)
        return True
