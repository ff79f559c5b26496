"""How long the pretended network takes: a constant or a lognormal delay, with a tail of slow ones.

    SPEC = none | BASE | BASE+SHARE:FROM-TO        BASE = 50ms | lognormal:MEDIAN:SIGMA
    lognormal:40ms:0.5+0.01:300ms-1500ms           1 % take another 0.3 to 1.5 s, uniformly

This module says how long to sleep; `app` sleeps.
"""

from __future__ import annotations

import math
import random
import re
from dataclasses import dataclass

from crawl_sandbox.errors import OptionError

_TIME = r"(\d+(?:\.\d+)?)(ms|s)"
_SPEC = re.compile(
    rf"(?:lognormal:{_TIME}:(\d+(?:\.\d+)?)|{_TIME})(?:\+(0?\.\d+|[01]):{_TIME}-{_TIME})?",
)


@dataclass(frozen=True, slots=True)
class Latency:
    """One distribution of delays."""

    text: str
    median_s: float
    sigma: float
    tail_share: float
    tail_from_s: float
    tail_to_s: float

    @classmethod
    def parse(cls, text: str) -> Latency | None:
        """Read a SPEC; `none` is no delay at all."""
        if text == "none":
            return None
        match = _SPEC.fullmatch(text)
        if match is None:
            raise OptionError(
                f"latency {text!r}: write none, 50ms, lognormal:40ms:0.5 (median, sigma), "
                "or with a tail lognormal:40ms:0.5+0.01:300ms-1500ms"
            )
        return cls(
            text=text,
            median_s=_seconds(match[1], match[2]) + _seconds(match[4], match[5]),
            sigma=float(match[3] or 0),
            tail_share=float(match[6] or 0),
            tail_from_s=_seconds(match[7], match[8]),
            tail_to_s=_seconds(match[9], match[10]),
        )

    def draw_s(self, rng: random.Random) -> float:
        """Return the next delay in seconds."""
        delay_s = self.median_s
        if self.sigma:
            delay_s *= math.exp(self.sigma * rng.gauss(0.0, 1.0))
        if self.tail_share and rng.random() < self.tail_share:
            delay_s += rng.uniform(self.tail_from_s, self.tail_to_s)
        return delay_s


def _seconds(number: str | None, unit: str | None) -> float:
    return float(number or 0) * (0.001 if unit == "ms" else 1.0)
