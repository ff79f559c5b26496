"""Answers to the probes: alive while each part of the operator turns, ready once the watches have brought everything.

Ledgers and Redis are no part of it: an operator whose database is down has work to do, such as saying so, and a restart
would only delay that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from crawl_core.clock import Clock

STALE_S = 60.0
"""Seconds without a turn after which a part counts as stuck."""


@dataclass(slots=True)
class Health:
    """Add parts as they begin. `beats` names each with when it turned last."""

    clock: Clock
    beats: dict[str, Callable[[], float]] = field(default_factory=dict)
    lacks: str | None = "starting"
    """What is missing until the operator is ready: a standby is ready, too."""

    def watch(self, beats: Mapping[str, Callable[[], float]]) -> None:
        """Ask these parts from now on."""
        self.beats.update(beats)

    def alive(self) -> str | None:
        """The check of /healthz."""
        now_s = self.clock.monotonic()
        for name, turned_s in self.beats.items():
            if (age_s := now_s - turned_s()) > STALE_S:
                return f"{name}: no turn for {age_s:.0f} s"
        return None

    def turned_at_s(self) -> dict[str, float]:
        """When each part turned last, in seconds since 1970."""
        now_s, monotonic_s = self.clock.time(), self.clock.monotonic()
        # Rounded, since the two clocks are not read in the same instant: a part that stands still has one time.
        return {name: round(now_s - (monotonic_s - turned_s()), 1) for name, turned_s in list(self.beats.items())}

    def ready(self) -> str | None:
        """The check of /readyz."""
        return self.lacks
