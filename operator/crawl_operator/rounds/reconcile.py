"""One round for one CrawlJob: observe, plan, act; and what these three share, opened and closed.

It refuses to remember anything itself. What observing remembers, and what metrics show, goes with the CrawlJob.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kubernetes.client import ApiClient

from crawl_core.clock import Clock
from crawl_operator.act.act import GoneError, Tools, act
from crawl_operator.act.job_metrics import Figures
from crawl_operator.act.upkeep import Upkeep
from crawl_operator.decide.plan import plan
from crawl_operator.kube.api import Api
from crawl_operator.kube.cluster import Cluster
from crawl_operator.kube.views import crawljob_view, deployment_view
from crawl_operator.values import names
from crawl_operator.values.model import CrawlJobView, Key, WorkerSettings
from crawl_operator.watch.store import Raw, Store


@dataclass(slots=True)
class _Seen:
    """A CrawlJob as it was read last: reading its spec is half of what an idle round costs."""

    raw: Raw
    view: CrawlJobView


class Reconciler:
    """Runs a round when the loop says so."""

    def __init__(
        self,
        client: ApiClient,
        store: Store,
        *,
        workers: WorkerSettings,
        instance: str,
        may_act: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self._api = Api(client)
        self.tools = Tools.of(Cluster(self._api), clock, instance=instance)
        self.upkeep = Upkeep(self.tools.backends, self.tools.buckets, may_act=may_act, clock=clock)
        self._store = store
        self._may_act = may_act
        self._workers = workers
        self._seen: dict[Key, _Seen] = {}
        self.figures = Figures()
        """What metrics say of the CrawlJobs that were looked at."""

    async def close(self) -> None:
        """Close what is open."""
        await self.tools.backends.close()
        self._api.close()

    async def round(self, key: Key) -> float | None:
        """Look at one CrawlJob and do what follows. The seconds until the next look; None when it is gone."""
        view = self._view(key)
        if view is None:
            # Its Deployment goes with it: it is owned, and the API server's collector deletes what lost its owner.
            self._seen.pop(key, None)
            self.tools.observer.forget(key)
            self.figures.forget(key)
            return None
        raw = self._store.deployment(key, names.workers_of(key.name))
        seen = await self.tools.observer.observe(view, None if raw is None else deployment_view(raw))
        planned = plan(seen, settings=self._workers)
        if not self._may_act():
            # The lead was lost while we looked. Whoever leads now looks at all by itself.
            return None
        self.figures.keep(seen, planned.status)
        try:
            return await act(seen, planned, self.tools)
        except GoneError:
            # Its deletion went by unseen. What the watch brings of a later one of its name stays.
            self._store.remove("crawljobs", self._seen[key].raw)
            self.figures.forget(key)
            return None

    def _view(self, key: Key) -> CrawlJobView | None:
        raw = self._store.crawljob(key)
        if raw is None:
            return None
        kept = self._seen.get(key)
        if kept is None or kept.raw is not raw:
            kept = self._seen[key] = _Seen(raw, crawljob_view(raw))
        return kept.view
