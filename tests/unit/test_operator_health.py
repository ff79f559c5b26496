"""What the operator tells its probes and its metrics of the parts that must turn."""

from __future__ import annotations

from dataclasses import dataclass

from crawl_core.clock import SystemClock
from crawl_operator.expose.health import Health


@dataclass
class Clock(SystemClock):
    """A machine that was started 100 s before the year 1970 was 5,000 s old."""

    passed_s: float = 0.0

    def monotonic(self) -> float:
        return 100.0 + self.passed_s

    def time(self) -> float:
        return 5_000.0 + self.passed_s


def test_a_turn_is_told_in_seconds_since_1970_however_long_ago_it_was() -> None:
    clock = Clock()
    health = Health(clock)
    health.watch({"rounds": lambda: 97.5})
    clock.passed_s = 20.0
    assert health.turned_at_s() == {"rounds": 4_997.5}


def test_before_the_parts_run_none_has_turned() -> None:
    assert Health(Clock()).turned_at_s() == {}


def test_a_part_that_does_not_turn_is_named() -> None:
    health = Health(Clock(passed_s=70.0))
    health.watch({"rounds": lambda: 165.0, "lease": lambda: 100.0})
    assert health.alive() == "lease: no turn for 70 s"
