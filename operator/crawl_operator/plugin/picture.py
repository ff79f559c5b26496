"""What a CrawlJob's object says to people: a Snapshot, a table, a block of text. Pure.

The words are the local run's. What an object of a newer version says in another way is not shown, and fails nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from crawl_core.durations import Duration
from crawl_core.errors import SpecError
from crawl_core.job import page_size
from crawl_core.job import snapshot as words
from crawl_core.job.runs import RunView, line, waiting
from crawl_core.job.snapshot import Snapshot
from crawl_core.spec import crawljob_of
from crawl_core.wording import duration, instant, number
from crawl_operator.values import names, reasons

UNSEEN_AFTER_S = 10.0
"""Seconds after which somebody should have acted on a new CrawlJob or spec."""

OPERATOR_PODS = "kubectl get pods -A -l app.kubernetes.io/name=artistcrawl,app.kubernetes.io/component=operator"

# The course of things. Every other reason of these conditions is for a person to know of, or act upon.
_ORDINARY = {
    "Seeded": {reasons.SEEDED, reasons.PENDING},
    "Progressing": {
        reasons.PENDING,
        reasons.CRAWLING,
        reasons.LIMIT_BINDS,
        reasons.WORKERS_STARTING,
        reasons.FROZEN,
        reasons.SUSPENDED,
        reasons.PAUSED,
        reasons.COMPLETED,
    },
    "RateLimited": {reasons.PENDING, reasons.WITHIN_LIMIT, reasons.FROZEN_BY_API},
    "DeadlineExceeded": {reasons.PENDING, reasons.ON_TRACK, reasons.MET},
    "Succeeded": {reasons.PENDING, reasons.IN_PROGRESS, reasons.COMPLETED, reasons.REOPENED},
}
_REQUESTS = {
    names.ANNOTATION_UNFREEZE: ("unfreeze", "unfreeze"),
    names.ANNOTATION_RETRY_DEAD_LETTERS: ("retryDeadLetters", "retry-dead-letters"),
    names.ANNOTATION_DELETE_RUN: ("deleteRun", "delete-run"),
}
"""Of each annotation that asks for something: where status.handled notes it, and its command."""
_HEADS = ("JOB", "STATE", "PROGRESS", "ARTISTS", "REQUESTS", "A MINUTE", "WORKERS", "LEFT")
_LEFT_ALIGNED = 2

Crawljob = Mapping[str, Any]


def snapshot_of(crawljob: Crawljob, *, now_s: float, trouble: str = "") -> Snapshot:
    """What is known of a CrawlJob, now; `trouble` is why that may be out of date."""
    metadata, status = crawljob["metadata"], crawljob.get("status") or {}
    began_s = _epoch_s(status.get("startTime"))
    ended_s = _epoch_s(status.get("completionTime"))
    done_s, frozen_s = _epoch_s(status.get("estimatedCompletionTime")), _epoch_s(status.get("frozenUntil"))
    workers = status.get("workers") or {}
    strings, limit_per_minute = _asked_for(crawljob)
    frozen = frozen_s is not None and frozen_s > now_s
    return Snapshot(
        job=f"{metadata['namespace']}/{metadata['name']}",
        run=status.get("run") or 0,
        state=status.get("state", "Pending"),
        elapsed_s=max(0.0, (ended_s or now_s) - began_s) if began_s is not None else 0.0,
        share=_share(status.get("progress", "")),
        strings=strings,
        searches=status.get("searches", 0),
        requests=status.get("requests", 0),
        artists=status.get("artists", 0),
        artists_new=status.get("artistsNew", 0),
        truncated=status.get("truncated", 0),
        dead_letters=status.get("deadLetters", 0),
        incomplete=status.get("incomplete", 0),
        requests_per_minute=status.get("requestsPerMinute", 0),
        limit_per_minute=limit_per_minute,
        eta_s=0.0 if ended_s is not None else None if done_s is None else max(0.0, done_s - now_s),
        workers_alive=workers.get("ready", 0),
        workers_desired=workers.get("desired", 0),
        frozen_s=frozen_s - now_s if frozen and frozen_s is not None else 0.0,
        frozen_until=instant(frozen_s, now_s=now_s) if frozen and frozen_s is not None else "",
        notes=(*([trouble] if trouble else []), *attention(crawljob, now_s=now_s)),
    )


def attention(crawljob: Crawljob, *, now_s: float) -> list[str]:
    """What a person should know of, or act upon."""
    status = crawljob.get("status") or {}
    conditions = [condition for condition in status.get("conditions") or [] if _matters(condition)]
    # One trouble may stand in several conditions, in the same words.
    remarks = dict.fromkeys(
        f"{condition.get('reason')}: {condition.get('message') or ''}".removesuffix(": ") for condition in conditions
    )
    return [*remarks, *_small_pages(crawljob, now_s=now_s), *_unseen(crawljob, now_s=now_s)]


def _small_pages(crawljob: Crawljob, *, now_s: float) -> list[str]:
    status, source = crawljob.get("status") or {}, crawljob.get("spec", {}).get("source") or {}
    if not status.get("pageSize") or not source.get("pageSize") or status.get("state") == "Succeeded":
        return []
    tried_s = _epoch_s(status.get("pageSizeTriedAt"))
    return [page_size.note(status["pageSize"], source["pageSize"], tried_s=tried_s, now_s=now_s)]


def _matters(condition: Mapping[str, Any]) -> bool:
    ordinary = _ORDINARY.get(str(condition.get("type")))
    if ordinary is None or condition.get("reason") in ordinary:
        return False
    # An aspect that is False only because another one failed says no more than that one.
    return condition.get("type") != "Succeeded" or condition.get("status") == "True"


def _unseen(crawljob: Crawljob, *, now_s: float) -> list[str]:
    """What the operator has not done yet, or leaves alone."""
    metadata, status = crawljob["metadata"], crawljob.get("status") or {}
    annotations, handled = metadata.get("annotations") or {}, status.get("handled") or {}
    remarks = []
    if annotations.get(names.ANNOTATION_PAUSED) == "true":
        remarks.append(f"left alone by the operator while its annotation {names.ANNOTATION_PAUSED} is true")
    elif metadata.get("deletionTimestamp"):
        remarks.append("being deleted")
    elif not status and now_s - (_epoch_s(metadata.get("creationTimestamp")) or now_s) >= UNSEEN_AFTER_S:
        remarks.append(f"no operator has looked at it; is one running? {OPERATOR_PODS}")
    elif status and status.get("observedGeneration", 0) < metadata.get("generation", 0):
        remarks.append("the operator has not seen the newest spec yet")
    for annotation, (noted, command) in _REQUESTS.items():
        asked = annotations.get(annotation)
        if asked and asked != handled.get(noted):
            remarks.append(f"{command} was asked for and is not done yet")
    later = waiting(crawljob["spec"].get("run"), current=current_run(crawljob))
    return [*remarks, later] if status and later else remarks


def current_run(crawljob: Crawljob) -> int:
    """The number of the current run, as far as is known."""
    return int((crawljob.get("status") or {}).get("run") or 1)


def last_runs(crawljob: Crawljob) -> list[RunView]:
    """The last runs that the status has, the latest first."""
    return [
        RunView(
            number=run.get("number", 0),
            began_s=_epoch_s(run.get("startTime")),
            ended_s=_epoch_s(run.get("completionTime")),
            requests=run.get("requests", 0),
            artists=run.get("artists", 0),
            new=run.get("new"),
            gone=run.get("gone"),
            deleted=bool(run.get("dataDeletionTime")),
        )
        for run in (crawljob.get("status") or {}).get("runs") or []
    ]


def told_runs(crawljob: Crawljob, *, now_s: float) -> str:
    """The last two runs, a line each; empty before the first."""
    return "\n".join(f"  {line(run, now_s=now_s)}" for run in last_runs(crawljob)[:2])


def table(crawljobs: Sequence[Crawljob], *, now_s: float, everywhere: bool) -> str:
    """One line a CrawlJob, and a line more for what needs attention."""
    shown = [snapshot_of(crawljob, now_s=now_s) for crawljob in crawljobs]
    rows = [_HEADS, *(_cells(snapshot, everywhere=everywhere) for snapshot in shown)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
    lines = []
    for at, row in enumerate(rows):
        cells = [
            cell.ljust(width) if column < _LEFT_ALIGNED else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
        if at:
            lines.extend(f"  {remark}" for remark in _remarks(shown[at - 1]))
    return "\n".join(lines)


def detail(snapshot: Snapshot) -> str:
    """All about one CrawlJob, for a pipe."""
    size = f" of {number(snapshot.strings)} strings" if snapshot.strings else ""
    shown = {
        "state": snapshot.state,
        **({"run": str(snapshot.run)} if snapshot.run else {}),
        "progress": f"{snapshot.progress:.2%}{size}",
        "searches": number(snapshot.searches),
        "requests": number(snapshot.requests),
        "rate": words.rate(snapshot),
        "artists": words.artists(snapshot),
        "truncated": number(snapshot.truncated),
        "dead letters": number(snapshot.dead_letters),
        "incomplete": number(snapshot.incomplete),
        "workers": words.workers(snapshot),
        "time": duration(snapshot.elapsed_s),
        "left": words.left(snapshot),
    }
    lines = [snapshot.job, *(f"  {name:<13} {value}" for name, value in shown.items())]
    return "\n".join([*lines, *(f"  {remark}" for remark in _remarks(snapshot))])


def _cells(snapshot: Snapshot, *, everywhere: bool) -> tuple[str, ...]:
    return (
        snapshot.job if everywhere else snapshot.job.partition("/")[2],
        snapshot.state,
        f"{snapshot.progress:.2%}",
        number(snapshot.artists),
        number(snapshot.requests),
        number(snapshot.requests_per_minute),
        f"{snapshot.workers_alive}/{snapshot.workers_desired}",
        "-" if snapshot.state == "Succeeded" else words.left(snapshot),
    )


def _remarks(snapshot: Snapshot) -> list[str]:
    return [*([words.freeze(snapshot)] if snapshot.frozen_s > 0 else []), *snapshot.notes]


def _asked_for(crawljob: Crawljob) -> tuple[int, float]:
    """Strings of the keyspace, and requests a minute: 0 where a newer spec says it in another way."""
    with suppress(SpecError):
        spec = crawljob_of(crawljob, origin="").spec
        limit = spec.rate_limit
        return spec.keyspace.to_keyspace().total, 60.0 * limit.requests / limit.window.seconds
    with suppress(KeyError, TypeError, ValueError):
        limit = crawljob["spec"]["rateLimit"]
        return 0, 60.0 * limit["requests"] / Duration.parse(limit["window"]).seconds
    return 0, 0.0


def _share(progress: str) -> float:
    with suppress(ValueError):
        return float(progress.removesuffix("%")) / 100.0
    return 0.0


def _epoch_s(text: object) -> float | None:
    with suppress(ValueError, TypeError):
        return datetime.fromisoformat(str(text)).timestamp() if text else None
    return None
