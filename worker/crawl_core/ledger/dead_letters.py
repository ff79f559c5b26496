"""Strings that were given up, and their second chance. Which of them are worth a replay is a person's to judge."""

from __future__ import annotations

from collections.abc import Sequence

from crawl_core.ledger.ledger import Ledger
from crawl_core.values.dead_letters import DeadLetter, IncompleteSearch


async def all(ledger: Ledger, job_id: int) -> list[DeadLetter]:
    """The dead letters of a job's current run, in string order."""
    return await ledger.rows("dead_letters.list", {"job_id": job_id}, into=DeadLetter)


async def replay(ledger: Ledger, job_id: int, strings: Sequence[str] | None = None) -> list[int]:
    """Have dead letters searched again: all, or those of `strings`. Returns the ids of the new ranges, to be seeded.

    The run is unfinished from the same instant. A string that is being replayed already is passed over.
    """
    wanted = None if strings is None else list(strings)
    return await ledger.values("dead_letters.replay", {"job_id": job_id, "strings": wanted})


async def incomplete(ledger: Ledger, job_id: int) -> list[IncompleteSearch]:
    """Strings of a job's current run that ended with fewer results than their total said, in string order."""
    run_id = await ledger.value("runs.current", {"job_id": job_id})
    if run_id is None:
        return []
    return await ledger.rows("dead_letters.list_incomplete", {"run_id": run_id}, into=IncompleteSearch, run_id=run_id)


async def replay_incomplete(ledger: Ledger, job_id: int, strings: Sequence[str] | None = None) -> list[int]:
    """As `replay`, of strings that ended with fewer results than their total said."""
    arguments = {"job_id": job_id, "strings": None if strings is None else list(strings)}
    run_id = await ledger.value("runs.current", {"job_id": job_id})
    if run_id is None:
        return []
    return await ledger.values("dead_letters.replay_incomplete", arguments, run_id=run_id)
