"""Every condition of a CrawlJob, every reason that it can have, what that means and what to do. The one list of them.

docs/crawljob.md is made from it, and a test compares it with what the rules in `decide` write. A CrawlJob that the
operator leaves alone, or whose backend does not answer, keeps what its conditions said before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from crawl_core.spec.status import ConditionType
from crawl_operator.values import reasons

Truth = Literal["True", "False", "Unknown"]

CONDITIONS: Mapping[ConditionType, str] = {
    "Seeded": "the ledger has the job and all its ranges, and Redis has those that are open",
    "Progressing": "work is being done",
    "RateLimited": "the source told us to pause, until `status.frozenUntil`",
    "Suspended": "no request is under way, and none begins",
    "DeadlineExceeded": "`spec.deadline` has passed. Only there with a deadline",
    "Succeeded": "every string is covered or given up: the summary",
}
"""What True means."""


@dataclass(frozen=True, slots=True)
class Reason:
    """What some conditions may say. `to_do`: empty where nobody has to do anything."""

    conditions: tuple[ConditionType, ...]
    status: Truth
    reason: str
    means: str
    to_do: str = ""


_BOTH: tuple[ConditionType, ...] = ("Seeded", "Progressing")
_MESSAGE = "run the command in the message"
_ANSWERS = "nothing where it answers again; else see that the server runs at the address in the Secret"
_LOGS = "see the message, and the workers' logs: `kubectl crawl logs NAME`"
_WAIT = "wait; `kubectl crawl unfreeze NAME` only where you know that the pause is over"

REASONS: tuple[Reason, ...] = (
    Reason(("Seeded",), "True", reasons.SEEDED, "as the condition says"),
    Reason(
        (*_BOTH, "RateLimited", "Suspended", "DeadlineExceeded", "Succeeded"),
        "Unknown",
        reasons.PENDING,
        "not looked at yet, being recorded, or not started",
    ),
    Reason(("Seeded",), "False", reasons.FRONTIER_LOST, "Redis lost what was open; it is seeded again from the ledger"),
    Reason(
        ("Seeded",),
        "False",
        reasons.RECORD_MISSING,
        "it is finished, and the ledger has no record of it any more",
        "to crawl again, `kubectl crawl again NAME`",
    ),
    Reason(("Progressing",), "True", reasons.CRAWLING, "requests are sent, and more workers could send more"),
    Reason(("Progressing",), "True", reasons.LIMIT_BINDS, "as fast as the rate limit allows"),
    Reason(("Progressing",), "False", reasons.WORKERS_STARTING, "no worker is up yet"),
    Reason(
        ("Progressing",),
        "False",
        reasons.WORKERS_UNAVAILABLE,
        "no worker is up, and Kubernetes says why",
        "see the message: an image, a quota, room on the nodes",
    ),
    Reason(("Progressing",), "False", reasons.NO_WORKERS, "`spec.workers.replicas` is 0", "write 1 or more"),
    Reason(
        ("Progressing",), "False", reasons.NO_PROGRESS, "workers are up, and nothing was committed for minutes", _LOGS
    ),
    Reason(("Progressing",), "False", reasons.FROZEN, "the source asked for a pause", _WAIT),
    Reason(("Progressing",), "False", reasons.SUSPENDED, "`spec.suspend` is true", "`kubectl crawl resume NAME`"),
    Reason(
        ("Progressing",),
        "False",
        reasons.DEADLINE_PASSED,
        "the deadline has passed, and `spec.deadlinePolicy` is Suspend",
        "raise `spec.deadline`, or write `deadlinePolicy: Alert`",
    ),
    Reason(("Progressing",), "False", reasons.COMPLETED, "all is done"),
    Reason(
        ("Progressing",), "Unknown", reasons.PAUSED, "the annotation `artistcrawl.dev/paused` stands", "take it off"
    ),
    Reason(
        ("Progressing",),
        "False",
        reasons.MISCONFIGURED,
        "a worker met what only a person can change. There are none until a Secret or the spec changes; one is tried "
        "every 10 minutes",
        "correct what the message names",
    ),
    Reason(
        ("Progressing",),
        "False",
        reasons.UNAUTHORIZED,
        "the source refuses fresh tokens",
        "see the Secret of `source.credentialsSecretRef`",
    ),
    Reason(
        ("Progressing",),
        "False",
        reasons.TOKEN_UNAVAILABLE,
        "the token endpoint fails, or denies credentials that worked before",
        "see `source.tokenURL` and the credentials; workers go on trying",
    ),
    Reason(
        ("Progressing",),
        "False",
        reasons.REQUEST_REJECTED,
        "the source rejects requests as such",
        "compare `source.queryTemplate`, the market and the app's rights with the API's documentation",
    ),
    Reason(
        ("Progressing",),
        "False",
        reasons.SOURCE_UNREACHABLE,
        "no connection to the source, or no whole answer, for a minute",
        "see `source.baseURL`, network policies and `source.proxy`; workers go on trying",
    ),
    Reason(
        ("Progressing",),
        "False",
        reasons.SOURCE_FAILING,
        "the source answers with errors, or with what is no page, for a minute",
        "nothing where it passes; workers go on trying",
    ),
    Reason(
        _BOTH,
        "False",
        reasons.INVALID_SPEC,
        "the spec breaks a rule that only the operator can check",
        "write what the message says",
    ),
    Reason(
        _BOTH,
        "False",
        reasons.NAME_TAKEN,
        "the ledger has a job of this name that crawls something else",
        "write another `metadata.name`, the recorded values, or `source.dataset`, as the message says",
    ),
    Reason(
        _BOTH,
        "False",
        reasons.NAME_CONFLICT,
        "a Deployment of the workers' name is somebody else's",
        "delete or rename it, or name the CrawlJob otherwise",
    ),
    Reason(
        _BOTH,
        "False",
        reasons.SANDBOX_MISSING,
        "the source is the sandbox, and there is none in this cluster",
        "install one, or write `source.baseURL`",
    ),
    Reason(
        _BOTH,
        "False",
        reasons.BACKENDS_CHANGED,
        "the Secret names other servers; workers of the former ones end first",
    ),
    Reason(_BOTH, "False", reasons.BACKENDS_SECRET_MISSING, "there is no Secret of that name", _MESSAGE),
    Reason(_BOTH, "False", reasons.BACKENDS_SECRET_INCOMPLETE, "the Secret lacks a key, or has blanks in it", _MESSAGE),
    Reason(_BOTH, "False", reasons.CREDENTIALS_SECRET_MISSING, "there is no Secret of that name", _MESSAGE),
    Reason(
        _BOTH, "False", reasons.CREDENTIALS_SECRET_INCOMPLETE, "the Secret lacks a key, or has blanks in it", _MESSAGE
    ),
    Reason(
        _BOTH,
        "False",
        reasons.FORBIDDEN,
        "the operator may not do here what it must",
        "give it the right that the message names: a namespace that it serves",
    ),
    Reason(
        _BOTH,
        "False",
        reasons.VERSION_MISMATCH,
        "another version has written to the ledger or to Redis",
        "bring operator and workers to one release, as the message says",
    ),
    Reason(
        _BOTH,
        "False",
        reasons.LEDGER_MISCONFIGURED,
        "PostgreSQL refuses what the Secret says",
        "correct postgres-url in the Secret",
    ),
    Reason(
        _BOTH,
        "False",
        reasons.REDIS_MISCONFIGURED,
        "Redis refuses what the Secret says",
        "correct redis-url in the Secret",
    ),
    Reason(_BOTH, "Unknown", reasons.LEDGER_UNAVAILABLE, "PostgreSQL does not answer; nothing is changed", _ANSWERS),
    Reason(_BOTH, "Unknown", reasons.REDIS_UNAVAILABLE, "Redis does not answer; nothing is changed", _ANSWERS),
    Reason(("RateLimited",), "True", reasons.FROZEN_BY_API, "the source answered 429", _WAIT),
    Reason(("RateLimited",), "True", reasons.QUOTA_EXCEEDED, "the 429 spoke of the account's quota", _WAIT),
    Reason(("RateLimited",), "False", reasons.WITHIN_LIMIT, "the job's own limit counts"),
    Reason(
        ("RateLimited",),
        "False",
        reasons.SHARED_BUCKET_STRICTER,
        "another CrawlJob on the bucket has a stricter limit, which counts for all: `status.limitedBy`",
        "a `spec.rateLimit.bucketName` of its own, where the source counts this job apart",
    ),
    Reason(("Suspended",), "True", reasons.SUSPENDED, "`spec.suspend` is true", "`kubectl crawl resume NAME`"),
    Reason(
        ("Suspended",),
        "True",
        reasons.DEADLINE_PASSED,
        "the deadline has passed, and `spec.deadlinePolicy` is Suspend",
        "raise `spec.deadline`, or write `deadlinePolicy: Alert`",
    ),
    Reason(("Suspended",), "False", reasons.DRAINING, "workers finish the requests that are under way"),
    Reason(("Suspended",), "False", reasons.NOT_SUSPENDED, "as the condition says"),
    Reason(
        ("DeadlineExceeded",),
        "True",
        reasons.DEADLINE_EXCEEDED,
        "the deadline passed before the end",
        "a longer `spec.deadline`, or none",
    ),
    Reason(("DeadlineExceeded",), "False", reasons.ON_TRACK, "the deadline is still to come"),
    Reason(
        ("DeadlineExceeded",),
        "False",
        reasons.LIKELY_EXCEEDED,
        "as it goes now, the end comes after it",
        "a higher limit, a smaller keyspace, or a longer deadline",
    ),
    Reason(("DeadlineExceeded",), "False", reasons.MET, "it was done before"),
    Reason(("Succeeded",), "True", reasons.COMPLETED, "every string of the keyspace is covered"),
    Reason(
        ("Succeeded",),
        "True",
        reasons.COMPLETED_WITH_DEAD_LETTERS,
        "some strings were given up",
        "`kubectl crawl retry-dead-letters NAME`",
    ),
    Reason(("Succeeded",), "Unknown", reasons.IN_PROGRESS, "the keyspace is not covered yet"),
    Reason(("Succeeded",), "False", reasons.REOPENED, "it was done, and the ledger has something open again"),
)
