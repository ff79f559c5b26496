"""What each condition of a CrawlJob says: whether it holds, why, and what a person could do. Pure.

A message names nothing that changes from round to round: numbers stand in the status' fields, so that a CrawlJob at
rest is not written. It refuses to decide what is done.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from crawl_core.job import verdicts
from crawl_core.job.verdicts import Truth, Verdict
from crawl_core.values.capacity import limits_of
from crawl_core.values.limits import BucketLimits
from crawl_core.wording import duration, number
from crawl_operator.decide import stalls
from crawl_operator.decide.condition_records import Aspect, aspect, standing
from crawl_operator.decide.misconfiguration import Trial
from crawl_operator.decide.phase import Case, Phase, frozen_until, is_moving
from crawl_operator.decide.workers import chosen, limits_in_force, ready
from crawl_operator.values import reasons
from crawl_operator.values.instants import instant_of, instant_text

_LIKELY = 0.02
"""Share of a deadline by which an estimate must pass it, or keep it again, before that is said: estimates waver."""


def aspects(case: Case, *, wanted: int | None, trial: Trial, estimated: datetime | None) -> dict[str, Aspect]:
    """Every condition; DeadlineExceeded only where there is a deadline."""
    found: dict[str, Aspect] = {
        "Seeded": seeded(case),
        "Progressing": progressing(case, wanted=wanted, trial=trial),
        "RateLimited": rate_limited(case),
        "Suspended": suspended(case),
    }
    deadline = deadline_exceeded(case, estimated=estimated)
    if deadline is not None:
        found["DeadlineExceeded"] = deadline
    found["Succeeded"] = succeeded(case)
    return found


def _before(case: Case, kind: str) -> Aspect:
    return aspect(case.old.conditions, kind) or Aspect("Unknown", reasons.PENDING, "Not looked at yet.")


def seeded(case: Case) -> Aspect:
    """Whether the ledger has the job and Redis what is open of it."""
    if case.phase is Phase.INVALID:
        return Aspect("False", reasons.INVALID_SPEC, case.seen.crawljob.invalid)
    if case.phase is Phase.FINISHED:
        return _seeded_once(case)
    if case.phase is Phase.MOVING:
        return Aspect("False", reasons.BACKENDS_CHANGED, stalls.moving_message(case))
    trouble, before = case.trouble, _before(case, "Seeded")
    if trouble is not None and trouble.permanent:
        return Aspect("False", trouble.reason, trouble.message)
    if trouble is not None:
        return before if before.status == "True" else Aspect("Unknown", trouble.reason, trouble.message)
    frontier = case.seen.frontier
    if case.row is None or case.row.uid != case.seen.crawljob.uid:
        return Aspect("Unknown", reasons.PENDING, "The job is being recorded in the ledger.")
    if frontier is None:
        return before
    if frontier.known:
        return Aspect(
            "True", reasons.SEEDED, "The ledger has the job and all its ranges; Redis has those that are open."
        )
    if before.status == "True" or before.reason == reasons.FRONTIER_LOST:
        message = "Redis lost the job's open ranges; they are seeded again from the ledger. Nothing else was lost."
        return Aspect("False", reasons.FRONTIER_LOST, message)
    return Aspect("Unknown", reasons.PENDING, "The open ranges are being written to Redis.")


def _seeded_once(case: Case) -> Aspect:
    if case.row is None and case.trouble is None:
        return Aspect(
            "False",
            reasons.RECORD_MISSING,
            "The job is finished, and the ledger has no record of it any more. To crawl again, delete this CrawlJob "
            "and apply it anew.",
        )
    if case.row is None:
        return _before(case, "Seeded")
    return Aspect("True", reasons.SEEDED, "The ledger has the job; nothing of it is open.")


def progressing(case: Case, *, wanted: int | None, trial: Trial) -> Aspect:
    """Whether work is being done."""
    match case.phase:
        case Phase.INVALID:
            return Aspect("False", reasons.INVALID_SPEC, "The spec is invalid; workers are left as they are.")
        case Phase.FINISHED:
            done = Aspect("False", reasons.COMPLETED, "All is done.")
            return _before(case, "Progressing") if case.is_unread else done
        case Phase.SUSPENDED:
            return Aspect("False", reasons.SUSPENDED, "spec.suspend is true.")
        case Phase.MOVING:
            return Aspect("False", reasons.BACKENDS_CHANGED, stalls.moving_message(case))
        case Phase.BLOCKED | Phase.OUT_OF_REACH if case.trouble is not None:
            status: Truth = "False" if case.trouble.permanent else "Unknown"
            return Aspect(status, case.trouble.reason, case.trouble.message)
        case Phase.NEW:
            return Aspect("Unknown", reasons.PENDING, "The job is being recorded in the ledger.")
        case Phase.MISCONFIGURED:
            # What the worker noted is about to be forgotten when another one is tried, but not that it is tried alone.
            return stalls.misconfigured_aspect(case)
        case Phase.FROZEN:
            return Aspect("False", reasons.FROZEN, _frozen_message(case))
        case _:
            return _tried(case) if trial.alone else _running(case, wanted=wanted)


def _tried(case: Case) -> Aspect:
    before = _before(case, "Progressing")
    return before if before.reason == reasons.MISCONFIGURED else stalls.misconfigured_aspect(case)


def _running(case: Case, *, wanted: int | None) -> Aspect:
    if wanted == 0:
        return Aspect("False", reasons.NO_WORKERS, "spec.workers.replicas is 0; write 1 or more to go on.")
    if not ready(case) and (unavailable := stalls.pods_aspect(case)) is not None:
        return unavailable
    verdict = _verdict(case)
    return Aspect(verdict.status, verdict.reason, _running_message(case, verdict.reason))


def _verdict(case: Case) -> Verdict:
    if case.row is None:
        raise ValueError(f"CrawlJob {case.seen.crawljob.key} runs, and the ledger has no row of it")
    return verdicts.progressing(
        case.row,
        case.progress,
        now=case.seen.now,
        ready=ready(case),
        limit_binds=chosen(case).limit_binds,
        window_s=limits_in_force(case).window_s,
        before=standing(case.old.conditions, "Progressing"),
    )


def _running_message(case: Case, reason: str) -> str:
    match reason:
        case reasons.WORKERS_STARTING:
            return "Workers are starting."
        case reasons.NO_PROGRESS:
            return stalls.silence_message(case)
        case reasons.CRAWLING | reasons.LIMIT_BINDS:
            return _crawling_message(case) + stalls.some_pods(case)
        case _:
            return stalls.noted_message(case)


def _crawling_message(case: Case) -> str:
    choice, limit = chosen(case), limit_text(limits_in_force(case))
    if case.job.spec.rate_limit.bucket == "Node" and not case.job.spec.rate_limit.bucket_name:
        return f"Workers crawl, with a limit of {limit} for each node."
    if choice.limit_binds:
        enough = "One worker is" if choice.replicas == 1 else f"{choice.replicas} workers are"
        return f"{enough} enough: the limit of {limit} binds, not the workers."
    field = "workers.replicas" if choice.by_user else "workers.max"
    more = f"More could use the limit of {limit}: see spec.{field} and spec.workers.concurrency."
    if not choice.by_user and choice.replicas < case.job.spec.workers.max:
        more = "There are no more open ranges to work on; a smaller spec.keyspace.rangeSize makes more of them."
    count = "One worker crawls" if choice.replicas == 1 else f"{choice.replicas} workers crawl"
    return f"{count}. {more}"


def limit_text(limits: BucketLimits) -> str:
    """A limit as people say it."""
    return f"{number(limits.requests)} requests in {duration(limits.window_s)}"


def _frozen_message(case: Case) -> str:
    until, key = frozen_until(case.seen), case.seen.crawljob.key
    return (
        f"The source asked for a pause until {instant_text(until) if until else 'later'}. To lift it anyway: kubectl "
        f'annotate -n {key.namespace} crawljob/{key.name} --overwrite artistcrawl.dev/unfreeze="$(date +%s)"'
    )


def rate_limited(case: Case) -> Aspect:
    """Whether the source told us to wait, or another CrawlJob's limit counts."""
    if case.phase is Phase.FINISHED:
        return Aspect("False", reasons.WITHIN_LIMIT, "Nothing is requested any more.")
    if case.phase in (Phase.INVALID, Phase.MOVING) or case.trouble is not None or case.row is None:
        return _before(case, "RateLimited")
    bucket = case.seen.bucket
    verdict = verdicts.rate_limited(
        case.job.spec,
        row=case.row,
        frozen=frozen_until(case.seen) is not None,
        in_force=None if bucket is None else bucket.row.limits,
    )
    return Aspect(verdict.status, verdict.reason, _limited_message(case, verdict.reason))


def _limited_message(case: Case, reason: str) -> str:
    bucket, own = case.seen.bucket, limits_of(case.job.spec)
    match reason:
        case reasons.QUOTA_EXCEEDED:
            return f"The account's quota is used up. {_frozen_message(case)}"
        case reasons.FROZEN_BY_API:
            return _frozen_message(case)
        case reasons.SHARED_BUCKET_STRICTER if bucket is not None:
            other = bucket.strictest_job or "another job"
            return (
                f"{limit_text(bucket.row.limits)} count instead of the job's own {limit_text(own)}: {other} shares "
                f"bucket {bucket.row.name}. Where the source counts this job apart, write a spec.rateLimit.bucketName "
                "of its own."
            )
        case _:
            return f"The job keeps to its own limit{'' if bucket is None else f', {limit_text(own)}'}."


def suspended(case: Case) -> Aspect:
    """Whether the crawl rests: no request is under way, and none begins."""
    if case.phase is Phase.INVALID:
        return _before(case, "Suspended")
    if case.phase is not Phase.SUSPENDED:
        why = "There is nothing left to suspend." if case.phase is Phase.FINISHED else "spec.suspend is false."
        return Aspect("False", reasons.NOT_SUSPENDED, why)
    if is_draining(case):
        return Aspect("False", reasons.DRAINING, "Workers finish the requests that are under way.")
    return Aspect("True", reasons.SUSPENDED, "No request is under way. Write spec.suspend: false to go on.")


def is_draining(case: Case) -> bool:
    """Whether workers may have requests under way. A pod that ends is not counted as ready, but has its leases."""
    deployment, frontier = case.seen.deployment, case.seen.frontier
    leased = 0 if frontier is None else frontier.leased - frontier.overdue
    # Where the backends moved, the former leases cannot be seen; what is left of the Deployment can.
    some = deployment is not None and (deployment.replicas > 0 or deployment.ready > 0 or is_moving(case.seen))
    return leased > 0 or some


def deadline_exceeded(case: Case, *, estimated: datetime | None) -> Aspect | None:
    """Whether the deadline passed before the end; None where there is none."""
    if case.phase is Phase.INVALID:
        return aspect(case.old.conditions, "DeadlineExceeded")
    deadline = case.job.spec.deadline
    if deadline is None:
        return None
    started = started_at(case)
    if started is None:
        return Aspect("Unknown", reasons.PENDING, "The job has not started.")
    length = timedelta(seconds=deadline.seconds)
    try:
        due = started + length
    except OverflowError:
        return Aspect("False", reasons.ON_TRACK, "The deadline is beyond any calendar.")
    ended = case.finished_at or case.seen.now
    if ended > due:
        message = (
            f"The deadline was {instant_text(due)}. Nothing is ended by it; write a longer spec.deadline, or none."
        )
        return Aspect("True", reasons.DEADLINE_EXCEEDED, message)
    if case.finished_at is not None:
        return Aspect("False", reasons.MET, f"Done before the deadline, {instant_text(due)}.")
    return _likely(case, due=due, margin=length * _LIKELY, estimated=estimated)


def _likely(case: Case, *, due: datetime, margin: timedelta, estimated: datetime | None) -> Aspect:
    before = aspect(case.old.conditions, "DeadlineExceeded")
    late = before is not None and before.reason == reasons.LIKELY_EXCEEDED
    if estimated is not None:
        late = estimated - due > (-margin if late else margin)
    if late:
        message = f"As it goes now, the end comes after the deadline, {instant_text(due)}."
        return Aspect("False", reasons.LIKELY_EXCEEDED, message)
    return Aspect("False", reasons.ON_TRACK, f"The deadline is {instant_text(due)}.")


def started_at(case: Case) -> datetime | None:
    """When the ledger recorded the job."""
    return case.row.started_at if case.row is not None else instant_of(case.old.start_time)


def succeeded(case: Case) -> Aspect:
    """The summary: True when all is covered."""
    before = _before(case, "Succeeded")
    if case.phase is Phase.FINISHED:
        return _done(case) or before
    if case.finished_at is None and before.status in ("True", "False"):
        return before if before.reason == reasons.REOPENED else _reopened(case)
    return Aspect("Unknown", reasons.IN_PROGRESS, "The keyspace is not covered yet.")


def _reopened(case: Case) -> Aspect:
    handled, progress = case.old.handled, case.progress
    asked = handled is not None and handled.retry_dead_letters is not None
    why = "the ledger has ranges of it that are open"
    if asked and progress is not None and progress.dead_letters:
        why = "dead letters are searched again"
    return Aspect("False", reasons.REOPENED, f"It was done, and goes on: {why}.")


def _done(case: Case) -> Aspect | None:
    progress, key = case.progress, case.seen.crawljob.key
    if progress is None:
        if case.row is None or _before(case, "Succeeded").status == "True":
            return None
        return Aspect("Unknown", reasons.PENDING, "The job is done; its counts could not be read yet.")
    if not progress.dead_letters:
        return Aspect("True", reasons.COMPLETED, "Every string of the keyspace is covered.")
    return Aspect(
        "True",
        reasons.COMPLETED_WITH_DEAD_LETTERS,
        "Every string is covered or given up. To search those again: kubectl annotate "
        f'-n {key.namespace} crawljob/{key.name} --overwrite artistcrawl.dev/retry-dead-letters="$(date +%s)"',
    )
