"""Whether a refusal is proof that a person must act. A server that has done a call before is waited for at first.

A password is rotated here a minute before it is there, a failover makes a replica of a primary, a restore drops tables
and makes them again: each looks like a mistake in the configuration, and passes. A call that never worked is another
matter: it is told at once, since whoever starts something sits before it.
"""

from __future__ import annotations

from crawl_core.clock import SYSTEM_CLOCK, Clock

BELIEVED_AFTER_S = 300.0
"""Seconds that a call which worked before is refused, each time it is made, until the refusal is believed."""


class Trust:
    """What one server did for this process, by the name of the call: a script, a query, `connect`."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._refused_since_s: dict[str, float | None] = {}

    def worked(self, call: str) -> None:
        """The server did it."""
        self._refused_since_s[call] = None

    def is_proof(self, call: str) -> bool:
        """Whether the refusal of this call, just now, is to be believed."""
        if call not in self._refused_since_s:
            return True
        now_s = self._clock.monotonic()
        since_s = self._refused_since_s[call]
        if since_s is None:
            self._refused_since_s[call] = since_s = now_s
        return now_s - since_s >= BELIEVED_AFTER_S
