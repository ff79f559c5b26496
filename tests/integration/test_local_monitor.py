"""What a run sees of its job: the limit in force, why nothing is sent, and that it was deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from crawl_core.backends.scripts import connect_redis
from crawl_core.clock import SYSTEM_CLOCK
from crawl_core.errors import ConfigurationError
from crawl_core.frontier.frontier import Frontier
from crawl_core.ledger import jobs
from crawl_core.ledger.buckets import BucketRows
from crawl_core.ledger.ledger import Ledger
from crawl_core.limiter.bucket import Bucket, Unknown
from crawl_core.spec import CrawlJob, crawljob_of
from crawl_core.values.jobs import JobRow
from crawl_worker.data.backends import Urls
from crawl_worker.local.judgement import WorkerCount
from crawl_worker.local.monitor import JobMonitor
from crawl_worker.local.opened import Opened
from crawl_worker.sources.credentials import Credentials

BUCKET = "shared"


def crawl_job(name: str, *, requests: int = 10) -> CrawlJob:
    limit = {"requests": requests, "window": "1s", "bucketName": BUCKET}
    spec: dict[str, Any] = {"keyspace": {"minLength": 1, "maxLength": 1}, "rateLimit": limit}
    metadata = {"name": name}
    data = {"apiVersion": "artistcrawl.dev/v1alpha1", "kind": "CrawlJob", "metadata": metadata, "spec": spec}
    return crawljob_of(data, origin="t")


async def recorded(ledger: Ledger, job: CrawlJob) -> JobRow:
    return await jobs.record(ledger, job, uid=job.metadata.name, bucket=BUCKET, bucket_scope="Named")


@pytest.fixture
async def opened(ledger_url: str, redis_url: str) -> AsyncIterator[Opened]:
    ledger = await Ledger.open(ledger_url, application_name="test")
    redis = connect_redis(redis_url)
    row = await recorded(ledger, crawl_job("mine"))
    yield Opened(Urls("", ""), ledger, redis, Frontier(redis, row.uid), row, BUCKET, Credentials("", ""))
    await redis.aclose()
    await ledger.close()


def monitor() -> JobMonitor:
    return JobMonitor(crawl_job("mine"), event=lambda text: None, clock=SYSTEM_CLOCK)


ONE = WorkerCount(desired=1, alive=1)


async def make_bucket(opened: Opened, *, fresh: bool) -> None:
    row, _ = await BucketRows(opened.ledger).ensure(BUCKET)
    bucket = Bucket(opened.redis, BUCKET)
    asked = await bucket.look()
    assert isinstance(asked, Unknown)
    assert await bucket.init(row, asked=asked, fresh=fresh)


async def test_the_limit_shown_is_the_one_in_force(opened: Opened) -> None:
    await recorded(opened.ledger, crawl_job("strict", requests=2))
    await make_bucket(opened, fresh=True)
    looking = monitor()
    await looking.renew(opened, workers=ONE)
    assert looking.snapshot.limit_per_minute == 120
    (note,) = looking.snapshot.notes
    assert "2 requests in 1 s count instead of the job's own 10 requests in 1 s: default/strict (" in note


async def test_a_bucket_that_was_made_again_is_waited_for(opened: Opened) -> None:
    await make_bucket(opened, fresh=False)
    looking = monitor()
    await looking.renew(opened, workers=ONE)
    (note,) = looking.snapshot.notes
    assert note.startswith("waiting ")


async def test_a_job_that_never_ran_waits_for_nothing(opened: Opened) -> None:
    await make_bucket(opened, fresh=True)
    looking = monitor()
    await looking.renew(opened, workers=ONE)
    assert looking.snapshot.notes == ()


async def test_a_job_that_somebody_deletes_ends_the_run_with_the_reason(opened: Opened) -> None:
    await jobs.mark_deleted(opened.ledger, opened.row.id)
    with pytest.raises(ConfigurationError, match="was deleted while it ran"):
        await monitor().renew(opened, workers=ONE)


async def test_a_job_that_is_gone_ends_the_run_with_the_reason(opened: Opened) -> None:
    gone = replace(opened, row=replace(opened.row, id=999))
    with pytest.raises(ConfigurationError, match="was deleted while it ran"):
        await monitor().renew(gone, workers=ONE)
