"""What a benchmark found: one number, its goal, and whether it holds. Ratios within one run, since machines differ."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table. `ok` is None for a number that is only stated."""

    name: str
    value: float
    goal: str
    unit: str
    ok: bool | None


def at_least(name: str, value: float, bound: float, unit: str = "x") -> Row:
    """A number that must not be smaller than `bound`."""
    return Row(name, value, f">= {bound:g}", unit, value >= bound)


def at_most(name: str, value: float, bound: float, unit: str = "x") -> Row:
    """A number that must not be larger than `bound`."""
    return Row(name, value, f"<= {bound:g}", unit, value <= bound)


def stated(name: str, value: float, unit: str) -> Row:
    """A number without a goal, beside which the ratios are read."""
    return Row(name, value, "", unit, None)
