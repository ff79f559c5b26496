"""When to try again, and when a failure is the string's own. Pure, but for the random number it is given.

A failure counts against its string only when another string has succeeded since the string was last tried: until then
nothing tells a bad string from an outage, and an outage must dead-letter nothing, not even a string that had failed
before it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryRules:
    """`retry` of the CrawlJob, in seconds."""

    max_attempts: int
    initial_backoff_s: float
    max_backoff_s: float

    def delay_s(self, failures: int, rng: random.Random) -> float:
        """Seconds to wait after that many failures in a row: exponential, between half and all of the step."""
        step_s = min(self.max_backoff_s, self.initial_backoff_s * 2.0 ** min(failures - 1, 30))
        return step_s * rng.uniform(0.5, 1.0)


@dataclass(eq=False, slots=True)
class Attempts:
    """The failures of one page of one string. `successes_before` is the process's count when it was last tried."""

    successes_before: int
    failures: int = 0
    counted: int = 0

    def failed(self, *, successes: int) -> bool:
        """Note a failure, when the process has had that many successes; True when it counts against the string."""
        self.failures += 1
        counts = successes > self.successes_before
        self.successes_before = successes
        self.counted += counts
        return counts

    @property
    def uncounted(self) -> int:
        """Failures that count against nobody: nothing else had succeeded."""
        return self.failures - self.counted

    def exhausted(self, rules: RetryRules) -> bool:
        """Whether the string is to be dead-lettered."""
        return self.counted >= rules.max_attempts
