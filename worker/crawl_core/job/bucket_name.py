"""Which bucket a job's requests count against. Pure."""

from __future__ import annotations

from crawl_core.spec import CrawlJob
from crawl_core.values import bucket_names


def bucket_of(job: CrawlJob, *, client_id: str) -> str | None:
    """The name of the job's bucket; None where each node has its own (rateLimit.bucket Node)."""
    limit = job.spec.rate_limit
    if limit.bucket_name:
        return limit.bucket_name
    match limit.bucket:
        case "Credential":
            return bucket_names.credential_bucket(client_id)
        case "Job":
            return bucket_names.job_bucket(job.metadata.namespace, job.metadata.name)
        case _:
            return None


def bucket_scope_of(job: CrawlJob) -> str:
    """What decides the bucket's name: Credential, Node, Job, or Named where the spec names it."""
    return "Named" if job.spec.rate_limit.bucket_name else str(job.spec.rate_limit.bucket)
