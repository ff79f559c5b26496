"""How often a job is looked after. Pure, so that the operator's decisions may know it."""

from __future__ import annotations

RESEED_INTERVAL_S = 60.0
"""Seconds after which a seeding runs even where the counts agree: counts can agree by accident."""
