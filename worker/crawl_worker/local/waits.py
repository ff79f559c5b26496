"""A start that takes long says what it waits for: after 5 s, and then less and less often.

In a thread of its own, since some waits block the event loop or come before it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from crawl_core.clock import SYSTEM_CLOCK, Clock
from crawl_core.wording import duration

FIRST_AFTER_S = 5.0
_THEN_EVERY_S = 30.0


class Waits:
    """Tells `event` of one run's waits. `now` is what is waited for at this moment."""

    def __init__(
        self, event: Callable[[str], None], *, first_after_s: float = FIRST_AFTER_S, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._event = event
        self._first_after_s = first_after_s
        self._clock = clock
        self.now = ""

    def tell(self, what: str) -> None:
        """A more precise word for what is waited for."""
        self.now = what

    @contextmanager
    def on(self, what: str) -> Iterator[None]:
        """Whatever happens inside waits for this."""
        before, self.now = self.now, what
        ended = threading.Event()
        threading.Thread(target=self._watch, args=(ended,), name="waits", daemon=True).start()
        try:
            yield
        finally:
            ended.set()
        self.now = before

    def _watch(self, ended: threading.Event) -> None:
        since_s, pause_s = self._clock.monotonic(), self._first_after_s
        while not ended.wait(pause_s):
            waited_s = self._clock.monotonic() - since_s
            self._event(f"waiting for {self.now} ({duration(waited_s)} so far; Ctrl-C ends it)")
            pause_s = _THEN_EVERY_S
