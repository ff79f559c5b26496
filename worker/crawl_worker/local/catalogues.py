"""What a local run's own sandbox has, as the ledger records it: a catalogue is a dataset of its own. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crawl_core.errors import ConfigurationError
from crawl_core.spec import CrawlJob, Source
from crawl_core.values.jobs import JobRow

_NO_DATASET = re.compile(r"[^A-Za-z0-9._-]")
_LONGEST_DATASET = 260

_MADE_UP = {"seed": 0}
"""What the sandbox has without a catalogue."""


def of_catalogue(
    job: CrawlJob, catalogue: Path | None, *, recorded: JobRow | None, detail: Mapping[str, Any]
) -> CrawlJob:
    """The job with its catalogue's name as dataset, where it states none.

    `detail` is what the recorded job's source row says of the sandbox. Where that is nothing, as in ledgers of before
    it was noted, a job goes on with any catalogue. Raises ConfigurationError where another one would mix with what was
    crawled.
    """
    source = job.spec.source
    if not has_own_sandbox(source) or source.dataset is not None:
        return job
    before = None if recorded is None else recorded.crawl_job.spec.source
    if before is not None and (before.base_url is not None or (before.dataset is None and not detail)):
        return job
    wanted = source.dataset_in_force if catalogue is None else dataset_of(catalogue)
    if before is not None and before.dataset_in_force != wanted:
        as_before = "leave --catalogue out" if before.dataset is None else "give --catalogue with the file of that name"
        raise ConfigurationError(
            f"{job.metadata.namespace}/{job.metadata.name} was crawled from {before.dataset_in_force}, "
            f"not from {wanted}, and the two would mix: {as_before}, or write "
            f"source.dataset: {json.dumps(before.dataset_in_force)} where it has the same artists, "
            "or another metadata.name"
        )
    if catalogue is None:
        return job
    stated = source.model_copy(update={"dataset": wanted})
    return job.model_copy(update={"spec": job.spec.model_copy(update={"source": stated})})


def detail_of(job: CrawlJob, catalogue: Path | None) -> dict[str, Any] | None:
    """What the job's source row says of the sandbox; None: what there is stays. `job` as `of_catalogue` returns it."""
    source = job.spec.source
    if not has_own_sandbox(source):
        return None
    if catalogue is not None:
        return None if source.dataset is None else {"catalogue": catalogue.name}
    return _MADE_UP if source.dataset is None else None


def dataset_of(catalogue: Path) -> str:
    """The name of what a catalogue has: its file's, so that a file of the next day may have the same."""
    return _NO_DATASET.sub("_", catalogue.name)[-_LONGEST_DATASET:]


def has_own_sandbox(source: Source) -> bool:
    """Whether a local run starts a sandbox for it."""
    return source.type == "Sandbox" and source.base_url is None
