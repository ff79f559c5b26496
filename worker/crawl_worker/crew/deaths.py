"""How a process of a run ended, in words, and when its successor may start. Pure.

What a person must change (exit status 78, or 2: a command line that it does not understand) is no reason to start it
again for long. A signal is: it says nothing of the configuration, and what killed it may be gone.
"""

from __future__ import annotations

import signal

from crawl_core.errors import EXIT_CONFIGURATION, EXIT_USAGE
from crawl_core.text import clean

_LONGEST_WORDS = 500
"""Characters of what a process said last."""


def is_refusal(status: int | None) -> bool:
    """Whether the process said that it cannot work as it was started."""
    return status in (EXIT_CONFIGURATION, EXIT_USAGE)


def how_it_ended(status: int | None, *, last_words: str = "") -> str:
    """The end of a sentence; a process that was ended by a signal had no say in it, so its words explain nothing."""
    if status is not None and status < 0:
        return f"was ended by {_signal(-status)}"
    words = clean(last_words, _LONGEST_WORDS)
    return f"exited {status}" + (f", saying: {words}" if words else "")


def when(delay_s: float) -> str:
    """When a successor starts."""
    return f"in {delay_s:.0f} s" if delay_s >= 1 else "now"


def _signal(number: int) -> str:
    if number == signal.SIGKILL:
        return "SIGKILL (by somebody, or for want of memory)"
    try:
        return signal.Signals(number).name
    except ValueError:
        # Real-time signals have no names.
        return f"signal {number}"
