"""One round for one CrawlJob: observe, plan, act. Here, and only here, observing and acting meet.

Both work on the same connections, and what acting learns is handed to the observer. What the observer remembers and
what metrics show is dropped when the CrawlJob is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kubernetes.client import ApiClient

from crawl_core.clock import Clock
from crawl_operator.act.act import CrawlJobGoneError, Tools, act
from crawl_operator.act.event_recorder import EventRecorder
from crawl_operator.act.upkeep import Upkeep
from crawl_operator.connect.backends import Backends
from crawl_operator.connect.buckets import Buckets
from crawl_operator.connect.secrets import SecretReader
from crawl_operator.decide.plan import plan
from crawl_operator.expose.job_metrics import JobMetrics
from crawl_operator.kube.api import Api
from crawl_operator.kube.cluster import Cluster
from crawl_operator.kube.views import crawljob_view, deployment_view
from crawl_operator.observe.observer import Observer
from crawl_operator.values import names
from crawl_operator.values.model import CrawlJobView, DeploymentView, Feedback, Key, Observation, Plan, WorkerSettings
from crawl_operator.watch.store import Raw, Store


class RoundIO:
    """Observes and acts on one cluster, with one set of connections to the CrawlJobs' backends."""

    def __init__(self, cluster: Cluster, clock: Clock, *, instance: str = "") -> None:
        """`instance` signs the Events."""
        self.backends, self.buckets = Backends(clock), Buckets(clock)
        secrets = SecretReader(cluster, clock)
        self._observer = Observer(cluster, self.backends, secrets, self.buckets, clock)
        self._tools = Tools(
            cluster, self.backends, secrets, self.buckets, EventRecorder(cluster, clock, instance=instance)
        )

    async def observe(self, crawljob: CrawlJobView, deployment: DeploymentView | None) -> Observation:
        """One look. Raises an ApiError where the API server is out of reach."""
        return await self._observer.observe(crawljob, deployment)

    async def act(self, observation: Observation, planned: Plan) -> float | None:
        """Carry out a plan, and let the observer know what that brought to light.

        Returns the seconds until the next look: 0 for at once, None when nothing changes by itself. Raises what made an
        action fail, once status and Events are written, and CrawlJobGoneError.
        """
        feedback = Feedback()
        try:
            return await act(observation, planned, self._tools, feedback=feedback)
        finally:
            # Also of a round that its time limit cuts off: forgotten, a forced seeding would be made in every round.
            self._observer.learn(observation, feedback)

    def forget(self, key: Key) -> None:
        """A CrawlJob is gone."""
        self._observer.forget(key)

    async def close(self) -> None:
        """Close the connections."""
        await self.backends.close()


@dataclass(slots=True)
class _CachedView:
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
        self._io = RoundIO(Cluster(self._api), clock, instance=instance)
        self.upkeep = Upkeep(self._io.backends, self._io.buckets, may_act=may_act, clock=clock)
        self._store = store
        self._may_act = may_act
        self._workers = workers
        self._views: dict[Key, _CachedView] = {}
        self.job_metrics = JobMetrics()
        """What metrics say of the CrawlJobs that were looked at."""

    async def close(self) -> None:
        """Close what is open."""
        await self._io.close()
        self._api.close()

    async def round(self, key: Key) -> float | None:
        """Look at one CrawlJob and do what follows. The seconds until the next look; None when it is gone."""
        view = self._view(key)
        if view is None:
            # Its Deployment goes with it: it is owned, and the API server's collector deletes what lost its owner.
            self._views.pop(key, None)
            self._io.forget(key)
            self.job_metrics.forget(key)
            return None
        raw = self._store.deployment(key, names.workers_of(key.name))
        observation = await self._io.observe(view, None if raw is None else deployment_view(raw))
        planned = plan(observation, settings=self._workers)
        if not self._may_act():
            # The lead was lost while we looked. Whoever leads now looks at all by itself.
            return None
        self.job_metrics.update(observation, planned.status)
        try:
            return await self._io.act(observation, planned)
        except CrawlJobGoneError:
            # Its deletion went by unseen. What the watch brings of a later one of its name stays.
            self._store.remove("crawljobs", self._views[key].raw)
            self.job_metrics.forget(key)
            return None

    def _view(self, key: Key) -> CrawlJobView | None:
        raw = self._store.crawljob(key)
        if raw is None:
            return None
        cached = self._views.get(key)
        if cached is None or cached.raw is not raw:
            cached = self._views[key] = _CachedView(raw, crawljob_view(raw))
        return cached.view
