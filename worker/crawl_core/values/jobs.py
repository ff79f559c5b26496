"""A job as the ledger records it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from crawl_core.spec import API_VERSION, KIND, CrawlJob, Spec, crawljob_of

BucketScope = Literal["Credential", "Node", "Job", "Named"]


@dataclass(frozen=True, kw_only=True)
class JobRow:
    """A job as it stands in the ledger."""

    id: int
    namespace: str
    name: str
    uid: str
    spec: dict[str, Any]
    """As it was applied last, in the CrawlJob's own words."""
    total: int
    """Strings of the current run's keyspace."""
    bucket: str | None
    """None: each worker names its node's."""
    bucket_scope: str
    page_size: int | None
    """What the API was found to allow; None: as in the spec."""
    problem_reason: str | None
    problem_message: str | None
    started_at: datetime
    """Of the current run, as `finished_at`."""
    finished_at: datetime | None
    deleted_at: datetime | None
    problem_at: datetime | None = None
    """Since when the problem's reason stands."""
    run_id: int = 1
    run: int = 1
    """The current run's number."""
    source_id: int = 1
    page_size_tried_at: datetime | None = None
    """When the spec's page size was tried last, where the API allows less; None: it has another one since."""
    released_at: datetime | None = None
    """From when on no request of the job can arrive; None: it counts on its bucket."""

    @cached_property
    def crawl_job(self) -> CrawlJob:
        """The CrawlJob as it was applied last."""
        metadata = {"namespace": self.namespace, "name": self.name, "uid": self.uid}
        data = {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": self.spec}
        return crawljob_of(data, origin=f"the ledger's job {self.namespace}/{self.name}")


def spec_of(recorded: dict[str, Any]) -> Spec:
    """A recorded spec, as a type."""
    data = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "recorded"}, "spec": recorded}
    return crawljob_of(data, origin="a recorded spec").spec


def as_recorded(spec: Spec) -> dict[str, Any]:
    """A spec as a row has it: what differs from this in a JobRow was applied since."""
    return spec.model_dump(mode="json", by_alias=True, exclude_none=True)
