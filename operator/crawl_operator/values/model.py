"""What is observed of one CrawlJob, and what is to be done about it: plain values between observe, plan and act.

    observe -> Observation -> plan -> Plan -> act -> Feedback -> observe

They have no behaviour. Times are aware datetimes in UTC; a missing part is None, with the reason beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from crawl_core.job.views import BucketStatus, FrontierView
from crawl_core.spec import CrawlJob
from crawl_core.spec.status import Status
from crawl_core.values.jobs import JobRow
from crawl_core.values.progress import Progress
from crawl_core.values.runs import RunRow


@dataclass(frozen=True, slots=True)
class Key:
    """A CrawlJob's name in the cluster."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


# --- What is seen -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CrawlJobView:
    """The CrawlJob as the API server has it."""

    key: Key
    uid: str
    resource_version: str
    generation: int
    created_at: datetime
    annotations: Mapping[str, str]
    labels: Mapping[str, str]
    finalizers: tuple[str, ...]
    deleted_at: datetime | None
    status: Mapping[str, Any]
    """As it was written last; {} before."""
    job: CrawlJob | None
    """None where the spec is invalid: a CRD of another version, or none of its rules, let it in."""
    invalid: str = ""
    """Why, then: what to write instead."""


@dataclass(frozen=True, slots=True)
class DeploymentView:
    """The workers' Deployment."""

    uid: str
    resource_version: str
    owner_uid: str
    """Of the CrawlJob that it belongs to: an earlier one of the same name is not this one."""
    template: str
    """Its annotation ANNOTATION_TEMPLATE; empty where somebody removed it."""
    replicas: int
    ready: int
    image: str
    """Of its workers, as recorded."""
    deleting: bool
    observed: bool
    """Whether the Deployment controller has seen its newest generation."""
    failure: str = ""
    """Why pods cannot be made at all, such as a quota; empty where they can."""
    backends: str = ""
    """Its annotation ANNOTATION_BACKENDS; empty where an operator made it that wrote none."""
    labelled: bool = True
    """Whether it has the labels that the watch selects; False: it was found by its name alone."""
    created_at: datetime | None = None
    pods: int = 0
    """Pods that exist, ready or not."""


@dataclass(frozen=True, slots=True)
class PodTrouble:
    """Why a worker's pod is not ready, as Kubernetes says it: `reason` such as ImagePullBackOff, Unschedulable."""

    pod: str
    reason: str
    message: str
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that keeps the operator from looking further: one CamelCase reason, and what to do in plain words."""

    reason: str
    message: str
    permanent: bool
    """Whether a person must act; False: it may pass (a backend out of reach)."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What the operator remembers of a job between two rounds; lost with the process, and nothing depends on it."""

    seeded_at: datetime | None = None
    """When the frontier was last seeded with force."""
    covered_per_s: float | None = None
    """Strings covered a second, over the last minutes' rounds."""


@dataclass(slots=True)
class Feedback:
    """What acting learnt that no look shows. The round hands it to the observer, for the looks that follow.

    Filled in as the actions are taken: what a round learnt before its time limit cut it off counts as well.
    """

    seeded: bool = False
    """The frontier was seeded with force."""
    hidden: bool = False
    """A Deployment of the workers' name exists, though the watch did not bring it."""
    refused: PodTrouble | None = None
    """Why the API server refused what the workers need."""
    accepted: bool = False
    """It took what the workers need, so that an earlier refusal is over."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One look at all that matters for a CrawlJob."""

    now: datetime
    crawljob: CrawlJobView
    deployment: DeploymentView | None
    pods: tuple[PodTrouble, ...] = ()
    """Of the workers' pods that are not ready; looked for only where the Deployment lacks ready ones."""

    secrets: str = ""
    """The resourceVersions of the Secrets that the spec names: another text means that one of them changed."""
    backends: str = ""
    """A digest of where ledger and Redis are by now; empty where that is not known."""
    client_id: str = ""
    """Of the credentials; the sandbox's stand-in where none are named. The secret itself is not read."""

    trouble: Trouble | None = None
    """What kept us from reading ledger or Redis; the fields below are then what could be read."""
    row: JobRow | None = None
    """The living job of this name in the ledger, whatever its uid and spec."""
    progress: Progress | None = None
    ended_runs: tuple[RunRow, ...] | None = None
    """The last ones of the job that have ended, the latest first; None: not read."""
    open_missing: bool = False
    """Whether the ledger has more open ranges than the frontier has pending and leased."""
    frontier: FrontierView | None = None
    bucket: BucketStatus | None = None
    """None before there is one, and with rateLimit.bucket Node."""
    latency_s: float | None = None
    """Mean seconds of a request, of the last ones in the request log; None where none are known."""
    memory: Memory = Memory()


# --- What is to be done -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RecordJob:
    """Record the job and its ranges in the ledger, or bring its row up to this spec, uid and bucket."""


@dataclass(frozen=True, slots=True)
class SeedFrontier:
    """Add the ranges that the frontier lacks. Forced: even where the counts agree."""

    force: bool


@dataclass(frozen=True, slots=True)
class SettleJob:
    """Declare the job finished if one statement on the ledger finds it so."""


@dataclass(frozen=True, slots=True)
class ReleaseJob:
    """Let the limits of a job whose workers have ended bind nobody any more, if nobody holds a range of it."""


@dataclass(frozen=True, slots=True)
class BeginRun:
    """Begin the job's run of this number, if the current one has ended and has a smaller one."""

    job_id: int
    number: int


@dataclass(frozen=True, slots=True)
class DeleteRun:
    """Have the rows of an earlier run of the job deleted; a reaper does it."""

    job_id: int
    number: int


@dataclass(frozen=True, slots=True)
class CreateDeployment:
    """Make the workers' Deployment. One of that name that exists is a conflict, not a success."""

    manifest: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ApplyDeployment:
    """Replace the workers' template, one pod at a time: server-side apply at the observed resourceVersion."""

    manifest: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ScaleDeployment:
    """Set how many workers there are, at the observed resourceVersion; nothing else changes."""

    replicas: int


@dataclass(frozen=True, slots=True)
class AdoptDeployment:
    """Put the labels and the annotation back on a Deployment of ours that lacks them. Its pods stay as they are."""

    replicas: int
    backends: str


@dataclass(frozen=True, slots=True)
class DeleteDeployment:
    """Delete the Deployment of this uid and, after it, its pods."""

    uid: str


@dataclass(frozen=True, slots=True)
class SetFinalizers:
    """Write the CrawlJob's finalizers, at the observed resourceVersion."""

    finalizers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MarkDeleted:
    """Give the job's name in the ledger free; a reaper deletes its rows."""

    job_id: int


@dataclass(frozen=True, slots=True)
class ReplayDeadLetters:
    """Search the strings again that were given up, or those that ended with fewer results than their total said."""

    job_id: int
    incomplete: bool = False


@dataclass(frozen=True, slots=True)
class Unfreeze:
    """Lift the bucket's freeze, in Redis and in the ledger."""

    bucket: str


@dataclass(frozen=True, slots=True)
class ClearProblem:
    """Forget what a worker noted, since one is tried again."""

    job_id: int


@dataclass(frozen=True, slots=True)
class DeleteCrawlJob:
    """Delete the CrawlJob itself: its time after finishing is over. At the observed uid and resourceVersion."""


Action = (
    RecordJob
    | SeedFrontier
    | SettleJob
    | ReleaseJob
    | BeginRun
    | DeleteRun
    | CreateDeployment
    | ApplyDeployment
    | ScaleDeployment
    | AdoptDeployment
    | DeleteDeployment
    | SetFinalizers
    | MarkDeleted
    | ReplayDeadLetters
    | Unfreeze
    | ClearProblem
    | DeleteCrawlJob
)


@dataclass(frozen=True, slots=True)
class Event:
    """An Event on the CrawlJob: once a transition, with a stable reason."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now, in this order; then what to write; then when to look again."""

    actions: tuple[Action, ...] = ()
    """An action that fails ends this round's actions; the status and its Events are written all the same."""
    status: Status | None = None
    """None: leave it as it is (the CrawlJob is going, or paused)."""
    events: tuple[Event, ...] = ()
    """What the status tells anew."""
    events_when_done: tuple[Event, ...] = ()
    """What the actions did; written only when all of them succeeded."""
    requeue_after_s: float | None = None
    """Seconds until the next look; 0: at once, since an action changes what is seen; None: when something changes."""


# --- What the operator was told ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How workers are made where a CrawlJob does not say: from the operator's environment."""

    image: str
    image_pull_policy: str = "IfNotPresent"
    image_pull_secrets: tuple[str, ...] = ()
    service_account: str = ""
    """Of the workers' pods; empty: the namespace's default one. No token is mounted in either case."""
    sandbox_url: str = ""
    """Of the sandbox inside the cluster; empty: there is none, and a CrawlJob must say its own."""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
