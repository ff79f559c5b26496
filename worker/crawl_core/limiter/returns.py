"""What a process still has to tell the bucket: answers, and permits that were never used.

They travel with the next call for permits. What a failed call carried is told again. That is harmless: a slot that has
moved on does not know the permit any more (test_a_late_answer_does_not_free_the_slot_of_the_next_permit).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from crawl_core.limiter.permit import Permit

UNSENT_DELAY_S = 0.02
"""Seconds until a cancelled permit is told by a call of its own. Its slot lies idle meanwhile."""
MICROSECONDS = 1_000_000


@dataclass(slots=True)
class Returns:
    """Answers and unused permits, and the instant by which they must be told."""

    answered: list[tuple[str, float]] = field(default_factory=list)
    unsent: list[Permit] = field(default_factory=list)
    due_s: float = math.inf

    def add_answer(self, permit: Permit, answered_at_s: float, *, due_s: float) -> None:
        """Note that the request of `permit` had arrived by this instant."""
        self.answered.append((permit.id, answered_at_s))
        self.due_s = min(self.due_s, due_s)

    def add_unsent(self, permit: Permit, *, now_s: float) -> None:
        """Note that `permit` was never used."""
        self.unsent.append(permit)
        self.due_s = min(self.due_s, now_s + UNSENT_DELAY_S)

    def drain(self) -> Returns:
        """Take everything out, for one call to carry."""
        drained = Returns(self.answered, self.unsent, self.due_s)
        self.answered, self.unsent, self.due_s = [], [], math.inf
        return drained

    def put_back(self, drained: Returns, *, due_s: float) -> None:
        """Take back what a call carried that failed."""
        self.answered[:0] = drained.answered
        self.unsent[:0] = drained.unsent
        self.due_s = min(self.due_s, due_s)

    def answers_by_age(self, now_s: float) -> list[tuple[str, int]]:
        """(permit id, age in us). The server subtracts the age from its own, later clock, so that no answer seems older
        than it is."""
        return [(permit_id, int((now_s - at_s) * MICROSECONDS)) for permit_id, at_s in self.answered]

    def unsent_as_granted(self) -> list[tuple[str, int, int]]:
        """(permit id, free_us, window_us) as granted, from which the server restores each slot."""
        return [(permit.id, permit.free_us, permit.window_us) for permit in self.unsent]
