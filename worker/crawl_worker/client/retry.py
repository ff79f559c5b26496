"""When to try again, and when a failure is the string's own. Pure, but for the random number it is given.

A failure counts against its string only when another string has succeeded since the string was last tried: until then
nothing tells a bad string from an outage, and an outage must dead-letter nothing, not even a string that had failed
before it.

A 429 is no failure of its string either. But one that always falls on the same string while others succeed is about
that string, whatever it says: it would freeze the bucket for everybody, again and again, without end.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

FEWEST_LIMITS = 5
"""429s in a row, at least, before they are called a string's own, however few attempts it has."""
ALONE = 4
"""A 429 that nobody else got meanwhile weighs as much as so many that others got as well: of an API that refuses every
second request five in a row fall on one string of thirty."""


@dataclass(frozen=True, slots=True)
class RetryRules:
    """`retry` of the CrawlJob, in seconds."""

    max_attempts: int
    initial_backoff_s: float
    max_backoff_s: float

    @property
    def limits(self) -> int:
        """429s in a row that are a string's own: never a few, for a limit is everybody's at first."""
        return max(self.max_attempts, FEWEST_LIMITS)

    def delay_s(self, failures: int, rng: random.Random) -> float:
        """Seconds to wait after that many failures in a row: exponential, between half and all of the step."""
        step_s = min(self.max_backoff_s, self.initial_backoff_s * 2.0 ** min(failures - 1, 30))
        return step_s * rng.uniform(0.5, 1.0)


@dataclass(eq=False, slots=True)
class Attempts:
    """The failures of one page of one string. `successes_before` is the process's count when it was last tried."""

    successes_before: int
    limits_before: int = 0
    """The process's count of 429s at the same time."""
    failures: int = 0
    counted: int = 0
    tokens_refused: int = 0
    """Answers of 401."""
    limited: int = 0
    """Answers of 429."""
    limited_uncounted: int = 0
    """Of those the ones that count against nobody: nothing else had succeeded."""
    limit_weight: int = 0
    """The others, each of which counts once, or `ALONE` times."""
    control_came_last: bool = False
    """Whether a control string was asked for since this one, to find out whether 429s are its own."""

    def failed(self, *, successes: int) -> bool:
        """Note a failure, when the process has had that many successes; True when it counts against the string."""
        self.failures += 1
        counts = successes > self.successes_before
        self.successes_before = successes
        self.counted += counts
        return counts

    def limit(self, *, successes: int, limits: int) -> None:
        """Note a 429, when the process has had that many successes and that many 429s, this one included."""
        self.limited += 1
        self.control_came_last = False
        if successes > self.successes_before:
            self.limit_weight += ALONE if limits == self.limits_before + 1 else 1
        else:
            self.limited_uncounted += 1
        self.successes_before, self.limits_before = successes, limits

    def always_limited(self, rules: RetryRules) -> bool:
        """Whether 429s are the string's own: others succeeded between, again and again."""
        return self.limit_weight >= ALONE * rules.limits

    @property
    def uncounted(self) -> int:
        """Failures that count against nobody: nothing else had succeeded."""
        return self.failures - self.counted

    def exhausted(self, rules: RetryRules) -> bool:
        """Whether the string is to be dead-lettered."""
        return self.counted >= rules.max_attempts
