"""How soon a worker that died is replaced. Pure."""

from __future__ import annotations

from dataclasses import dataclass

STEADY_S = 30.0
"""Seconds after which a worker that died counts as having worked: its successor starts at once again."""

_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 30.0


@dataclass(slots=True)
class Backoff:
    """When the successor of a process that died may start: at once, then later and later while they keep dying."""

    delay_s: float = 0.0

    def after(self, lived_s: float) -> float:
        """Seconds to wait after a process that lived so long."""
        if lived_s >= STEADY_S:
            self.delay_s = 0.0
        waited = self.delay_s
        self.delay_s = min(_LONGEST_DELAY_S, max(_FIRST_DELAY_S, 2 * self.delay_s))
        return waited
