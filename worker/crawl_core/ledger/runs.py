"""Runs of a job: begun, compared, listed, and their rows deleted.

A run has partitions of its own where its keyspace is large. Whoever reads or writes a run's rows by the thousand names
its tables (`query`), and plans and locks no other run's.
"""

from __future__ import annotations

from psycopg import AsyncConnection
from psycopg.rows import TupleRow, dict_row, scalar_row

from crawl_core.backends.queries import query
from crawl_core.ledger.ledger import Ledger
from crawl_core.spec import Spec
from crawl_core.values.cursors import cursor_text
from crawl_core.values.jobs import spec_of
from crawl_core.values.rows import Cursor
from crawl_core.values.runs import RunRow


async def open_run(connection: AsyncConnection[TupleRow], job_id: int, number: int, spec: Spec) -> int:
    """A run of a job with all its ranges, in the caller's transaction; it is the job's current one. Returns its id."""
    keyspace = spec.keyspace.to_keyspace()
    cursor = connection.cursor(row_factory=scalar_row)
    arguments = {"job_id": job_id, "number": number, "total": keyspace.total}
    run_id: int | None = await (await cursor.execute(query("jobs.open_run"), arguments)).fetchone()
    if run_id is None:
        raise LookupError(f"no job {job_id}")
    async with connection.cursor().copy(query("jobs.copy_ranges")) as copy:
        for strings in keyspace.root_ranges():
            start = cursor_text(Cursor(string=strings.first))
            await copy.write_row((run_id, strings.length, strings.first, strings.last, start))
    return run_id


async def begin(ledger: Ledger, job_id: int, number: int) -> bool:
    """Begin the run of this number where the current one has ended and has a smaller one; True where it did.

    It crawls what the job's spec says now. May be called at any time, any number of times.
    """
    async with ledger.transaction("runs.begin") as connection:
        cursor = connection.cursor(row_factory=dict_row)
        ended = await (await cursor.execute(query("jobs.lock_ended"), {"job_id": job_id})).fetchone()
        if ended is None or ended["number"] >= number:
            return False
        await open_run(connection, job_id, number, spec_of(ended["spec"]))
    return True


async def latest(ledger: Ledger, job_id: int, *, limit: int | None = 5) -> list[RunRow]:
    """A job's runs, the latest first; all of them where `limit` is None."""
    return await ledger.rows("runs.all", {"job_id": job_id, "max_rows": limit}, into=RunRow)


async def ended(ledger: Ledger, job_id: int, *, limit: int = 5) -> list[RunRow]:
    """A job's runs that have ended, the latest first: no range of the current one is read."""
    return await ledger.rows("runs.ended", {"job_id": job_id, "max_rows": limit}, into=RunRow)


async def compare(ledger: Ledger, job_id: int | None = None) -> bool:
    """Count what one run that has ended added and lost against the one before, of this job or of any; False where none
    is left to be.

    Reads the artists of both: seconds where they are millions.
    """
    arguments = await ledger.row("runs.to_compare", {"job_id": job_id}, into=dict[str, object])
    return arguments is not None and bool(await ledger.run("runs.compare", arguments))


async def delete(ledger: Ledger, job_id: int, number: int) -> bool:
    """Have a run's searches, dead letters and links deleted in the background; artists stay. False: it is the current
    run, there is none of that number, or they are gone already."""
    return await ledger.value("runs.delete", {"job_id": job_id, "number": number}) is not None
