"""The CrawlJob's status as a type: what the operator writes and people read. Counts only; ranges stay in the ledger.

Tools use the conditions; `state` is for people. The operator's `decide.status` fills it in.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from crawl_core.spec.fields import Maybe, Section

State = Literal["Pending", "Crawling", "Suspended", "Frozen", "Stalled", "Succeeded"]
ConditionType = Literal["Seeded", "Progressing", "RateLimited", "Suspended", "DeadlineExceeded", "Succeeded"]

Instant = Annotated[str, Field(max_length=32, json_schema_extra={"format": "date-time"})]
Count = Annotated[int, Field(ge=0)]
RunNumber = Annotated[int, Field(ge=1)]
RUNS_KEPT = 5
"""Runs that the status shows."""


class Condition(Section):
    """One aspect of a CrawlJob, by the conventions of the Kubernetes API."""

    type: Annotated[str, Field(max_length=316)]
    """Seeded, Progressing, RateLimited, Suspended, DeadlineExceeded or Succeeded (the summary)."""

    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""

    reason: Annotated[str, Field(min_length=1, max_length=128)]
    """Why, as one stable CamelCase word."""

    message: Annotated[str, Field(max_length=2048)]
    """Why, in words, and what to do where a person must act."""

    last_transition_time: Instant
    """When its status changed last."""

    observed_generation: Maybe[Count] = None
    """The generation of the spec that this speaks of."""


class WorkerCounts(Section):
    """The workers' pods."""

    desired: Count = 0
    """How many there should be."""

    current: Count = 0
    """How many there are, ready or not."""

    ready: Count = 0
    """How many are up and reach what they need."""


class RunRecord(Section):
    """One run of the crawl, and what came of it."""

    number: RunNumber
    """Which one."""

    start_time: Instant
    """When the ledger recorded it."""

    completion_time: Maybe[Instant] = None
    """When all was covered."""

    requests: Count = 0
    """Requests whose answers are in the ledger."""

    artists: Count = 0
    """Distinct artists returned to it."""

    new: Maybe[Count] = None
    """Of those, the ones that the run before had not returned. Counted when it has ended, if both runs are there."""

    gone: Maybe[Count] = None
    """Artists of the run before that were not returned to it. Counted when it has ended, if both runs are there."""

    data_deletion_time: Maybe[Instant] = None
    """When its rows were deleted; these counts stay."""


class Handled(Section):
    """The values of the annotations by which a user asked for something, acted on."""

    retry_dead_letters: Maybe[Annotated[str, Field(max_length=256)]] = None
    """Of artistcrawl.dev/retry-dead-letters."""

    unfreeze: Maybe[Annotated[str, Field(max_length=256)]] = None
    """Of artistcrawl.dev/unfreeze."""

    delete_run: Maybe[Annotated[str, Field(max_length=256)]] = None
    """Of artistcrawl.dev/delete-run."""


class Attempt(Section):
    """The last try after a configuration error."""

    at: Instant
    """When."""

    inputs: Annotated[str, Field(max_length=64)]
    """A digest of what it was tried with: the generation, and the Secrets' versions."""


class Status(Section):
    """What was observed last."""

    state: State = "Pending"
    """One word for people: Pending, Crawling, Suspended, Frozen, Stalled or Succeeded."""

    progress: Annotated[str, Field(max_length=8)] = "0.00%"
    """The share of the keyspace covered."""

    covered: Count = 0
    """Strings of the keyspace that are answered for."""

    total: Count = 0
    """Strings of the keyspace."""

    searches: Count = 0
    """Strings searched."""

    requests: Count = 0
    """Requests whose answers are in the ledger."""

    artists: Count = 0
    """Distinct artists returned to this job."""

    artists_new: Count = 0
    """Of those, the ones that were new to the ledger."""

    truncated: Count = 0
    """Strings with more results than the source hands out."""

    dead_letters: Count = 0
    """Strings given up after retry.maxAttempts, to be replayed."""

    incomplete: Count = 0
    """Strings that ended with fewer results than their total said, to be replayed."""

    requests_per_minute: Count = 0
    """Requests in the last minute."""

    frozen_until: Maybe[Instant] = None
    """When the source's pause (429) ends."""

    estimated_completion_time: Maybe[Instant] = None
    """When all is covered if it goes on as it does."""

    time_left: Maybe[Annotated[str, Field(max_length=16)]] = None
    """How long that is from now, such as 57d4h: kubectl prints no instant that is still to come."""

    start_time: Maybe[Instant] = None
    """When the current run began."""

    completion_time: Maybe[Instant] = None
    """When the current run had covered all."""

    workers: WorkerCounts = WorkerCounts()
    """The workers' pods."""

    run: Maybe[RunNumber] = None
    """The number of the current run."""

    runs: Annotated[tuple[RunRecord, ...], Field(max_length=RUNS_KEPT, strict=False)] = ()
    """The last runs, the newest first."""

    page_size: Maybe[Annotated[int, Field(ge=1)]] = None
    """Items a page, where the API was found to allow fewer than source.pageSize."""

    page_size_tried_at: Maybe[Instant] = None
    """When source.pageSize was tried last, then."""

    limited_by: Maybe[Annotated[str, Field(max_length=320)]] = None
    """NAMESPACE/NAME of the CrawlJob whose stricter limit is in force in the bucket."""

    selector: Maybe[Annotated[str, Field(max_length=1024)]] = None
    """Selects the workers' pods, for the scale subresource."""

    handled: Maybe[Handled] = None
    """What a user asked for by annotation and the operator has done."""

    attempt: Maybe[Attempt] = None
    """The last try after a configuration error, until one succeeds."""

    observed_generation: Maybe[Count] = None
    """The generation of the spec that this status speaks of."""

    conditions: Annotated[tuple[Condition, ...], Field(max_length=16, strict=False)] = ()
    """The aspects, one of each type."""
