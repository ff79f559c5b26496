"""`artistcrawl worker`: runs one crawling process from its start to the stop that it is told.

A start waits for the ledger, for the job in it, and for Redis, since they may come a little later than we do; what only
a person can mend ends it with exit status 78, and is written to the job's row where the ledger can be reached.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

from crawl_core import logs
from crawl_core.backends.scripts import connect_redis, ping
from crawl_core.clock import SYSTEM_CLOCK
from crawl_core.errors import EXIT_CONFIGURATION, ArtistcrawlError, ConfigurationError, LedgerUnavailableError
from crawl_core.ledger import jobs
from crawl_core.ledger.ledger import Ledger
from crawl_core.logs import fields
from crawl_core.serving.address import parse_metrics_address
from crawl_core.serving.metrics import serving_metrics
from crawl_core.serving.probes import Readiness, serving
from crawl_core.text import clean
from crawl_core.values.jobs import JobRow
from crawl_worker.process.assembly import assemble_worker
from crawl_worker.process.endpoints import WorkerEndpoints
from crawl_worker.process.options import parse_options

log = logging.getLogger(__name__)

T = TypeVar("T")

_STOPS = (signal.SIGTERM, signal.SIGINT)

WAIT_S = 2.0
"""Seconds between two tries at a start: the ledger, or the job in it, may come a little later than we do."""


def main(argv: list[str] | None = None) -> int:
    """Run one worker; the exit status."""
    options = parse_options(argv)
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
    finally:
        # Nothing is left to stop: a stop that comes while Python ends would make a good end look like a violent one.
        for signum in _STOPS:
            signal.signal(signum, signal.SIG_IGN)
    return 0


def _misconfiguration(error: BaseException) -> ConfigurationError | None:
    """What a person must change, if that is what ended us. A task group wraps what its tasks raise."""
    if isinstance(error, BaseExceptionGroup):
        return next((wrong for inner in error.exceptions if (wrong := _misconfiguration(inner))), None)
    return error if isinstance(error, ConfigurationError) else None


async def _run(options: argparse.Namespace, worker_name: str) -> None:
    stop = asyncio.Event()
    for signum in _STOPS:
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    endpoints = WorkerEndpoints()
    address = parse_metrics_address(options.metrics_port)
    scrape = endpoints.scrape_of(job=options.job, worker_name=worker_name)
    async with (
        serving(options.probe_port, readyz=endpoints.readiness),
        serving_metrics(address.port, scrape, host=address.host) as port,
    ):
        if port is not None:
            log.info("metrics are served", extra=fields("metrics.serving", port=port))
        await _crawl(options, worker_name, stop, endpoints)


async def _crawl(
    options: argparse.Namespace, worker_name: str, stop: asyncio.Event, endpoints: WorkerEndpoints
) -> None:
    readiness = endpoints.readiness
    started = await _unless(stop, _start(options))
    if started is None:
        return
    ledger, job = started
    try:
        async with contextlib.AsyncExitStack() as stack:
            readiness.lacks = "waiting for Redis"
            worker = await _unless(stop, assemble_worker(options, worker_name, ledger, job, stack))
            if worker is None:
                return
            endpoints.worker = worker
            log.info("worker started", extra=fields("worker.started"))
            running = asyncio.create_task(worker.run())
            reaching = asyncio.create_task(_reach_redis(options.redis, readiness))
            await _first_of(running, stop)
            reaching.cancel()
            readiness.lacks = "draining"
            worker.drain()
            await running
    except BaseException as error:
        if (wrong := _misconfiguration(error)) is not None:
            # Where status and conditions show it; the log is where this process was.
            with contextlib.suppress(ArtistcrawlError):
                await jobs.note_problem(ledger, job.id, "Misconfigured", clean(str(wrong), 500))
        raise
    finally:
        await ledger.close()
    log.info("worker stopped", extra=fields("worker.stopped"))


async def _unless(stop: asyncio.Event, preparing: Coroutine[Any, Any, T]) -> T | None:
    """What a start prepares, or None when a stop is asked for first: then it is given up."""
    task = asyncio.create_task(preparing)
    await _first_of(task, stop)
    if task.done():
        return task.result()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return None


async def _first_of(task: asyncio.Task[Any], stop: asyncio.Event) -> None:
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
        await SYSTEM_CLOCK.sleep(WAIT_S)


async def _reach_redis(url: str, readiness: Readiness) -> None:
    """Become ready once Redis has answered. It is not asked again: a worker waits by itself for one that went away."""
    async with connect_redis(url) as redis:
        while True:
            try:
                await ping(redis)
            except ArtistcrawlError as error:
                readiness.lacks = f"waiting for Redis: {error}"
                await SYSTEM_CLOCK.sleep(WAIT_S)
            else:
                readiness.lacks = None
                return
