"""Puts one worker together from what the command line and the job say. Each part knows those below it, and no other."""

from __future__ import annotations

import argparse
import contextlib
import socket
import uuid

from crawl_core.backends.scripts import connect_redis
from crawl_core.clock import SYSTEM_CLOCK
from crawl_core.frontier.frontier import Frontier
from crawl_core.ledger import jobs
from crawl_core.ledger.buckets import BucketRows
from crawl_core.ledger.ledger import Ledger
from crawl_core.limiter.limiter import Limiter
from crawl_core.values.bucket_names import node_bucket
from crawl_core.values.jobs import JobRow
from crawl_worker.client.client import Client, ClientSettings
from crawl_worker.client.job_notes import JobNotes
from crawl_worker.client.outage import Outage
from crawl_worker.client.proxies import Proxies
from crawl_worker.client.retry import RetryRules
from crawl_worker.client.token_transport import TokenTransport
from crawl_worker.client.tokens import TokenKeeper
from crawl_worker.client.transport import ApiTransport
from crawl_worker.crawl.live_settings import client_settings
from crawl_worker.crawl.worker import Parts, Worker
from crawl_worker.sources.credentials import read_credentials
from crawl_worker.sources.registry import source_type
from crawl_worker.sources.source import SearchSource, SourceSettings

MAX_CONNECTIONS = 64
"""As many as `workers.concurrency` may become while the worker runs."""

DRAIN_MARGIN_S = 10.0
"""Seconds that a drain may take beyond the request in flight; the pod's grace period is longer."""


async def assemble_worker(
    options: argparse.Namespace, worker_name: str, ledger: Ledger, job: JobRow, stack: contextlib.AsyncExitStack
) -> Worker:
    """A worker for a job, not running yet. What it needs open is closed with `stack`.

    Raises ConfigurationError where a person must act first.
    """
    spec = job.crawl_job.spec
    redis = connect_redis(options.redis)
    stack.push_async_callback(redis.aclose)
    source = _source(job, options)
    notes = JobNotes(ledger, job.id, SYSTEM_CLOCK)
    bucket = job.bucket or node_bucket(options.node or _own_address())
    limiter = await stack.enter_async_context(Limiter(redis, bucket, BucketRows(ledger)))
    client = await _client(
        job,
        source=source,
        limiter=limiter,
        worked_before=(await jobs.progress(ledger, job.id)).searches > 0,
        settings=client_settings(job, worker_name=worker_name),
        notes=notes,
        stack=stack,
    )
    parts = Parts(
        ledger=ledger,
        frontier=Frontier(redis, job.uid, lease_ttl_s=options.lease_ttl),
        client=client,
        notes=notes,
        keyspace=spec.keyspace.to_keyspace(),
        clock=SYSTEM_CLOCK,
        # Drawn for this process: a name that a successor bears would let it commit under its predecessor's fence.
        owner=str(uuid.uuid4()),
        bring_limits=limiter.bring_limits,
    )
    drain_s = spec.source.request_timeout.seconds + DRAIN_MARGIN_S
    return Worker(parts, job, exit_when_done=options.once_done == "exit", drain_s=drain_s)


async def _client(
    job: JobRow,
    *,
    source: SearchSource,
    limiter: Limiter,
    worked_before: bool,
    settings: ClientSettings,
    notes: JobNotes,
    stack: contextlib.AsyncExitStack,
) -> Client:
    spec = job.crawl_job.spec
    proxies = Proxies(used=spec.source.proxy == "FromEnvironment")

    # Asked each time, for they may change while the job runs.
    def rules() -> RetryRules:
        return settings.retry

    def timeout_s() -> float:
        return settings.request_timeout_s

    transport = await stack.enter_async_context(
        ApiTransport(timeout_s=timeout_s, concurrency=MAX_CONNECTIONS, proxies=proxies)
    )
    token_transport = await stack.enter_async_context(TokenTransport(timeout_s=timeout_s, proxies=proxies))
    return Client(
        source=source,
        transport=transport,
        limiter=limiter,
        tokens=TokenKeeper(
            source=source,
            transport=token_transport,
            rules=rules,
            clock=SYSTEM_CLOCK,
            notes=notes,
            worked_before=worked_before,
        ),
        outage=Outage(clock=SYSTEM_CLOCK, rules=rules, control_strings=_control_strings(spec.keyspace.alphabet)),
        settings=settings,
        clock=SYSTEM_CLOCK,
        notes=notes,
    )


def _control_strings(alphabet: str) -> list[str]:
    """Strings of one and of two characters: short, so that an API that works finds something for them."""
    return [character * length for length in (1, 2) for character in alphabet]


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
            market=source.market_in_force,
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
