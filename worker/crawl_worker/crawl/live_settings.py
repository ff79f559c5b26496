"""What a job's row in the ledger says about how to crawl, now: it may change while the job runs.

Its keyspace and source may not, so they are read once, at the start.
"""

from __future__ import annotations

from crawl_core.values.jobs import JobRow
from crawl_worker.client.client import ClientSettings
from crawl_worker.client.retry import RetryRules


def retry_rules(job: JobRow) -> RetryRules:
    """`retry` of the job, in seconds."""
    retry = job.crawl_job.spec.retry
    return RetryRules(
        max_attempts=retry.max_attempts,
        initial_backoff_s=retry.initial_backoff.seconds,
        max_backoff_s=retry.max_backoff.seconds,
    )


def client_settings(job: JobRow, *, worker_name: str) -> ClientSettings:
    """What the client starts with."""
    source = job.crawl_job.spec.source
    return ClientSettings(
        page_size=_page_size(job),
        wanted_page_size=source.page_size,
        request_timeout_s=source.request_timeout.seconds,
        retry=retry_rules(job),
        worker=worker_name,
    )


def follow(settings: ClientSettings, job: JobRow, *, knows_page_size: bool) -> None:
    """Take over what has changed. `knows_page_size`: whether the row has what this process found of page sizes itself;
    one from before that would have it ask for refused pages once more.
    """
    source = job.crawl_job.spec.source
    settings.retry = retry_rules(job)
    settings.request_timeout_s = source.request_timeout.seconds
    settings.wanted_page_size = source.page_size
    settings.page_size = _page_size(job) if knows_page_size else min(settings.page_size, source.page_size)


def _page_size(job: JobRow) -> int:
    """What the job asks for, or what the API was found to allow, where that is less."""
    wanted = job.crawl_job.spec.source.page_size
    return min(wanted, job.page_size or wanted)
