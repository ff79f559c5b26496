"""What many CrawlJobs cost the operator: `python -m tests.bench.bench_operator --jobs 200`, some minutes.

A real operator on a real API server without nodes, with real PostgreSQL and Valkey. Workers never run; what they would
commit is written by SQL, so that PostgreSQL is not what is measured. The age of a status is how long ago what it says
was true: every second each job's count of requests goes up, and what the API server has is compared with that.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import psycopg
from kubernetes import client, config, watch
from urllib3.exceptions import HTTPError

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # where the tests' own modules lie, as for pytest

from support.processes.api_server import api_server  # noqa: E402
from support.processes.operator_process import Scene, eventually, operated  # noqa: E402
from support.processes.servers import Postgres, Valkey, server_folder  # noqa: E402

from tests.bench.rows import Row, at_most, stated  # noqa: E402

CRAWLJOBS = ("artistcrawl.dev", "v1alpha1")
CRD_FILE = HERE.parents[1] / "k8s" / "crds" / "crawljobs.artistcrawl.dev.yaml"
SMALL = {"minLength": 1, "maxLength": 1}
"""One range."""
QUIET_S = 10
DEFAULT: dict[str, Any] = {}
"""1,296 ranges."""

_BUMP = """
UPDATE crawl_range SET requests = %s, searches = 1, changed_at = now()
WHERE id IN (SELECT min(id) FROM crawl_range GROUP BY run_id)
"""
_FINISH = """
WITH firsts AS (SELECT run_id, min(id) AS id FROM crawl_range GROUP BY run_id)
UPDATE crawl_range r SET state = 'done', cursor = NULL,
       covered = CASE WHEN r.id = f.id THEN n.total ELSE 0 END
FROM crawl_run n, firsts f WHERE n.id = r.run_id AND f.run_id = r.run_id
"""


@dataclass
class Sight:
    """What the API server has, as watches bring it."""

    deployed_s: dict[str, float] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)
    succeeded: set[str] = field(default_factory=set)
    changed_s: float = 0.0
    """When anything changed last."""

    def crawljob(self, raw: Any) -> None:
        name, status = raw["metadata"]["name"], raw.get("status") or {}
        self.requests[name] = status.get("requests") or 0
        if status.get("state") == "Succeeded":
            self.succeeded.add(name)

    def deployment(self, raw: Any) -> None:
        name = raw["metadata"]["labels"].get("artistcrawl.dev/crawljob")
        self.deployed_s.setdefault(name, time.monotonic())


@dataclass(frozen=True)
class Cost:
    """Of processes, over a while."""

    cores: float
    rss_mb: float


def run(
    *, jobs: int = 200, keyspace: dict[str, Any] | None = None, active_s: float = 60, idle_s: float = 60
) -> list[Row]:
    """All of it, in a namespace and with servers of its own."""
    with server_folder() as folder:
        postgres, valkey = Postgres(folder / "pg"), Valkey(folder / "redis", appendonly="no")
        try:
            with _scene(postgres, valkey) as (scene, api):
                bench = Bench(scene, api, postgres, jobs=jobs, keyspace=SMALL if keyspace is None else keyspace)
                return bench.run(active_s=active_s, idle_s=idle_s)
        finally:
            valkey.stop()
            postgres.stop()


@contextmanager
def _scene(postgres: Postgres, valkey: Valkey) -> Iterator[tuple[Scene, client.ApiClient]]:
    with api_server() as server, postgres.database() as url, tempfile.TemporaryDirectory() as folder:
        server.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRD_FILE))
        with config.new_client_from_config(config_file=str(server.kubeconfig)) as api:
            core = client.CoreV1Api(api)
            namespace = core.create_namespace({"metadata": {"generateName": "artistcrawl-bench-"}}).metadata.name
            try:
                with operated(server, namespace, url, valkey.url, Path(folder)) as scene:
                    yield scene, api
                    scene.kubectl("delete", "crawljobs", "--all", "--wait=false")
            finally:
                core.delete_namespace(namespace)


class Bench:
    """One run."""

    def __init__(
        self, scene: Scene, api: client.ApiClient, postgres: Postgres, *, jobs: int, keyspace: dict[str, Any]
    ) -> None:
        self.scene, self.api, self.postgres, self.jobs, self.keyspace = scene, api, postgres, jobs, keyspace
        self.sight = Sight()
        self.bumped_s: list[float] = []
        """When each job's count became its index plus one."""
        operator = scene.leader()
        self.operator = psutil.Process(operator.process.pid)
        self.postmaster = psutil.Process(postgres.pid)

    def run(self, *, active_s: float, idle_s: float) -> list[Row]:
        rows = [stated("RSS of an operator without CrawlJobs", self.operator.memory_info().rss / 1e6, "MB")]
        self._watch()
        rows += self._create()
        rows += self._active(active_s)
        rows += self._finish()
        rows += self._idle(idle_s)
        failed = self.scene.operators[0].lines("round.failed")
        return [*rows, at_most("rounds that failed", len(failed), 0, "")]

    def _watch(self) -> None:
        crawljobs = partial(
            client.CustomObjectsApi(self.api).list_namespaced_custom_object, *CRAWLJOBS, plural="crawljobs"
        )
        deployments = partial(
            client.CustomObjectsApi(self.api).list_namespaced_custom_object, "apps", "v1", plural="deployments"
        )
        for lister, see in ((crawljobs, self.sight.crawljob), (deployments, self.sight.deployment)):
            threading.Thread(target=self._follow, args=(lister, see), daemon=True).start()

    def _follow(self, lister: Any, see: Any) -> None:
        while True:
            with suppress(HTTPError, OSError, client.ApiException):  # Every few minutes, or at the end.
                for event in watch.Watch().stream(lister, namespace=self.scene.namespace):
                    see(event["object"])
                    self.sight.changed_s = time.monotonic()
            time.sleep(1)

    def _create(self) -> list[Row]:
        """All at once, from eight clients."""
        objects, created_s = client.CustomObjectsApi(self.api), {}

        def create(number: int) -> None:
            name = f"bench-{number:04}"
            body = {
                "apiVersion": "/".join(CRAWLJOBS),
                "kind": "CrawlJob",
                "metadata": {"name": name},
                "spec": {"keyspace": self.keyspace},
            }
            objects.create_namespaced_custom_object(*CRAWLJOBS, self.scene.namespace, "crawljobs", body)
            created_s[name] = time.monotonic()

        with ThreadPoolExecutor(8) as threads, self._cost("from the first creation to the last Deployment") as cost:
            began_s = time.monotonic()
            list(threads.map(create, range(self.jobs)))
            all_s = time.monotonic() - began_s
            eventually(lambda: len(self.sight.deployed_s) >= self.jobs, "Deployments", timeout_s=60 + self.jobs)
            took_s = time.monotonic() - began_s
        waits = [self.sight.deployed_s[name] - at_s for name, at_s in created_s.items()]
        return [
            stated(f"{self.jobs} CrawlJobs created in", all_s, "s"),
            stated("created to Deployment, p50", quantile(waits, 0.5), "s"),
            at_most("created to Deployment, p99", quantile(waits, 0.99), 15, "s"),
            stated("first creation to last Deployment", took_s, "s"),
            *cost,
        ]

    def _active(self, seconds: float) -> list[Row]:
        with psycopg.connect(self.scene.postgres_url, autocommit=True) as ledger:
            self._bumped(ledger, 30.0)  # until each has been looked at in the ordinary rhythm
            with self._cost("while all are active") as cost:
                ages = self._bumped(ledger, seconds)
        return [
            stated("status age while all are active, p50", quantile(ages, 0.5), "s"),
            at_most("status age while all are active, p99", quantile(ages, 0.99), 30, "s"),
            *cost,
        ]

    def _bumped(self, ledger: psycopg.Connection[Any], seconds: float) -> list[float]:
        """Raise each job's count every second; the ages of all statuses, a second apart."""
        began_s, ages = time.monotonic(), []
        while (now_s := time.monotonic()) - began_s < seconds:
            # A status is as old as the first count that it does not show.
            ages += [
                now_s - self.bumped_s[shown] if shown < len(self.bumped_s) else 0.0
                for shown in list(self.sight.requests.values())
            ]
            ledger.execute(_BUMP, (len(self.bumped_s) + 1,))
            self.bumped_s.append(time.monotonic())
            time.sleep(max(0.0, 1 - (time.monotonic() - now_s)))
        return ages

    def _finish(self) -> list[Row]:
        with psycopg.connect(self.scene.postgres_url, autocommit=True) as ledger:
            ledger.execute(_FINISH)
        began_s = time.monotonic()
        eventually(lambda: len(self.sight.succeeded) >= self.jobs, "Succeeded", timeout_s=120 + self.jobs)
        return [stated("all finished to all Succeeded", time.monotonic() - began_s, "s")]

    def _idle(self, seconds: float) -> list[Row]:
        # The last workers go, one round each, after the CrawlJobs' last word.
        eventually(lambda: time.monotonic() - self.sight.changed_s > QUIET_S, "an end of changes", timeout_s=300)
        with self._cost("with all finished", goals=(250, 0.03)) as cost:
            time.sleep(seconds)
        return cost

    @contextmanager
    def _cost(self, when: str, *, goals: tuple[float, float] | None = None) -> Iterator[list[Row]]:
        """Of the operator and of PostgreSQL, in the with block; the rows are there after it."""
        rows: list[Row] = []
        operator_s, postgres_s, began_s = cpu_s([self.operator]), cpu_s(self._postgres()), time.monotonic()
        yield rows
        took_s = time.monotonic() - began_s
        cores = (cpu_s([self.operator]) - operator_s) / took_s
        rss_mb = self.operator.memory_info().rss / 1e6
        cpu = f"operator's share of a core {when}"
        rows += [
            at_most(cpu, cores, goals[1], "cores") if goals else stated(cpu, cores, "cores"),
            stated(f"PostgreSQL's share {when}", (cpu_s(self._postgres()) - postgres_s) / took_s, "cores"),
            at_most(f"operator's RSS {when}", rss_mb, 250, "MB"),
        ]

    def _postgres(self) -> list[psutil.Process]:
        return [self.postmaster, *self.postmaster.children()]


def cpu_s(processes: list[psutil.Process]) -> float:
    """Seconds of processor that they have used, and their ended children."""
    total = 0.0
    for each in processes:
        times = each.cpu_times()
        total += times.user + times.system
    return total


def quantile(values: list[float], share: float) -> float:
    """The smallest value that this share of all is not above."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_operator", description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--default-size", action="store_true", help="1,296 ranges each, instead of one")
    parser.add_argument("--active", type=float, default=60, metavar="SECONDS")
    parser.add_argument("--idle", type=float, default=60, metavar="SECONDS")
    options = parser.parse_args()
    keyspace = DEFAULT if options.default_size else SMALL
    rows = run(jobs=options.jobs, keyspace=keyspace, active_s=options.active, idle_s=options.idle)
    for row in rows:
        mark = {True: "holds", False: "MISSED", None: ""}[row.ok]
        print(f"{row.name:70} {row.value:10.3f} {row.unit:6} {row.goal:10} {mark}")
    return 1 if any(row.ok is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
