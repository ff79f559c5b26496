"""Everything a local run has open before it crawls: servers, ledger, Redis, and the job's row.

A configuration that cannot work is found here, before any worker starts.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis

from crawl_core.backends.migrate import migrate
from crawl_core.backends.scripts import connect_redis, ping
from crawl_core.errors import RedisUnavailableError
from crawl_core.frontier.frontier import Frontier
from crawl_core.job import lifecycle
from crawl_core.ledger import jobs
from crawl_core.ledger.ledger import Ledger
from crawl_core.serving.address import NOWHERE, MetricsAddress
from crawl_core.spec import CrawlJob
from crawl_core.values.bucket_names import node_bucket
from crawl_core.values.jobs import JobRow
from crawl_worker.crew.blocking import in_thread
from crawl_worker.data.backends import REDIS_VARIABLE, Urls, masked, reached
from crawl_worker.data.data_folder import DataFolder
from crawl_worker.local import next_runs
from crawl_worker.local.catalogues import detail_of, of_catalogue
from crawl_worker.local.waits import Waits
from crawl_worker.sources.credentials import Credentials, read_credentials
from crawl_worker.sources.registry import source_type

NODE = "127.0.0.1"
"""This machine's name as a node. All local workers share its bucket."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the user said beside the CrawlJob."""

    urls: Urls
    processes: int | None = None
    catalogue: Path | None = None
    again: bool = False
    """Whether the next run is wanted."""
    metrics: MetricsAddress = NOWHERE


@dataclass(frozen=True, slots=True)
class Opened:
    """What is open, and who the job is in it."""

    urls: Urls
    ledger: Ledger
    redis: Redis
    frontier: Frontier
    row: JobRow
    bucket: str
    credentials: Credentials


async def open_all(
    stack: AsyncExitStack,
    job: CrawlJob,
    options: Options,
    *,
    folder: DataFolder,
    event: Callable[[str], None],
    waits: Waits,
) -> Opened:
    """Open it all; `stack` closes it."""
    if options.urls.redis:
        # Before minutes are spent on servers: a given address is wrong more often than anything else.
        await _check_given_redis(options.urls.redis, waits)
    urls = await _servers(stack, options.urls, folder=folder, event=event, waits=waits)
    with waits.on(f"PostgreSQL at {_shown(options.urls.postgres, folder)} to answer"), reached(options.urls):
        await migrate(urls.postgres)
        ledger = await Ledger.open(urls.postgres, application_name="artistcrawl-run")
    stack.push_async_callback(ledger.close)
    redis = connect_redis(urls.redis)
    stack.push_async_callback(redis.aclose)
    if not options.urls.redis:
        with waits.on(f"Redis in {folder.path} to answer"):
            await ping(redis)
    who = credentials(job)
    with waits.on("PostgreSQL to record the job and its ranges"):
        recorded = await jobs.find(ledger, job.metadata.namespace, job.metadata.name)
        if recorded is not None and options.again:
            await next_runs.check(ledger, recorded)
        known = {} if recorded is None else await jobs.source_detail(ledger, recorded.id)
        job = of_catalogue(job, options.catalogue, recorded=recorded, detail=known)
        row = await lifecycle.prepare(
            ledger, job, uid=_uid(recorded, shared_redis=bool(options.urls.redis)), client_id=who.client_id
        )
        detail = detail_of(job, options.catalogue)
        if detail is not None:
            await jobs.note_source(ledger, row.id, detail)
        if recorded is not None:
            row = await next_runs.begun(ledger, row, again=options.again, event=event)
    # Whoever starts a run has seen to what the last one complained about; if not, workers note it again.
    await jobs.clear_problem(ledger, row.id)
    bucket = row.bucket or node_bucket(NODE)
    return Opened(urls, ledger, redis, Frontier(redis, row.uid), row, bucket, who)


def _shown(given: str, folder: DataFolder) -> str:
    """An address as people may read it: a given one, or the folder of the embedded server."""
    return masked(given) if given else str(folder.path)


async def _servers(
    stack: AsyncExitStack, given: Urls, *, folder: DataFolder, event: Callable[[str], None], waits: Waits
) -> Urls:
    embedded_postgres, embedded_valkey = not given.postgres, not given.redis
    if embedded_postgres or embedded_valkey:
        event(f"starting the servers in {folder.path}")
        servers = folder.servers(postgres=embedded_postgres, valkey=embedded_valkey, supervise=True)
        blocking = stack.enter_context(ExitStack())
        names = " and ".join([*(["PostgreSQL"] if embedded_postgres else []), *(["Valkey"] if embedded_valkey else [])])
        with waits.on(f"{names} to start in {folder.path}"):
            await in_thread(lambda: blocking.enter_context(servers))
    return Urls(postgres=given.postgres or folder.postgres.url(), redis=given.redis or folder.valkey.url)


def _uid(recorded: JobRow | None, *, shared_redis: bool) -> str:
    """The name of the job's frontier.

    A new one where Redis is this run's own: ranges that a killed run had leased are free at once, and not only when
    their leases expire. The ledger's where Redis is shared, so that runs on several machines share their ranges.
    """
    return recorded.uid if recorded is not None and shared_redis else str(uuid.uuid4())


def credentials(job: CrawlJob) -> Credentials:
    """The client id and secret to crawl with. Raises ConfigurationError where the real API would need some."""
    source = job.spec.source
    if source.type == "Sandbox" and source.base_url is None:
        # The sandbox is this job's own, so no other job's limit shall bind here.
        return Credentials(f"local-{job.metadata.namespace}-{job.metadata.name}", "sandbox")
    return read_credentials(None, default=source_type(source.type).default_credentials)


async def _check_given_redis(url: str, waits: Waits) -> None:
    """Fail early, with the reason, where there is no Redis; later an outage is waited for."""
    redis = connect_redis(url)
    try:
        with waits.on(f"Redis at {masked(url)} to answer"):
            await ping(redis)
    except RedisUnavailableError as error:
        raise RedisUnavailableError(
            f"Redis at {masked(url)} cannot be reached: {str(error).rstrip('.')}; "
            f"start it, or correct --redis URL (or ${REDIS_VARIABLE})"
        ) from error
    finally:
        await redis.aclose()
