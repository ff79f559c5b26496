"""What a bucket allows, and the ledger's record of it.

The limiter asks for its rows through `BucketLedger`, which `crawl_core.ledger.buckets` implements, so that it can be
tested with any durable record.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class BucketLimits:
    """At most `requests` arrivals in any `window_s` seconds, of requests that take at most `request_timeout_s`."""

    requests: int
    window_s: float
    request_timeout_s: float
    even: bool
    """Whether grants are spread over the window: at least 0.9 x window / requests apart."""

    def allows_less_than(self, *, requests: int, window_s: float) -> bool:
        """Whether these limits hold back a job that may itself send `requests` in any `window_s` seconds."""
        return self.requests < requests or self.window_s > window_s


Activity = Literal["crawls", "idle", "suspended", "ends"]
"""What a job does whose limits count: it crawls, nobody seems to crawl it though nobody saw its last worker end, it is
suspended with workers that have not all ended, or it has ended so lately that a request of it may still arrive."""


@dataclass(frozen=True, slots=True)
class Binder:
    """A job whose limits count on a bucket."""

    name: str
    """NAMESPACE/NAME."""
    requests: int
    window_s: float
    even: bool
    activity: Activity


@dataclass(frozen=True, slots=True)
class BucketRow:
    """A bucket as the ledger has it."""

    name: str
    limits: BucketLimits
    frozen_until_us: int
    """In us since 1970 by Redis TIME; 0 when it was never frozen, or a freeze was lifted."""
    epoch: int
    """Raised by each 429 and each unfreeze: of two records of a bucket the one with the higher epoch is the newer."""
    longest_timeout_s: float = 0.0
    """The longest request timeout that ever was in force; 0 for none but that of `limits`. Of permits of a lost memory
    nobody can tell which one they were granted under."""


class BucketLedger(Protocol):
    """The ledger's bucket rows, which outlive Redis's memory."""

    async def ensure(self, name: str) -> tuple[BucketRow, bool]:
        """(the row, whether this call inserted it). Who inserted it knows that nobody ever had a permit of it."""
        ...

    async def merge_freeze(self, name: str, *, epoch: int, frozen_until_us: int) -> BucketRow:
        """Merge a freeze into the row: the higher epoch wins, on a tie the later end. Returns the merged row, with the
        limits that hold now."""
        ...
