"""What a look of a local run means: conditions, state and estimate, by the model that the operator goes by. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from crawl_core.errors import ArtistcrawlError, LedgerUnavailableError, RedisUnavailableError
from crawl_core.job import reasons, verdicts
from crawl_core.job.time_left import estimated_end, seconds_left
from crawl_core.job.verdicts import Standing, Verdict
from crawl_core.spec.status import State
from crawl_core.values.capacity import limits_of
from crawl_core.values.limits import BucketLimits
from crawl_worker.local.job_look import JobLook

_SEEDED, _PROGRESSING, _RATE_LIMITED = "Seeded", "Progressing", "RateLimited"


@dataclass(frozen=True, slots=True)
class WorkerCount:
    """The worker processes of a run."""

    desired: int = 0
    alive: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """A job as a CrawlJob's status would have it."""

    state: State = "Pending"
    conditions: Mapping[str, Standing] = field(default_factory=dict)
    """Seeded, Progressing and RateLimited, each with the instant since when its status holds."""
    estimated_end: datetime | None = None

    def verdicts(self) -> tuple[tuple[str, str, str], ...]:
        """(type, status, reason) of each condition."""
        return tuple((kind, held.verdict.status, held.verdict.reason) for kind, held in self.conditions.items())


def judge(look: JobLook, *, workers: WorkerCount, covered_per_s: float | None, before: Judgement) -> Judgement:
    """What the look means; `before` is what the one before it meant."""
    if look.redis_error is not None:
        return out_of_reach(look.redis_error, now=look.now, before=before)
    state, progressing = _progressing(look, workers=workers, before=before)
    conditions = {_SEEDED: _seeded(look, before), _PROGRESSING: progressing, _RATE_LIMITED: _rate_limited(look)}
    estimated = None
    if state not in ("Succeeded", "Frozen") and progressing.reason != reasons.MISCONFIGURED:
        estimated = _estimated(look, covered_per_s=covered_per_s, before=before)
    return Judgement(state, _standing(conditions, now=look.now, before=before), estimated)


def out_of_reach(error: ArtistcrawlError, *, now: datetime, before: Judgement) -> Judgement:
    """What is left to say while the ledger or Redis does not answer, or Redis has forgotten the job: as before it."""
    if not isinstance(error, (LedgerUnavailableError, RedisUnavailableError)):
        lost = {_SEEDED: Verdict("False", reasons.FRONTIER_LOST)}
        return replace(before, conditions={**before.conditions, **_standing(lost, now=now, before=before)})
    is_ledger = isinstance(error, LedgerUnavailableError)
    unknown = Verdict("Unknown", reasons.LEDGER_UNAVAILABLE if is_ledger else reasons.REDIS_UNAVAILABLE)
    seeded, rate_limited = _verdict(before, _SEEDED), _verdict(before, _RATE_LIMITED)
    conditions = {
        _SEEDED: seeded if seeded.status == "True" else unknown,
        _PROGRESSING: unknown,
        _RATE_LIMITED: rate_limited,
    }
    # The estimate is kept: it is about right again when all answers, and until then no metric shows it.
    return replace(before, conditions=_standing(conditions, now=now, before=before))


def _progressing(look: JobLook, *, workers: WorkerCount, before: Judgement) -> tuple[State, Verdict]:
    row, progress = look.row, look.progress
    if row.finished_at is not None:
        return "Succeeded", Verdict("False", reasons.COMPLETED)
    if verdicts.misconfigured(row, progress, now=look.now, ready=workers.alive):
        return "Stalled", Verdict("False", reasons.MISCONFIGURED)
    if _frozen(look):
        return "Frozen", Verdict("False", reasons.FROZEN)
    limits = _limits(look)
    verdict = verdicts.progressing(
        row,
        progress,
        now=look.now,
        ready=workers.alive,
        limit_binds=verdicts.limit_binds(
            row.crawl_job.spec, limits, latency_s=progress.latency_s, workers=workers.desired
        ),
        window_s=limits.window_s,
        before=before.conditions.get(_PROGRESSING),
    )
    state = verdicts.running_state(verdict, progress, now=look.now, ready=workers.alive, before=before.state)
    return state, verdict


def _seeded(look: JobLook, before: Judgement) -> Verdict:
    if look.frontier is None or look.frontier.known or look.row.finished_at is not None:
        return Verdict("True", reasons.SEEDED)
    last = _verdict(before, _SEEDED)
    if last.status == "True" or last.reason == reasons.FRONTIER_LOST:
        return Verdict("False", reasons.FRONTIER_LOST)
    return Verdict("Unknown", reasons.PENDING)


def _rate_limited(look: JobLook) -> Verdict:
    if look.row.finished_at is not None:
        return Verdict("False", reasons.WITHIN_LIMIT)
    in_force = None if look.bucket is None else look.bucket.row.limits
    return verdicts.rate_limited(look.row.crawl_job.spec, row=look.row, frozen=_frozen(look), in_force=in_force)


def _estimated(look: JobLook, *, covered_per_s: float | None, before: Judgement) -> datetime | None:
    age = look.now - look.row.started_at
    left_s = seconds_left(look.progress, covered_per_s=covered_per_s, age=age)
    return None if left_s is None else estimated_end(left_s, now=look.now, before=before.estimated_end)


def _frozen(look: JobLook) -> bool:
    until = None if look.bucket is None else look.bucket.frozen_until
    return until is not None and until > look.now


def _limits(look: JobLook) -> BucketLimits:
    return limits_of(look.row.crawl_job.spec) if look.bucket is None else look.bucket.row.limits


def _verdict(before: Judgement, kind: str) -> Verdict:
    held = before.conditions.get(kind)
    return Verdict("Unknown", reasons.PENDING) if held is None else held.verdict


def _standing(now_is: Mapping[str, Verdict], *, now: datetime, before: Judgement) -> dict[str, Standing]:
    """Each verdict, since when its status holds: the instant stays while the status does."""
    held = before.conditions
    return {
        kind: Standing(
            verdict, held[kind].since if kind in held and held[kind].verdict.status == verdict.status else now
        )
        for kind, verdict in now_is.items()
    }
