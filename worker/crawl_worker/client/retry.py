"""When to try again, and when a failure is the string's own. Pure, but for the random number it is given.

A failure counts against its string only when another string has succeeded since the string was last tried: until then
nothing tells a bad string from an outage, and an outage must dead-letter nothing, not even a string that had failed
before it.

Not every success is proof: an API that fails wherever it has something to say still answers strings that it has nothing
for. So only a page with artists shows that a failure was the string's own. Where only empty ones came, the string waits
as if it were, and nothing is counted.

A 429 is no failure of its string either. But one that always falls on the same string while others succeed is about
that string, whatever it says: it would freeze the bucket for everybody, again and again, without end. Only the first
request after a freeze tells: any other may be one too many (see `first_turns`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from enum import Enum

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


class Fault(Enum):
    """Whose fault a failure is, as far as what others got since the string was last tried can tell."""

    OF_THE_STRING = "pages with artists came"
    UNKNOWN = "only empty pages came"
    OF_ALL = "nobody succeeded"


@dataclass(eq=False, slots=True)
class Attempts:
    """The failures of one page of one string. `successes_before` is the process's count when it was last tried."""

    successes_before: int
    limits_before: int = 0
    """The process's count of 429s at the same time."""
    found_before: int = 0
    """The process's count of pages with artists at the same time."""
    failures: int = 0
    counted: int = 0
    unknown: int = 0
    """Failures of which only empty pages came between."""
    empty_controls: int = 0
    """Control strings in a row that were answered with an empty page since."""
    empty_pages: int = 0
    """Empty pages in a row that were to have items."""
    tokens_refused: int = 0
    """Answers of 401."""
    limited: int = 0
    """Answers of 429."""
    limited_uncounted: int = 0
    """Of those the first after a freeze that count against nobody: nothing else had succeeded."""
    limit_weight: int = 0
    """The others of the first after a freeze, each of which counts once, or `ALONE` times."""
    successes_at_limit: int = field(init=False)
    """The process's count of successes at the last 429 that was the first after a freeze."""
    control_came_last: bool = False
    """Whether a control string was asked for since this one, to find out whether its failures are its own."""

    def __post_init__(self) -> None:
        self.successes_at_limit = self.successes_before

    def failed(self, *, successes: int, found: int, by_any: bool = False) -> Fault:
        """Note a failure, when the process has had that many successes, and of them that many pages with artists.

        `by_any`: any success shows that it is the string's, since the failure is about the request itself.
        """
        self.failures += 1
        self.control_came_last = False
        fault = Fault.OF_ALL
        if successes > self.successes_before:
            fault = Fault.OF_THE_STRING if by_any or found > self.found_before else Fault.UNKNOWN
        self.successes_before, self.found_before = successes, found
        self.counted += fault is Fault.OF_THE_STRING
        self.unknown += fault is Fault.UNKNOWN
        return fault

    def limit(self, *, is_first: bool, successes: int, limits: int) -> None:
        """Note a 429, when the process has had that many successes and that many 429s, this one included.

        `is_first`: whether it answers the first request after a freeze.
        """
        self.limited += 1
        self.control_came_last = False
        self.successes_before = successes
        if not is_first:
            self.limits_before += 1
            return
        if successes > self.successes_at_limit:
            self.limit_weight += ALONE if limits == self.limits_before + 1 else 1
        else:
            self.limited_uncounted += 1
        self.successes_at_limit, self.limits_before = successes, limits

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
