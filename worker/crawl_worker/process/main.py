"""`artistcrawl worker`: connects one crawling process to its ledger, Redis and API, and runs it until told to stop.

Exit statuses: 0 after a drain (SIGTERM, SIGINT) or a finished job, 78 where a person must act first.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
import uuid
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import uvloop
from redis.exceptions import RedisError

from crawl_core import logs
from crawl_core.backends.scripts import connect_redis
from crawl_core.clock import SYSTEM_CLOCK
from crawl_core.errors import EXIT_CONFIGURATION, ArtistcrawlError, ConfigurationError, LedgerUnavailableError
from crawl_core.frontier.frontier import LEASE_TTL_S, Frontier
from crawl_core.ledger import jobs
from crawl_core.ledger.buckets import BucketRows
from crawl_core.ledger.ledger import Ledger
from crawl_core.limiter.limiter import Limiter
from crawl_core.logs import fields
from crawl_core.serving.address import VARIABLE as METRICS_VARIABLE
from crawl_core.serving.address import parse_metrics_address
from crawl_core.serving.metrics import serving_metrics
from crawl_core.serving.probes import Readiness, serving
from crawl_core.values.bucket_names import node_bucket
from crawl_core.values.jobs import JobRow
from crawl_worker.client.client import Client
from crawl_worker.client.job_notes import JobNotes
from crawl_worker.client.outage import Outage
from crawl_worker.client.token_transport import TokenTransport
from crawl_worker.client.tokens import TokenKeeper
from crawl_worker.client.transport import ApiTransport
from crawl_worker.crawl.live_settings import client_settings
from crawl_worker.crawl.worker import Parts, Worker
from crawl_worker.process.face import Face
from crawl_worker.sources.credentials import read_credentials
from crawl_worker.sources.registry import source_type
from crawl_worker.sources.source import SearchSource, SourceSettings

log = logging.getLogger(__name__)

T = TypeVar("T")

MAX_CONNECTIONS = 64
"""As many as `workers.concurrency` may become while the worker runs."""

WAIT_S = 2.0
"""Seconds between two tries at a start: the ledger, or the job in it, may come a little later than we do."""

DRAIN_MARGIN_S = 10.0
"""Seconds that a drain may take beyond the request in flight; the pod's grace period is longer."""


def main(argv: list[str] | None = None) -> int:
    """Run one worker; the exit status."""
    options = _options(argv)
    worker_name = options.worker_name or f"{socket.gethostname()}-{os.getpid()}"
    logs.configure(log_format=options.log_format, level=options.log_level, job=options.job, worker=worker_name)
    try:
        uvloop.run(_run(options, worker_name))
    except BaseException as error:
        wrong = _misconfiguration(error)
        if wrong is None:
            raise
        log.error(str(wrong), extra=fields("worker.misconfigured"))
        return EXIT_CONFIGURATION
    return 0


def _misconfiguration(error: BaseException) -> ConfigurationError | None:
    """What a person must change, if that is what ended us. A task group wraps what its tasks raise."""
    if isinstance(error, BaseExceptionGroup):
        return next((wrong for one in error.exceptions if (wrong := _misconfiguration(one))), None)
    return error if isinstance(error, ConfigurationError) else None


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="artistcrawl worker", description=__doc__)
    parser.add_argument("--job", required=True, metavar="NAMESPACE/NAME", help="the job to crawl for")
    parser.add_argument("--postgres", default=os.environ.get("ARTISTCRAWL_POSTGRES_URL"), metavar="URL")
    parser.add_argument("--redis", default=os.environ.get("ARTISTCRAWL_REDIS_URL"), metavar="URL")
    parser.add_argument("--base-url", metavar="URL", help="the API's address, instead of the CrawlJob's")
    parser.add_argument("--token-url", metavar="URL", help="the token endpoint, instead of the CrawlJob's")
    parser.add_argument("--credentials", type=Path, metavar="DIR", help="folder with files client-id, client-secret")
    parser.add_argument("--node", metavar="ADDRESS", help="this node's address, for rateLimit.bucket Node")
    parser.add_argument("--worker-name", metavar="NAME", help="how logs and the request log call this process")
    parser.add_argument("--log-format", choices=("json", "console"), default="json")
    parser.add_argument("--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    parser.add_argument("--once-done", choices=("idle", "exit"), default="idle", help="what to do after the job's end")
    parser.add_argument(
        "--probe-port", type=int, metavar="PORT", help="answer /healthz and /readyz there; else nowhere"
    )
    parser.add_argument(
        "--metrics-port",
        default=os.environ.get(METRICS_VARIABLE),
        metavar="PORT",
        help=f"serve Prometheus's metrics there, at /metrics; HOST:PORT for one address alone (${METRICS_VARIABLE})",
    )
    parser.add_argument("--lease-ttl", type=float, default=LEASE_TTL_S, metavar="SECONDS", help="life of a lease")
    options = parser.parse_args(argv)
    for name in ("postgres", "redis"):
        if not getattr(options, name):
            parser.error(f"give --{name} URL, or set ARTISTCRAWL_{name.upper()}_URL")
    if options.job.count("/") != 1:
        parser.error(f"--job {options.job!r}: write NAMESPACE/NAME")
    return options


async def _run(options: argparse.Namespace, worker_name: str) -> None:
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    face = Face()
    address = parse_metrics_address(options.metrics_port)
    scrape = face.scrape_of(job=options.job, worker_name=worker_name)
    async with (
        serving(options.probe_port, readyz=face.readiness),
        serving_metrics(address.port, scrape, host=address.host) as port,
    ):
        if port is not None:
            log.info("metrics are served", extra=fields("metrics.serving", port=port))
        await _crawl(options, worker_name, stop, face)


async def _crawl(options: argparse.Namespace, worker_name: str, stop: asyncio.Event, face: Face) -> None:
    readiness = face.readiness
    started = await _unless(stop, _start(options))
    if started is None:
        return
    ledger, job = started
    try:
        async with contextlib.AsyncExitStack() as stack:
            readiness.lacks = "waiting for Redis"
            worker = await _unless(stop, _worker(options, worker_name, ledger, job, stack))
            if worker is None:
                return
            face.worker = worker
            log.info("worker started", extra=fields("worker.started"))
            running = asyncio.create_task(worker.run())
            reaching = asyncio.create_task(_reach_redis(options.redis, readiness))
            await _first(running, stop)
            reaching.cancel()
            readiness.lacks = "draining"
            worker.drain()
            await running
    except BaseException as error:
        if (wrong := _misconfiguration(error)) is not None:
            # Where status and conditions show it; the log is where this process was.
            with contextlib.suppress(ArtistcrawlError):
                await jobs.note_problem(ledger, job.id, "Misconfigured", str(wrong)[:500])
        raise
    finally:
        await ledger.close()
    log.info("worker stopped", extra=fields("worker.stopped"))


async def _unless(stop: asyncio.Event, preparing: Coroutine[Any, Any, T]) -> T | None:
    """What a start prepares, or None when a stop is asked for first: then it is given up."""
    task = asyncio.create_task(preparing)
    await _first(task, stop)
    if task.done():
        return task.result()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return None


async def _first(task: asyncio.Task[Any], stop: asyncio.Event) -> None:
    """Return when the task has ended or a stop is asked for."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()


async def _start(options: argparse.Namespace) -> tuple[Ledger, JobRow]:
    """The ledger and the job in it, as soon as both are there."""
    namespace, _, name = options.job.partition("/")
    ledger: Ledger | None = None
    while True:
        try:
            ledger = ledger or await Ledger.open(
                options.postgres, max_connections=2, application_name="artistcrawl worker"
            )
            if (job := await jobs.find(ledger, namespace, name)) is not None:
                return ledger, job
            log.info("the ledger has no such job yet", extra=fields("worker.waiting"))
        except LedgerUnavailableError as error:
            log.warning("the ledger is out of reach", extra=fields("worker.waiting", error=str(error)))
        await asyncio.sleep(WAIT_S)


async def _reach_redis(url: str, readiness: Readiness) -> None:
    """Become ready once Redis has answered. It is not asked again: a worker waits by itself for one that went away."""
    async with connect_redis(url) as redis:
        while True:
            try:
                await redis.ping()
            except RedisError as error:
                readiness.lacks = f"waiting for Redis: {error}"
                await asyncio.sleep(WAIT_S)
            else:
                readiness.lacks = None
                return


async def _worker(
    options: argparse.Namespace, worker_name: str, ledger: Ledger, job: JobRow, stack: contextlib.AsyncExitStack
) -> Worker:
    """Put a worker together. What it needs open is closed with `stack`."""
    spec = job.crawl_job.spec
    redis = connect_redis(options.redis)
    stack.push_async_callback(redis.aclose)
    source = _source(job, options)
    transport = await stack.enter_async_context(
        ApiTransport(request_timeout_s=spec.source.request_timeout.seconds, concurrency=MAX_CONNECTIONS)
    )
    bucket = job.bucket or node_bucket(options.node or _own_address())
    limiter = await stack.enter_async_context(Limiter(redis, bucket, BucketRows(ledger)))
    settings = client_settings(job, worker_name=worker_name)
    token_transport = await stack.enter_async_context(
        TokenTransport(request_timeout_s=spec.source.request_timeout.seconds)
    )
    tokens = TokenKeeper(source=source, transport=token_transport, rules=lambda: settings.retry, clock=SYSTEM_CLOCK)
    notes = JobNotes(ledger, job.id, SYSTEM_CLOCK)
    outage = Outage(
        clock=SYSTEM_CLOCK,
        rules=lambda: settings.retry,
        control_strings=[c * length for length in (1, 2) for c in spec.keyspace.alphabet],
    )
    client = Client(
        source=source,
        transport=transport,
        limiter=limiter,
        tokens=tokens,
        outage=outage,
        settings=settings,
        clock=SYSTEM_CLOCK,
        notes=notes,
    )
    parts = Parts(
        ledger=ledger,
        frontier=Frontier(redis, job.uid, lease_ttl_s=options.lease_ttl),
        client=client,
        notes=notes,
        keyspace=spec.keyspace.to_keyspace(),
        clock=SYSTEM_CLOCK,
        owner=str(uuid.uuid4()),
    )
    drain_s = spec.source.request_timeout.seconds + DRAIN_MARGIN_S
    return Worker(parts, job, exit_when_done=options.once_done == "exit", drain_s=drain_s)


def _source(job: JobRow, options: argparse.Namespace) -> SearchSource:
    """The job's source, at the addresses and with the credentials that the command line or the job names."""
    source = job.crawl_job.spec.source
    kind = source_type(source.type)
    return kind.make(
        SourceSettings(
            base_url=options.base_url or source.base_url,
            token_url=options.token_url or source.token_url,
            credentials=read_credentials(options.credentials, default=kind.default_credentials),
            query_template=source.query_template,
            market=source.market,
        )
    )


def _own_address() -> str:
    """The address this machine reaches others from, for naming its bucket. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # a documentation address: only the route is looked up
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"
