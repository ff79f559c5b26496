"""A whole worker in virtual time: the real worker, claimer, writer and client; ledger, frontier and API in memory.

The ledger keeps the rule that all hangs on: a batch lands only under its range's fence and from the cursor that it
expects. It can be away, and it can lose a fence to somebody else.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast
from unittest.mock import AsyncMock

import msgspec
import pytest
from support.fakes.client_world import ClientWorld, Script
from support.fakes.ledgers import crawljob
from support.fakes.limiter_world import LoopClock

from crawl_core.errors import LedgerUnavailableError
from crawl_core.frontier.frontier import Frontier
from crawl_core.ledger import batches, jobs, ranges
from crawl_core.values.frontier import Empty, Lease
from crawl_core.values.jobs import JobRow, as_recorded
from crawl_core.values.rows import Batch, Committed, Cursor, RangeRow
from crawl_worker.client.job_notes import JobNotes
from crawl_worker.crawl.worker import Parts, Worker

UID = "uid-1"
OWNER = "me"
SOMEBODY_ELSE = "another"


@dataclass
class MemoryRange:
    """One range as the ledger has it."""

    row: RangeRow
    owner: str | None = None


class MemoryLedger:
    """Ranges and a job's row. `installed` puts it in the place of the ledger's functions."""

    def __init__(self, job: JobRow) -> None:
        self.job: JobRow | None = job
        self.ranges: dict[int, MemoryRange] = {}
        self.searches: list[str] = []
        self.dead_letters: list[str] = []
        self.requests = 0
        self.commits = 0
        self.page_size_tries = 0
        self.problems: list[str | None] = []
        self.away = False
        self.children: list[int] = []
        for number, strings in enumerate(job.crawl_job.spec.keyspace.to_keyspace().root_ranges(), 1):
            cursor = Cursor(string=strings.first)
            row = RangeRow(
                id=number, run_id=job.id, length=strings.length, first=strings.first, last=strings.last, cursor=cursor,
                fence=0, state="open", counts_coverage=True,
            )  # fmt: skip
            self.ranges[number] = MemoryRange(row)

    def installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(jobs, "get", self.get_job)
        monkeypatch.setattr(jobs, "claim_page_size_try", self.claim_page_size_try)
        monkeypatch.setattr(jobs, "note_page_size", self.note_page_size)
        monkeypatch.setattr(jobs, "note_problem", self.note_problem)
        monkeypatch.setattr(jobs, "clear_problem", self.clear_problem)
        monkeypatch.setattr(jobs, "bind", self.bind)
        monkeypatch.setattr(ranges, "read", self.read_range)
        monkeypatch.setattr(ranges, "take", self.take_range)
        monkeypatch.setattr(batches, "commit", self.commit)
        monkeypatch.setattr(batches, "landed", self.landed)

    def steal(self, range_id: int) -> None:
        """Somebody else takes a range, as after a lease that was slept through."""
        stolen = self.ranges[range_id]
        stolen.owner, stolen.row = SOMEBODY_ELSE, msgspec.structs.replace(stolen.row, fence=stolen.row.fence + 1)

    async def get_job(self, ledger: object, job_id: int) -> JobRow | None:
        self._reached()
        return self.job

    async def note_page_size(self, ledger: object, job_id: int, page_size: int | None) -> None:
        self._reached()
        assert self.job is not None
        self.job = replace(self.job, page_size=page_size)

    async def claim_page_size_try(self, ledger: object, job_id: int, *, wanted: int) -> bool:
        """Whoever asks first is granted the one try that the test has allowed."""
        self._reached()
        assert self.job is not None
        if self.job.page_size is None or not self.page_size_tries:
            return False
        self.page_size_tries -= 1
        return True

    async def note_problem(self, ledger: object, job_id: int, reason: str, message: str, *, gives_way: bool) -> None:
        self._reached()
        self.problems.append(reason)

    async def clear_problem(self, ledger: object, job_id: int) -> None:
        self._reached()
        self.problems.append(None)

    async def bind(self, ledger: object, uid: str) -> bool:
        return False  # It is never closed here.

    async def read_range(self, ledger: object, range_id: int) -> RangeRow | None:
        self._reached()
        return self.ranges[range_id].row

    async def take_range(
        self, ledger: object, range_id: int, *, fence: int, owner: str, job_uid: str
    ) -> RangeRow | None:
        self._reached()
        known = self.ranges[range_id]
        if known.row.fence != fence or known.row.state != "open" or self.job is None:
            return None
        known.owner, known.row = owner, msgspec.structs.replace(known.row, fence=fence + 1)
        return known.row

    async def commit(self, ledger: object, batch: Batch) -> Committed | None:
        self._reached()
        known = self.ranges[batch.range_id]
        if (known.owner, known.row.fence, known.row.cursor) != (batch.owner, batch.fence, batch.expected):
            return None
        state = "done" if batch.cursor is None else "open"
        known.row = msgspec.structs.replace(known.row, cursor=batch.cursor, state=state)
        self.commits += 1
        self.searches += [search.string for search in batch.searches]
        self.dead_letters += [letter.string for letter in batch.dead_letters]
        self.requests += len(batch.requests)
        children = [100 + len(self.children) + at for at, _ in enumerate(batch.children)]
        self.children += children
        return Committed(children=children, artists=0, artists_new=0, artists_written=0)

    async def landed(self, ledger: object, batch: Batch) -> bool | None:
        self._reached()
        known = self.ranges[batch.range_id]
        return True if (known.owner, known.row.cursor) == (batch.owner, batch.cursor) else None

    def _reached(self) -> None:
        if self.away:
            raise LedgerUnavailableError("the ledger is away")


@dataclass
class MemoryFrontier:
    """Pending ranges and leases, without a server."""

    pending: list[int]
    uid: str = UID
    lease_ttl_s: float = 30.0
    leased: dict[int, str] = field(default_factory=dict)
    completed: list[int] = field(default_factory=list)
    released: list[int] = field(default_factory=list)
    seeded: list[int] = field(default_factory=list)
    renewals: int = 0

    async def claim(self) -> Lease | Empty:
        if not self.pending:
            return Empty(next_expiry_s=None)
        range_id = self.pending.pop(0)
        self.leased[range_id] = f"token-{range_id}"
        return Lease(range_id, self.leased[range_id], "epoch")

    async def renew(self, leases: list[Lease]) -> list[bool]:
        self.renewals += 1
        return [self.leased.get(lease.range_id) == lease.token for lease in leases]

    async def complete(self, lease: Lease) -> bool:
        self.completed.append(lease.range_id)
        return self.leased.pop(lease.range_id, None) is not None

    async def release(self, lease: Lease) -> bool:
        self.released.append(lease.range_id)
        return self.leased.pop(lease.range_id, None) is not None

    async def seed(self, range_ids: list[int], *, epoch: str | None = None) -> tuple[str, int]:
        self.seeded += range_ids
        return "epoch", len(range_ids)


def job_row(**spec: Any) -> JobRow:
    """A job of 16 strings in 4 ranges, crawled by two tasks, unless `spec` says otherwise."""
    spec.setdefault("keyspace", {"alphabet": "abcd", "minLength": 2, "maxLength": 2, "rangeSize": 4})
    spec.setdefault("workers", {"concurrency": 2})
    return JobRow(
        id=1, namespace="default", name="artists", uid=UID, spec=as_recorded(crawljob(**spec).spec), total=16,
        bucket="b", bucket_scope="Named", page_size=None, problem_reason=None, problem_message=None,
        started_at=datetime(2026, 1, 1, tzinfo=UTC), finished_at=None, deleted_at=None,
    )  # fmt: skip


class WorkerWorld(ClientWorld):
    """A worker on a job, and everything around it."""

    def __init__(
        self, script: Script, monkeypatch: pytest.MonkeyPatch, *, exit_when_done: bool = False, **spec: Any
    ) -> None:
        clock = LoopClock()
        notes = JobNotes(cast("Any", None), 1, clock)
        super().__init__(script, clock=clock, notes=notes)
        job = job_row(**spec)
        self.ledger = MemoryLedger(job)
        self.ledger.installed(monkeypatch)
        self.frontier = MemoryFrontier(sorted(self.ledger.ranges))
        parts = Parts(
            ledger=cast("Any", None),
            frontier=cast("Frontier", self.frontier),
            client=self.client,
            notes=notes,
            keyspace=job.crawl_job.spec.keyspace.to_keyspace(),
            clock=self.clock,
            owner=OWNER,
            bring_limits=AsyncMock(),
        )
        self.worker = Worker(parts, job, exit_when_done=exit_when_done, drain_s=20.0)

    async def until_all_is_searched(self) -> None:
        """Return when no range is open."""
        while any(known.row.state == "open" for known in self.ledger.ranges.values()):
            await self.clock.sleep(0.1)
