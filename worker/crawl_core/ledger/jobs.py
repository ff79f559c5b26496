"""Jobs: recorded with all their ranges or not at all, found again, counted, finished and deleted.

A job's identity is (namespace, name) with its keyspace and source; the uid only names its keys in Redis. What a
finished or troubled job means for workers is the operator's and the local run's to decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import TupleRow, dict_row, scalar_row

from crawl_core.backends.queries import query
from crawl_core.errors import NameTakenError
from crawl_core.ledger import runs
from crawl_core.ledger.ledger import Ledger
from crawl_core.ledger.requests import KEPT_ROWS
from crawl_core.spec import CrawlJob, Spec, differences, identity, in_words, remedy
from crawl_core.text import storable
from crawl_core.values.jobs import BucketScope, JobRow, as_recorded
from crawl_core.values.progress import Progress

TRY_PAGE_SIZE_AGAIN_S = 86_400.0
"""Seconds after which a page size that the API refused is tried again. An app may be granted more on any day; small
pages cost up to five times the requests, and a try costs one."""


async def record(
    ledger: Ledger, job: CrawlJob, *, uid: str, bucket: str | None, bucket_scope: BucketScope | str
) -> JobRow:
    """Record a job and all its ranges in one transaction, or go on with the one of this name and identity.

    Raises NameTakenError when the job of this name crawls something else.
    """
    arguments = _columns(job, uid=uid, bucket=bucket, bucket_scope=bucket_scope)
    async with ledger.transaction("jobs.record") as connection:
        job_id = await _insert(connection, job.spec, arguments)
        if job_id is None:
            job_id = await _adopt(connection, job, arguments)
    row = await get(ledger, job_id)
    if row is None:
        raise NameTakenError(f"job {job.metadata.namespace}/{job.metadata.name} was deleted meanwhile: apply it again")
    return row


def _columns(job: CrawlJob, *, uid: str, bucket: str | None, bucket_scope: str) -> dict[str, Any]:
    spec, limit = job.spec, job.spec.rate_limit
    return {
        "namespace": job.metadata.namespace,
        "name": job.metadata.name,
        "uid": uid,
        "spec": msgspec.json.encode(as_recorded(spec)).decode(),
        "identity": msgspec.json.encode(identity(spec)).decode(),
        **_source(spec),
        "bucket": bucket,
        "bucket_scope": bucket_scope,
        "limit_requests": limit.requests,
        "limit_window_s": limit.window.seconds,
        "limit_timeout_s": spec.source.request_timeout.seconds,
        "limit_even": limit.spacing == "Even",
        "retention_s": spec.request_log_retention.seconds,
    }


def _source(spec: Spec) -> dict[str, str]:
    source = spec.source
    return {
        "source_type": source.type,
        "dataset": source.dataset_in_force,
        "market": source.market_in_force or "",
    }


async def _insert(connection: AsyncConnection[TupleRow], spec: Spec, arguments: dict[str, Any]) -> int | None:
    cursor = connection.cursor(row_factory=scalar_row)
    job_id: int | None = await (await cursor.execute(query("jobs.insert"), arguments)).fetchone()
    if job_id is None:
        return None
    await runs.open_run(connection, job_id, spec.run or 1, spec)
    return job_id


async def _adopt(connection: AsyncConnection[TupleRow], job: CrawlJob, arguments: dict[str, Any]) -> int:
    cursor = connection.cursor(row_factory=dict_row)
    recorded = await (await cursor.execute(query("jobs.lock_by_name"), arguments)).fetchone()
    full_name = f"{job.metadata.namespace}/{job.metadata.name}"
    if recorded is None:
        raise NameTakenError(f"job {full_name} was deleted meanwhile: apply it again")
    changed = differences(recorded["identity"], job.spec)
    if changed:
        raise NameTakenError(
            f"the ledger has a job {full_name} that crawls something else ({in_words(changed)}); {remedy(changed)}"
        )
    await connection.execute(query("jobs.adopt"), {**arguments, "job_id": recorded["id"]})
    return int(recorded["id"])


async def get(ledger: Ledger, job_id: int) -> JobRow | None:
    """A job by its id, deleted ones too."""
    return await ledger.row("jobs.get", {"job_id": job_id}, into=JobRow)


async def find(ledger: Ledger, namespace: str, name: str) -> JobRow | None:
    """The living job of a name."""
    return await ledger.row("jobs.find", {"namespace": namespace, "name": name}, into=JobRow)


async def all(ledger: Ledger) -> list[JobRow]:
    """All living jobs, in the order they were recorded."""
    return await ledger.rows("jobs.all", into=JobRow)


async def source_detail(ledger: Ledger, job_id: int) -> Mapping[str, Any]:
    """What is known of the job's source beside its name; empty: nothing, as before that was noted."""
    detail: Mapping[str, Any] = await ledger.value("jobs.source_detail", {"job_id": job_id})
    return detail


async def note_source(ledger: Ledger, job_id: int, detail: Mapping[str, Any]) -> None:
    """Remember what is known of the job's source beside its name, such as {"catalogue": "artists.csv"}."""
    await ledger.run("jobs.note_source", {"job_id": job_id, "detail": msgspec.json.encode(detail).decode()})


async def note_page_size(ledger: Ledger, job_id: int, page_size: int | None) -> None:
    """Remember the page size that the API turned out to allow; None: as large a one as the job asks for."""
    await ledger.run("jobs.note_page_size", {"job_id": job_id, "page_size": page_size})


async def claim_page_size_try(ledger: Ledger, job_id: int, *, wanted: int) -> bool:
    """Whether the caller is to ask for one page of the wanted size, where a smaller one was found to be allowed.

    True for one caller of all in TRY_PAGE_SIZE_AGAIN_S, and for one after another size was wanted.
    """
    arguments = {"job_id": job_id, "wanted": wanted, "again_after_s": TRY_PAGE_SIZE_AGAIN_S}
    return await ledger.value("jobs.claim_page_size_try", arguments) is not None


async def note_problem(ledger: Ledger, job_id: int, reason: str, message: str, *, gives_way: bool = False) -> None:
    """Remember a problem that a person must see to; `reason` is one CamelCase word.

    One that gives way takes no other one's place, and is not noted again while it stands.
    """
    arguments = {"job_id": job_id, "reason": reason, "message": storable(message), "gives_way": gives_way}
    await ledger.run("jobs.note_problem", arguments)


async def clear_problem(ledger: Ledger, job_id: int) -> None:
    """Forget the problem."""
    arguments = {"job_id": job_id, "reason": None, "message": None, "gives_way": False}
    await ledger.run("jobs.note_problem", arguments)


async def progress(ledger: Ledger, job_id: int) -> Progress:
    """The job's counts. Raises KeyError when there is no such job."""
    arguments = {"job_id": job_id, "kept_rows": KEPT_ROWS}
    counts = await ledger.row("jobs.progress", arguments, into=Progress)
    if counts is None:
        raise KeyError(f"no job {job_id}")
    return counts


async def finish(ledger: Ledger, job_id: int) -> bool:
    """Declare the job finished if it is: not deleted, no open range, and every string covered. True for the one call
    that found it so."""
    return await ledger.value("jobs.finish", {"job_id": job_id}) is not None


async def close(ledger: Ledger, job_id: int) -> None:
    """Let no range of the job be claimed any more until a worker binds the job's limits again. They still count."""
    await ledger.run("jobs.close", {"job_id": job_id})


async def release(ledger: Ledger, job_id: int) -> bool:
    """Let a closed job's limits count no more, from when on no request of it can arrive, were its last one sent now.
    False where a worker has bound them again meanwhile."""
    return await ledger.value("jobs.release", {"job_id": job_id}) is not None


async def bind(ledger: Ledger, uid: str) -> bool:
    """Let the limits of a closed job count again, from now on. False where the job is not closed."""
    return await ledger.value("jobs.bind", {"uid": uid}) is not None


async def reopen(ledger: Ledger, uid: str) -> None:
    """Let ranges of a job whose limits count again be claimed: its bucket has them by now."""
    await ledger.run("jobs.reopen", {"uid": uid})


async def mark_deleted(ledger: Ledger, job_id: int) -> None:
    """Stop the job, and free its name. `reap` deletes its rows."""
    await ledger.run("jobs.mark_deleted", {"job_id": job_id})


async def reap(ledger: Ledger, *, chunk: int = 5_000) -> bool:
    """Delete some rows of a run, or of a job, that is to go; artists stay. False: nothing is left but what is held."""
    for run_id in await ledger.values("reaper.runs"):
        if await _empty(ledger, run_id, chunk):
            return True
    job_id: int | None = await ledger.value("reaper.pick_job")
    if job_id is None:
        return False
    if not await ledger.run("reaper.requests", {"job_id": job_id, "max_rows": chunk}):
        await ledger.run("reaper.job", {"job_id": job_id})
    return True


async def held(ledger: Ledger) -> bool:
    """Whether runs are to go whose tables somebody reads, after `reap` has nothing left to do."""
    return bool(await ledger.values("reaper.runs"))


async def _empty(ledger: Ledger, run_id: int, chunk: int) -> bool:
    """Delete some rows of a run. False: its tables are held, and nothing was deleted."""
    if await ledger.run("reaper.ranges", {"run_id": run_id, "max_rows": chunk}):
        return True
    if not await ledger.value("reaper.own_tables", {"run_id": run_id}):
        return False
    for table in ("searches", "artists", "dead_letters"):
        if await ledger.run(f"reaper.{table}", {"run_id": run_id, "max_rows": chunk}):
            return True
    await ledger.run("reaper.emptied", {"run_id": run_id})
    return True
