"""How a local run ended. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from crawl_core.job.snapshot import ShownState, Snapshot


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. `message` says why where it stalled."""

    state: ShownState
    snapshot: Snapshot
    message: str = ""
    finished_before: bool = False
