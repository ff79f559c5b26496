"""What each condition of a CrawlJob says: whether it holds, why, and what a person could do. Pure.

A message names nothing that changes from round to round. Numbers stand in the status' fields, so that the status of a
CrawlJob at rest is not written again and again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from crawl_core.job import verdicts
from crawl_core.job.deadline import due_at
from crawl_core.job.runs import waiting
from crawl_core.job.shared_limit import limit_text, limited_message, stricter
from crawl_core.job.verdicts import Truth, Verdict
from crawl_core.values.capacity import limits_of
from crawl_operator.decide import stalls
from crawl_operator.decide.condition_records import ConditionValue, condition_value, standing
from crawl_operator.decide.misconfiguration import MisconfigurationRetry
from crawl_operator.decide.phase import Phase, PhasedCrawl, frozen_until, is_draining
from crawl_operator.decide.workers import chosen, limits_in_force, ready
from crawl_operator.values import reasons
from crawl_operator.values.instants import instant_text

_LIKELY = 0.02
"""Share of a deadline by which an estimate must pass it, or keep it again, before that is said: estimates waver."""

_NOT_LOOKED_AT = ConditionValue("Unknown", reasons.PENDING, "Not looked at yet.")


def condition_values(
    crawl: PhasedCrawl, *, wanted: int | None, retry: MisconfigurationRetry, estimated: datetime | None
) -> dict[str, ConditionValue]:
    """Every condition; DeadlineExceeded only where there is a deadline."""
    values: dict[str, ConditionValue] = {
        "Seeded": seeded(crawl),
        "Progressing": progressing(crawl, wanted=wanted, retry=retry),
        "RateLimited": rate_limited(crawl),
        "Suspended": suspended(crawl),
    }
    deadline = deadline_exceeded(crawl, estimated=estimated)
    if deadline is not None:
        values["DeadlineExceeded"] = deadline
    values["Succeeded"] = succeeded(crawl)
    return values


def _before(crawl: PhasedCrawl, kind: str) -> ConditionValue:
    return condition_value(crawl.stored.conditions, kind) or _NOT_LOOKED_AT


def seeded(crawl: PhasedCrawl) -> ConditionValue:
    """Whether the ledger has the job and Redis what is open of it."""
    if crawl.phase is Phase.INVALID:
        return ConditionValue("False", reasons.INVALID_SPEC, crawl.observation.crawljob.invalid)
    if crawl.phase is Phase.FINISHED:
        return _seeded_once(crawl)
    if crawl.phase is Phase.MOVING:
        return ConditionValue("False", reasons.BACKENDS_CHANGED, stalls.moving_message(crawl))
    trouble, before = crawl.trouble, _before(crawl, "Seeded")
    if trouble is not None and trouble.permanent:
        return ConditionValue("False", trouble.reason, trouble.message)
    if trouble is not None:
        stands = before.status == "True" and not crawl.is_later_run
        return before if stands else ConditionValue("Unknown", trouble.reason, trouble.message)
    frontier = crawl.observation.frontier
    if crawl.row is None or crawl.row.uid != crawl.observation.crawljob.uid:
        return ConditionValue("Unknown", reasons.PENDING, "The job is being recorded in the ledger.")
    if frontier is None:
        return before
    new = crawl.is_later_run or before.status != "True"
    if frontier.known and not (new and crawl.observation.open_missing):
        return ConditionValue(
            "True", reasons.SEEDED, "The ledger has the job and all its ranges; Redis has those that are open."
        )
    if not crawl.is_later_run and (before.status == "True" or before.reason == reasons.FRONTIER_LOST):
        message = "Redis lost the job's open ranges; they are seeded again from the ledger. Nothing else was lost."
        return ConditionValue("False", reasons.FRONTIER_LOST, message)
    return ConditionValue("Unknown", reasons.PENDING, "The open ranges are being written to Redis.")


def _seeded_once(crawl: PhasedCrawl) -> ConditionValue:
    if crawl.row is None and crawl.trouble is None:
        return ConditionValue(
            "False",
            reasons.RECORD_MISSING,
            "The job is finished, and the ledger has no record of it any more. To crawl again: kubectl crawl again "
            f"-n {crawl.key.namespace} {crawl.key.name}",
        )
    if crawl.row is None:
        return _before(crawl, "Seeded")
    return ConditionValue("True", reasons.SEEDED, "The ledger has the job; nothing of it is open.")


def progressing(crawl: PhasedCrawl, *, wanted: int | None, retry: MisconfigurationRetry) -> ConditionValue:
    """Whether work is being done."""
    match crawl.phase:
        case Phase.INVALID:
            return ConditionValue("False", reasons.INVALID_SPEC, "The spec is invalid; workers are left as they are.")
        case Phase.FINISHED:
            done = ConditionValue("False", reasons.COMPLETED, "All is done.")
            return _before(crawl, "Progressing") if crawl.is_unread else done
        case Phase.SUSPENDED:
            return ConditionValue("False", _suspension(crawl), _why_suspended(crawl))
        case Phase.MOVING:
            return ConditionValue("False", reasons.BACKENDS_CHANGED, stalls.moving_message(crawl))
        case Phase.BLOCKED | Phase.OUT_OF_REACH if crawl.trouble is not None:
            status: Truth = "False" if crawl.trouble.permanent else "Unknown"
            return ConditionValue(status, crawl.trouble.reason, crawl.trouble.message)
        case Phase.NEW:
            return ConditionValue("Unknown", reasons.PENDING, "The job is being recorded in the ledger.")
        case Phase.MISCONFIGURED:
            # What the worker noted is about to be forgotten when another one is tried, but not that it is tried alone.
            return stalls.misconfigured_condition(crawl)
        case Phase.FROZEN:
            return ConditionValue("False", reasons.FROZEN, _frozen_message(crawl))
        case _:
            return _tried(crawl) if retry.single_worker else _running(crawl, wanted=wanted)


def _tried(crawl: PhasedCrawl) -> ConditionValue:
    before = _before(crawl, "Progressing")
    return before if before.reason == reasons.MISCONFIGURED else stalls.misconfigured_condition(crawl)


def _running(crawl: PhasedCrawl, *, wanted: int | None) -> ConditionValue:
    if wanted == 0:
        return ConditionValue("False", reasons.NO_WORKERS, "spec.workers.replicas is 0; write 1 or more to go on.")
    if not ready(crawl) and (unavailable := stalls.pods_condition(crawl)) is not None:
        return unavailable
    verdict = _verdict(crawl)
    return ConditionValue(verdict.status, verdict.reason, _running_message(crawl, verdict.reason))


def _verdict(crawl: PhasedCrawl) -> Verdict:
    if crawl.row is None:
        raise ValueError(f"CrawlJob {crawl.key} runs, and the ledger has no row of it")
    return verdicts.progressing(
        crawl.row,
        crawl.progress,
        now=crawl.now,
        ready=ready(crawl),
        limit_binds=chosen(crawl).limit_binds,
        window_s=limits_in_force(crawl).window_s,
        before=standing(crawl.stored.conditions, "Progressing"),
    )


def _running_message(crawl: PhasedCrawl, reason: str) -> str:
    match reason:
        case reasons.WORKERS_STARTING:
            return "Workers are starting."
        case reasons.NO_PROGRESS:
            return stalls.silence_message(crawl)
        case reasons.CRAWLING | reasons.LIMIT_BINDS:
            return _crawling_message(crawl) + stalls.some_pods(crawl) + stalls.hint(crawl)
        case _:
            return stalls.noted_message(crawl)


def _crawling_message(crawl: PhasedCrawl) -> str:
    choice, limit = chosen(crawl), limit_text(limits_in_force(crawl))
    if crawl.job.spec.rate_limit.bucket == "Node" and not crawl.job.spec.rate_limit.bucket_name:
        return f"Workers crawl, with a limit of {limit} for each node."
    if choice.limit_binds:
        enough = "One worker is" if choice.replicas == 1 else f"{choice.replicas} workers are"
        return f"{enough} enough: the limit of {limit} binds, not the workers."
    field = "workers.replicas" if choice.by_user else "workers.max"
    more = f"More could use the limit of {limit}: see spec.{field} and spec.workers.concurrency."
    if not choice.by_user and choice.replicas < crawl.job.spec.workers.max:
        more = "There are no more open ranges to work on; a smaller spec.keyspace.rangeSize makes more in the next run."
    count = "One worker crawls" if choice.replicas == 1 else f"{choice.replicas} workers crawl"
    return f"{count}. {more}"


def _frozen_message(crawl: PhasedCrawl) -> str:
    until, key = frozen_until(crawl.observation), crawl.key
    return (
        f"The source asked for a pause until {instant_text(until) if until else 'later'}. To lift it anyway: kubectl "
        f'annotate -n {key.namespace} crawljob/{key.name} --overwrite artistcrawl.dev/unfreeze="$(date +%s)"'
    )


def rate_limited(crawl: PhasedCrawl) -> ConditionValue:
    """Whether the source told us to wait, or another CrawlJob's limit counts."""
    if crawl.phase is Phase.FINISHED:
        return ConditionValue("False", reasons.WITHIN_LIMIT, "Nothing is requested any more.")
    if crawl.phase in (Phase.INVALID, Phase.MOVING) or crawl.trouble is not None or crawl.row is None:
        return _before(crawl, "RateLimited")
    bucket = crawl.observation.bucket
    verdict = verdicts.rate_limited(
        crawl.job.spec,
        row=crawl.row,
        frozen=frozen_until(crawl.observation) is not None,
        in_force=None if bucket is None else bucket.row.limits,
    )
    return ConditionValue(verdict.status, verdict.reason, _limited_message(crawl, verdict.reason))


def _limited_message(crawl: PhasedCrawl, reason: str) -> str:
    bucket, own = crawl.observation.bucket, limits_of(crawl.job.spec)
    match reason:
        case reasons.QUOTA_EXCEEDED:
            return f"The account's quota is used up. {_frozen_message(crawl)}"
        case reasons.FROZEN_BY_API:
            return _frozen_message(crawl)
        case reasons.SHARED_BUCKET_STRICTER if bucket is not None:
            why = limited_message(own, bucket.row.limits, bucket.binders, bucket=bucket.row.name)
            return f"{why} Where the source counts this job apart, write a spec.rateLimit.bucketName of its own."
        case _:
            return f"The job keeps to its own limit{'' if bucket is None else f', {limit_text(own)}'}."


def limited_by(crawl: PhasedCrawl, rate_limited: ConditionValue) -> str | None:
    """NAMESPACE/NAME of the job whose limit counts instead of this one's own, as the condition says."""
    if rate_limited.reason != reasons.SHARED_BUCKET_STRICTER:
        return None
    bucket = crawl.observation.bucket
    others = () if bucket is None else stricter(limits_of(crawl.job.spec), bucket.binders)
    return others[0].name if others else crawl.stored.limited_by


def suspended(crawl: PhasedCrawl) -> ConditionValue:
    """Whether the crawl rests: no request is under way, and none begins."""
    if crawl.phase is Phase.INVALID:
        return _before(crawl, "Suspended")
    if crawl.phase is not Phase.SUSPENDED:
        why = "There is nothing left to suspend." if crawl.phase is Phase.FINISHED else "spec.suspend is false."
        return ConditionValue("False", reasons.NOT_SUSPENDED, why)
    if is_draining(crawl):
        return ConditionValue("False", reasons.DRAINING, "Workers finish the requests that are under way.")
    message = f"{_why_suspended(crawl)} No request is under way. To go on, {_to_go_on(crawl)}."
    return ConditionValue("True", _suspension(crawl), message)


def _suspension(crawl: PhasedCrawl) -> str:
    return reasons.SUSPENDED if crawl.job.spec.suspend else reasons.DEADLINE_PASSED


def _why_suspended(crawl: PhasedCrawl) -> str:
    if crawl.job.spec.suspend:
        return "spec.suspend is true."
    return f"The deadline has passed ({_instants(crawl)}), and spec.deadlinePolicy is Suspend."


def _to_go_on(crawl: PhasedCrawl) -> str:
    raised = "raise spec.deadline, or write spec.deadlinePolicy: Alert"
    if not crawl.job.spec.suspend:
        return raised
    return f"write spec.suspend: false, and {raised}" if crawl.is_past_deadline else "write spec.suspend: false"


def _instants(crawl: PhasedCrawl) -> str:
    return f"{crawl.job.spec.deadline} from {instant_text(crawl.started_at)}" if crawl.started_at else ""


def deadline_exceeded(crawl: PhasedCrawl, *, estimated: datetime | None) -> ConditionValue | None:
    """Whether the deadline passed before the end; None where there is none."""
    if crawl.phase is Phase.INVALID:
        return condition_value(crawl.stored.conditions, "DeadlineExceeded")
    length = crawl.job.spec.deadline
    if length is None:
        return None
    if crawl.started_at is None:
        return ConditionValue("Unknown", reasons.PENDING, "The job has not started.")
    due = due_at(crawl.job.spec, crawl.started_at)
    if due is None:
        return ConditionValue("False", reasons.ON_TRACK, "The deadline is beyond any calendar.")
    ended = crawl.finished_at or crawl.now
    if ended > due:
        suspends = crawl.phase is Phase.SUSPENDED and crawl.is_past_deadline
        does = "It suspends the crawl" if suspends else "Nothing is ended by it"
        message = f"The deadline was {instant_text(due)}. {does}; write a longer spec.deadline, or none."
        return ConditionValue("True", reasons.DEADLINE_EXCEEDED, message)
    if crawl.finished_at is not None:
        return ConditionValue("False", reasons.MET, f"Done before the deadline, {instant_text(due)}.")
    return _likely(crawl, due=due, margin=timedelta(seconds=length.seconds) * _LIKELY, estimated=estimated)


def _likely(crawl: PhasedCrawl, *, due: datetime, margin: timedelta, estimated: datetime | None) -> ConditionValue:
    before = condition_value(crawl.stored.conditions, "DeadlineExceeded")
    late = before is not None and before.reason == reasons.LIKELY_EXCEEDED
    if estimated is not None:
        late = estimated - due > (-margin if late else margin)
    if late:
        message = f"As it goes now, the end comes after the deadline, {instant_text(due)}."
        return ConditionValue("False", reasons.LIKELY_EXCEEDED, message)
    return ConditionValue("False", reasons.ON_TRACK, f"The deadline is {instant_text(due)}.")


def succeeded(crawl: PhasedCrawl) -> ConditionValue:
    """The summary: True when all is covered."""
    before = _before(crawl, "Succeeded")
    if crawl.phase is Phase.FINISHED:
        return _done(crawl) or before
    if crawl.finished_at is None and before.status in ("True", "False") and not crawl.is_later_run:
        return before if before.reason == reasons.REOPENED else _reopened(crawl)
    wanted = None if crawl.phase is Phase.INVALID else crawl.job.spec.run
    later = waiting(wanted, current=crawl.current_run) if crawl.row is not None else ""
    return ConditionValue("Unknown", reasons.IN_PROGRESS, f"The keyspace is not covered yet. {later}".rstrip())


def _reopened(crawl: PhasedCrawl) -> ConditionValue:
    handled, progress = crawl.stored.handled, crawl.progress
    replay_asked = handled is not None and handled.retry_dead_letters is not None
    why = "the ledger has ranges of it that are open"
    if replay_asked and progress is not None and progress.dead_letters:
        why = "dead letters are searched again"
    return ConditionValue("False", reasons.REOPENED, f"It was done, and goes on: {why}.")


def _done(crawl: PhasedCrawl) -> ConditionValue | None:
    progress, key = crawl.progress, crawl.key
    if progress is None:
        if crawl.row is None or _before(crawl, "Succeeded").status == "True":
            return None
        return ConditionValue("Unknown", reasons.PENDING, "The job is done; its counts could not be read yet.")
    if not progress.dead_letters:
        return ConditionValue("True", reasons.COMPLETED, "Every string of the keyspace is covered.")
    return ConditionValue(
        "True",
        reasons.COMPLETED_WITH_DEAD_LETTERS,
        "Every string is covered or given up. To search those again: kubectl annotate "
        f'-n {key.namespace} crawljob/{key.name} --overwrite artistcrawl.dev/retry-dead-letters="$(date +%s)"',
    )
