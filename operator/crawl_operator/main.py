"""`artistcrawl operator`: watches CrawlJobs, and leads or stands by.

Exit statuses: 0 after SIGTERM or SIGINT, 78 where a person must act first, 1 when a part ended that must not: the
kubelet starts the process again, and everything it knew is read anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import kopf
from kubernetes.client import ApiClient

from crawl_core import logs
from crawl_core.clock import SYSTEM_CLOCK
from crawl_core.errors import EXIT_CONFIGURATION, ArtistcrawlError, ConfigurationError, UnavailableError
from crawl_core.logs import fields
from crawl_core.metrics.declared import Reading
from crawl_core.metrics.definitions import BACKENDS, OPERATOR
from crawl_core.metrics.exposition import Scrape, installed_version, of_process
from crawl_core.readings.backends import backends_readings
from crawl_core.serving.metrics import serving_metrics
from crawl_core.serving.probes import serving
from crawl_operator.expose.gauges import OperatorView, readings
from crawl_operator.expose.health import Health
from crawl_operator.kube.api import Api
from crawl_operator.lead import lease
from crawl_operator.lead.elector import Elector
from crawl_operator.rounds.reconcile import Reconciler
from crawl_operator.rounds.workqueue import Workqueue
from crawl_operator.settings import OperatorSettings, read_settings
from crawl_operator.watch import access
from crawl_operator.watch import namespaces as watch_namespaces
from crawl_operator.watch.handlers import kopf_settings, registry_of, tame_logs
from crawl_operator.watch.namespaces import WatchedNamespaces
from crawl_operator.watch.resync import Resync
from crawl_operator.watch.store import Store

log = logging.getLogger(__name__)

WAIT_S = 5.0
"""Seconds between two looks for a cluster, or a CRD, that is not there yet."""
DRAIN_S = 10.0
"""Seconds for the rounds at hand when told to stop."""
KOPF_STOP_S = 5.0
"""Seconds for kopf to close its watches: nothing is lost with them."""


class PartEndedError(ArtistcrawlError):
    """A part that runs for ever has ended."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the operator; the exit status."""
    settings = read_settings(argv)
    logs.configure(log_format=settings.log_format, level=settings.log_level, operator=settings.identity)
    tame_logs(settings.log_level)
    try:
        asyncio.run(_run(settings))
    except ConfigurationError as error:
        log.error(str(error), extra=fields("operator.misconfigured"))
        return EXIT_CONFIGURATION
    except ArtistcrawlError as error:
        log.error(str(error), extra=fields("operator.ended"))
        return 1
    log.info("operator stopped", extra=fields("operator.stopped"))
    return 0


async def _run(settings: OperatorSettings) -> None:
    stop = asyncio.Event()
    _on_signals(stop)
    health = Health(SYSTEM_CLOCK)
    scrape = OperatorScrape()
    metrics = settings.metrics
    async with (
        serving(settings.probe_port, healthz=health.alive, readyz=health.ready) as port,
        # With 1,000 CrawlJobs the text takes longer than a round may wait.
        serving_metrics(metrics.port, scrape.scrape(), host=metrics.host, in_thread=True) as metrics_port,
    ):
        log.info("probes answer", extra=fields("probes.serving", port=port))
        log.info("metrics are served", extra=fields("metrics.serving", port=metrics_port))
        client = access.connect()
        watchable = asyncio.create_task(_wait_for_cluster(client, settings, health))
        await _first({watchable}, stop)
        if not watchable.done():
            watchable.cancel()
            return
        operator = Operator(settings, client, health, watched=watchable.result())
        scrape.view = operator.view
        await operator.run(stop)


@dataclass(slots=True)
class OperatorScrape:
    """What an operator shows to whoever scrapes it, from its first moment on."""

    view: Callable[[], OperatorView] = OperatorView

    def scrape(self) -> Scrape:
        """The text of now. May be asked for in another thread."""
        return of_process(OPERATOR.registry, BACKENDS.registry, read=self._readings, labels={})

    def _readings(self) -> Iterator[Reading]:
        yield from readings(self.view(), version=installed_version())
        yield from backends_readings()


def _on_signals(stop: asyncio.Event) -> None:
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)


async def _first(tasks: set[asyncio.Task[Any]], stop: asyncio.Event) -> set[asyncio.Task[Any]]:
    """Return when one of the tasks has ended, or a stop is asked for; the tasks that have ended."""
    stopping = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait({*tasks, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    return done & tasks


async def _wait_for_cluster(client: ApiClient, settings: OperatorSettings, health: Health) -> WatchedNamespaces:
    """Return when our objects can be listed somewhere. Raises ConfigurationError where they must not be anywhere."""
    reported = ""
    while True:
        try:
            watched = await watch_namespaces.find_watchable(
                functools.partial(access.probe, client), settings.namespaces
            )
        except UnavailableError as error:
            health.lacks = str(error)
            if reported != str(error):
                log.warning(reported := str(error), extra=fields("cluster.waiting"))
        else:
            for namespace, why in watched.refused.items():
                what = f"namespace {namespace} is not served, but tried again: {why}"
                log.warning(what, extra=fields("namespace.refused", namespace=namespace))
            return watched
        await SYSTEM_CLOCK.sleep(WAIT_S)


class Operator:
    """The parts of a running operator, wired together."""

    def __init__(
        self, settings: OperatorSettings, client: ApiClient, health: Health, *, watched: WatchedNamespaces
    ) -> None:
        self._settings = settings
        self._client = client
        self._watched = watched
        self._health = health
        self._store = Store(changed=lambda key: self._workqueue.add(key))
        self._reconciler = Reconciler(
            client,
            self._store,
            workers=settings.workers,
            instance=settings.identity,
            may_act=self._leads,
            clock=SYSTEM_CLOCK,
        )
        self._workqueue = Workqueue(self._reconciler.round, may_act=self._leads, clock=SYSTEM_CLOCK)
        self._lease_api = Api(client, timeout_s=lease.TIMEOUT_S)
        self._elector = Elector(
            lease.KubernetesLeases(
                self._lease_api, namespace=settings.lease_namespace, name=settings.lease_name, clock=SYSTEM_CLOCK
            ),
            identity=settings.identity,
            clock=SYSTEM_CLOCK,
            on_elected=self._look_at_all,
        )
        self._resync = Resync(
            self._store, lambda kind: access.listed(client, kind, watched.namespaces), clock=SYSTEM_CLOCK
        )

    def _leads(self) -> bool:
        return self._elector.leads()

    def view(self) -> OperatorView:
        """What it is doing now. May be asked from another thread: each part is read at once, and none is changed."""
        due, planned = self._workqueue.queue()
        return OperatorView(
            leads=self._leads(),
            crawljobs=self._store.count("crawljobs"),
            due=due,
            planned=planned,
            in_flight=self._workqueue.in_flight,
            turned_at_s=self._health.turned_at_s(),
            jobs=self._reconciler.job_metrics.all(),
        )

    def _look_at_all(self) -> None:
        """As one who has just begun to lead. What this process knew when it led before is long outdated."""
        self._reconciler.job_metrics.forget_all()
        self._workqueue.add_all(self._store.keys())

    async def run(self, stop: asyncio.Event) -> None:
        """Run until a stop is asked for. Raises where a part ended by itself."""
        kopf_stop = asyncio.Event()
        before = asyncio.all_tasks()
        roots = set(await self._watch(kopf_stop))
        _on_signals(stop)  # kopf has put its own in their place
        log.info("operator started", extra=fields("operator.started", namespaces=list(self._watched.namespaces)))
        self._health.watch({"rounds": lambda: self._workqueue.turned_s, "lease": lambda: self._elector.turned_s})
        tasks: set[asyncio.Task[Any]] = {
            asyncio.create_task(self._elector.run(), name="lease"),
            asyncio.create_task(self._workqueue.run(), name="rounds"),
            asyncio.create_task(self._resync.run(), name="resync"),
            asyncio.create_task(self._reconciler.upkeep.run(), name="upkeep"),
            asyncio.create_task(self._become_ready(), name="readiness"),
            asyncio.create_task(self._watch_namespaces(), name="namespaces"),
        }
        ended: set[asyncio.Task[Any]] = set()
        try:
            ended = await _first({*tasks, *roots}, stop)
        finally:
            await self._end(tasks)
            kopf_stop.set()
            with contextlib.suppress(Exception):
                async with asyncio.timeout(KOPF_STOP_S):
                    await kopf.run_tasks(roots, ignored=before | tasks)
        _raise_of(ended)

    async def _end(self, tasks: set[asyncio.Task[Any]]) -> None:
        """Finish the rounds at hand while the lease is still ours; then give it back, and close what is open."""
        log.info("stopping", extra=fields("operator.stopping", leads=self._leads()))
        await self._workqueue.stop(DRAIN_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._elector.release()
        self._lease_api.close()
        await self._reconciler.close()

    async def _watch(self, stop: asyncio.Event) -> Sequence[asyncio.Task[Any]]:
        namespaces = self._watched.namespaces
        return list(
            await kopf.spawn_tasks(
                registry=registry_of(self._store, relisted=self._resync.trigger),
                settings=kopf_settings(),
                # Without one kopf asks who the user is, and in our image nobody has the name.
                identity=cast("Any", self._settings.identity),
                standalone=True,
                clusterwide=not namespaces,
                namespaces=namespaces,
                stop_flag=stop,
            )
        )

    async def _watch_namespaces(self) -> None:
        """With one namespace, or all, there is no other that would go on being served."""
        if len(self._settings.namespaces) < 2:
            await asyncio.Event().wait()
        await watch_namespaces.watch_for_changes(
            self._watched, functools.partial(access.probe, self._client), clock=SYSTEM_CLOCK
        )

    async def _become_ready(self) -> None:
        self._health.lacks = "the watches have not brought everything yet"
        await self._resync.complete.wait()
        self._health.lacks = None
        await asyncio.Event().wait()


def _raise_of(ended: set[asyncio.Task[Any]]) -> None:
    """Where a part ended by itself, say which and why."""
    for task in ended:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, ArtistcrawlError) and not isinstance(error, access.RefusedError):
            raise error
        if error is not None and not isinstance(error, access.RefusedError):
            log.error("a part failed", extra=fields("operator.part_failed", part=task.get_name()), exc_info=error)
        raise PartEndedError(f"{task.get_name()} ended, so the operator starts anew: {error or 'without an error'}")
