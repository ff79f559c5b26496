"""Notes reach the job's row once in a while, and none is lost while the ledger is away. In virtual time."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from support.fakes.client_world import in_virtual_time
from support.fakes.limiter_world import LoopClock

from crawl_core.errors import LedgerUnavailableError
from crawl_core.ledger import jobs
from crawl_worker.client.job_notes import REPEAT_S, JobNotes


class JobRowWrites:
    """What is written to the job's row, and whether the ledger takes it."""

    def __init__(self) -> None:
        self.written: list[tuple[Any, ...]] = []
        self.away = False

    async def note_page_size(self, ledger: object, job_id: int, page_size: int) -> None:
        self._write("page size", page_size)

    async def note_problem(self, ledger: object, job_id: int, reason: str, message: str, *, gives_way: bool) -> None:
        self._write(reason, message, *["gives way"] * gives_way)

    async def clear_problem(self, ledger: object, job_id: int) -> None:
        self._write("cleared")

    def _write(self, *values: Any) -> None:
        if self.away:
            raise LedgerUnavailableError("away")
        self.written.append(values)


@pytest.fixture
def row(monkeypatch: pytest.MonkeyPatch) -> JobRowWrites:
    writes = JobRowWrites()
    for name in ("note_page_size", "note_problem", "clear_problem"):
        monkeypatch.setattr(jobs, name, getattr(writes, name))
    return writes


def some_notes() -> tuple[JobNotes, LoopClock]:
    clock = LoopClock()
    return JobNotes(cast("Any", None), 1, clock), clock


@in_virtual_time
async def test_a_note_is_written_within_two_seconds(row: JobRowWrites) -> None:
    notes, clock = some_notes()
    running = asyncio.create_task(notes.run())
    notes.problem("QuotaExceeded", "tomorrow")
    notes.page_size(10)
    await clock.sleep(2.0)
    assert row.written == [("page size", 10), ("QuotaExceeded", "tomorrow")]
    running.cancel()


@in_virtual_time
async def test_the_same_reason_is_written_once_a_minute(row: JobRowWrites) -> None:
    notes, clock = some_notes()
    running = asyncio.create_task(notes.run())
    for second in range(round(REPEAT_S) * 3):
        notes.problem("RequestRejected", f"at {second}")
        await clock.sleep(1.0)
    assert [message for _, message in row.written] == ["at 0", "at 60", "at 120"]
    running.cancel()


@in_virtual_time
async def test_another_reason_need_not_wait(row: JobRowWrites) -> None:
    notes, _ = some_notes()
    notes.problem("RequestRejected", "a")
    notes.problem("QuotaExceeded", "b")
    await notes.write()
    assert row.written == [("RequestRejected", "a"), ("QuotaExceeded", "b")]


@in_virtual_time
async def test_notes_are_kept_while_the_ledger_is_away(row: JobRowWrites) -> None:
    notes, clock = some_notes()
    row.away = True
    running = asyncio.create_task(notes.run())
    notes.page_size(10)
    notes.problem("QuotaExceeded", "tomorrow")
    await clock.sleep(3600.0)
    row.away = False
    await clock.sleep(2.0)
    assert row.written == [("page size", 10), ("QuotaExceeded", "tomorrow")]
    running.cancel()


@in_virtual_time
async def test_what_passed_is_cleared_once(row: JobRowWrites) -> None:
    notes, _ = some_notes()
    notes.solved()
    await notes.write()
    await notes.write()
    assert row.written == [("cleared",)]


@in_virtual_time
async def test_a_problem_that_is_not_written_yet_has_not_passed(row: JobRowWrites) -> None:
    notes, _ = some_notes()
    notes.problem("QuotaExceeded", "tomorrow")
    notes.solved()
    await notes.write()
    assert row.written == [("QuotaExceeded", "tomorrow")]


@in_virtual_time
async def test_a_message_is_bounded_and_holds_nothing_that_the_ledger_refuses(row: JobRowWrites) -> None:
    notes, _ = some_notes()
    notes.problem("Odd", "\x00" + "x" * 10_000)
    await notes.write()
    ((_, message),) = row.written
    assert (len(message), message[0]) == (500, "\N{REPLACEMENT CHARACTER}")


@in_virtual_time
async def test_a_hint_gives_way_to_any_problem(row: JobRowWrites) -> None:
    notes, _ = some_notes()
    notes.problem("FieldsUnreadable", "followers")
    await notes.write()
    assert row.written == [("FieldsUnreadable", "followers", "gives way")]


@in_virtual_time
async def test_a_note_is_one_short_line_whoever_wrote_it(row: JobRowWrites) -> None:
    notes, _ = some_notes()
    notes.problem("QuotaExceeded", "\x1b[2Ja\nb\x00" + "m" * 1_000)
    await notes.write()
    assert row.written == [("QuotaExceeded", "a b\ufffd" + "m" * 495 + "…")]


@in_virtual_time
async def test_a_drain_that_writes_while_a_write_is_under_way_writes_each_note_once(
    row: JobRowWrites, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes, clock = some_notes()

    async def slowly(*arguments: Any, **named: Any) -> None:
        await clock.sleep(0.5)
        await row.note_problem(*arguments, **named)

    monkeypatch.setattr(jobs, "note_problem", slowly)
    notes.problem("QuotaExceeded", "tomorrow")
    await asyncio.gather(notes.write(), notes.write())
    assert row.written == [("QuotaExceeded", "tomorrow")]
