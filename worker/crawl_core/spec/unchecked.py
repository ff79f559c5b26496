"""The fields of a CrawlJob's spec, with their defaults and bounds.

They stand apart from `Spec` so that the checks between fields, which `Spec` runs, have a type to read.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from crawl_core.durations import Duration
from crawl_core.spec.fields import Between, Maybe, Section
from crawl_core.spec.sections import KeyspaceSpec, RateLimit, Retry, SecretRef, Source
from crawl_core.spec.workers import Workers


class UncheckedSpec(Section):
    """A spec whose fields are valid, each by itself. See `Spec`."""

    keyspace: KeyspaceSpec = KeyspaceSpec()
    """Which strings are searched."""

    source: Source = Source()
    """What is searched."""

    rate_limit: RateLimit = RateLimit()
    """How fast."""

    workers: Workers = Workers()
    """Who crawls."""

    retry: Retry = Retry()
    """What becomes of failed requests."""

    backends_secret_ref: SecretRef = SecretRef(name="artistcrawl-backends")
    """The Secret with the keys postgres-url and redis-url. A local run does not read it."""

    run: Maybe[Annotated[int, Field(ge=1, le=2_147_483_647)]] = None
    """The number of the run that is wanted. A greater one than the current run's begins once that has ended."""

    suspend: bool = False
    """Whether the crawl pauses. Nothing is lost, and no request repeated, by a pause."""

    deadline: Maybe[Annotated[Duration, Between("1m", "87600h")]] = None
    """When the run should be done, from its start. Passing it sets a condition and an alert; see deadlinePolicy."""

    deadline_policy: Literal["Alert", "Suspend"] = "Alert"
    """What else passing the deadline does: Alert, nothing; Suspend, the crawl pauses until the deadline is raised."""

    ttl_after_finished: Maybe[Annotated[Duration, Between("0s", "87600h")]] = None
    """How long a finished CrawlJob is kept. Absent, for ever."""

    data_policy: Literal["Retain", "Delete"] = "Retain"
    """What becomes of the job's ledger rows (never of artists) with the CrawlJob."""

    request_log_retention: Annotated[Duration, Between("1m", "720h")] = Duration.parse("24h")
    """How long single requests are remembered, and at most the last 100,000 a job."""
