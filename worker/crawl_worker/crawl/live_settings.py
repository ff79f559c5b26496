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
        page_size=min(source.page_size, job.page_size or source.page_size),
        request_timeout_s=source.request_timeout.seconds,
        retry=retry_rules(job),
        worker=worker_name,
    )


def follow(settings: ClientSettings, job: JobRow) -> None:
    """Take over what has changed. A page size only ever falls: another worker may have found a smaller limit."""
    settings.retry = retry_rules(job)
    settings.request_timeout_s = job.crawl_job.spec.source.request_timeout.seconds
    if job.page_size is not None:
        settings.page_size = min(settings.page_size, job.page_size)
