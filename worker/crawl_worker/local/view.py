"""Where a run shows itself: a terminal that is redrawn, or lines for a pipe, a log, a CI job.

A view never fails: a closed pipe or terminal must not end a crawl.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from types import TracebackType
from typing import Protocol, TextIO

from rich.console import Console
from rich.live import Live

from crawl_core.clock import SYSTEM_CLOCK, Clock
from crawl_core.job.snapshot import Snapshot, line
from crawl_core.job.terminal import can_redraw, drawn
from crawl_core.text import clean, printable

PLAIN_INTERVAL_S = 10.0

LONGEST_EVENT = 2_000
"""Characters of one."""

NOTHING_SHOWN = Snapshot(job="")


class View(Protocol):
    """Whom the run tells what happens."""

    last: Snapshot
    """What was shown last."""

    def event(self, text: str) -> None:
        """Something happened."""
        ...

    def update(self, snapshot: Snapshot) -> None:
        """This is how things stand."""
        ...

    def __enter__(self) -> View: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def open_view(*, json: bool, colour: bool) -> View:
    """The view that fits what the output is. With `json`, stdout is left to the one object at the end."""
    stream = sys.stderr if json else sys.stdout
    if stream.isatty():
        console = Console(file=stream, no_color=not colour or None, highlight=False)
        if can_redraw(console):
            return RedrawnView(console)
    return PlainView(stream)


class RedrawnView:
    """Redrawn in place; events scroll above."""

    def __init__(self, console: Console) -> None:
        self.last = NOTHING_SHOWN
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=False)

    def event(self, text: str) -> None:
        """Print above the picture."""
        with suppress(OSError, ValueError):
            self._console.print(clean(text, LONGEST_EVENT), markup=False, soft_wrap=True)

    def update(self, snapshot: Snapshot) -> None:
        """Redraw."""
        self.last = snapshot
        with suppress(OSError, ValueError):
            if not self._live.is_started:
                self._live.start()
            self._live.update(drawn(snapshot, self._console), refresh=True)

    def __enter__(self) -> View:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError, ValueError):
            self._live.stop()


class PlainView:
    """A line every 10 s, and one for each event."""

    def __init__(self, stream: TextIO, *, interval_s: float = PLAIN_INTERVAL_S, clock: Clock = SYSTEM_CLOCK) -> None:
        self.last = NOTHING_SHOWN
        self._stream = stream
        self._interval_s = interval_s
        self._clock = clock
        self._next_s = 0.0
        self._state = ""

    def event(self, text: str) -> None:
        """Print it with the time."""
        self._write(clean(text, LONGEST_EVENT))

    def update(self, snapshot: Snapshot) -> None:
        """Print a line when the last one is old, or the state changed."""
        self.last = snapshot
        now_s = self._clock.monotonic()
        if now_s < self._next_s and snapshot.state == self._state:
            return
        self._next_s, self._state = now_s + self._interval_s, snapshot.state
        self._write(printable(line(snapshot)))

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            self._stream.write(f"{time.strftime('%H:%M:%S')} {text}\n")
            self._stream.flush()

    def __enter__(self) -> View:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None
