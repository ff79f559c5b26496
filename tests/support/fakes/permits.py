"""Permits without a limiter: they only tell a keeper what became of them."""

from __future__ import annotations

from crawl_core.clock import SYSTEM_CLOCK
from crawl_core.limiter.permit import Permit


class Keeper:
    """Remembers what permits told."""

    epoch = 0

    def __init__(self) -> None:
        self.told: list[str] = []
        self.late_s = 0.0

    def give_back(self, permit: Permit) -> None:
        self.told.append("unused")

    def confirm(self, permit: Permit, answered_at_s: float) -> None:
        self.told.append("answered")
        self.late_s = answered_at_s - SYSTEM_CLOCK.monotonic()


def permit(keeper: Keeper, *, in_s: float = 0.0, send_by_s: float = 5.0, timeout_s: float = 5.0) -> Permit:
    now_s = SYSTEM_CLOCK.monotonic()
    return Permit(
        keeper,
        SYSTEM_CLOCK,
        permit_id="n.1",
        epoch=0,
        not_before_s=now_s + in_s,
        send_by_s=now_s + send_by_s,
        request_timeout_s=timeout_s,
        free_us=0,
        window_us=1_000_000,
    )
