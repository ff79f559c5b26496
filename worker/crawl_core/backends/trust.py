"""Whether a refusal is proof that a person must act. A server that has worked for this process is waited for at first.

A password is rotated here a minute before it is there, a failover makes a replica of a primary, a restore drops tables
and makes them again: each looks like a mistake in the configuration, and passes. It meets whatever is called at that
moment, for the first time or not. While a process begins, a call that never worked is another matter: it is told at
once, since whoever starts something sits before it.
"""

from __future__ import annotations

from dataclasses import dataclass

from crawl_core.clock import SYSTEM_CLOCK, Clock

BELIEVED_AFTER_S = 300.0
"""Seconds that a call is refused, each time it is made, until the refusal is believed. Longer without one, and it is
another refusal."""
BEGINNING_S = 60.0
"""Seconds from a process's first call that worked within which a call that never worked is believed at once."""

CONNECT = "connect"
"""The call that every other call makes: being let in."""


@dataclass(slots=True)
class _Refusals:
    """Of one call, in a row: when the first and the last came, in seconds, and whether they are proof."""

    first_s: float
    last_s: float
    believed: bool


class Trust:
    """What one server did for this process, by the name of the call: a script, a query, `CONNECT`."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._worked: set[str] = set()
        self._worked_since_s: float | None = None
        self._refusals: dict[str, _Refusals] = {}

    def worked(self, call: str) -> None:
        """The server did it, and so let us in."""
        if self._worked_since_s is None:
            self._worked_since_s = self._clock.monotonic()
        if call not in self._worked:
            self._worked.update((call, CONNECT))
        if self._refusals:
            self._refusals.pop(call, None)
            self._refusals.pop(CONNECT, None)

    def away(self, call: str) -> None:
        """The server could not be asked, or not now: refusals before and after are not one row."""
        if call == CONNECT:
            self._refusals.clear()
        else:
            self._refusals.pop(call, None)

    def is_proof(self, call: str, *, of_server: bool = False) -> bool:
        """Whether the refusal of this call, just now, is to be believed.

        of_server: it is about the server as a whole, such as its tables, and no right that other calls may not need.
        """
        now_s = self._clock.monotonic()
        row = self._refusals.get(call)
        if row is None or (not row.believed and now_s - row.last_s > BELIEVED_AFTER_S):
            row = _Refusals(now_s, now_s, believed=not self._is_known(call, now_s, of_server=of_server))
            self._refusals[call] = row
        row.last_s = now_s
        row.believed = row.believed or now_s - row.first_s >= BELIEVED_AFTER_S
        return row.believed

    def _is_known(self, call: str, now_s: float, *, of_server: bool) -> bool:
        if call in self._worked or (of_server and self._worked - {CONNECT}):
            return True
        return self._worked_since_s is not None and now_s - self._worked_since_s >= BEGINNING_S
