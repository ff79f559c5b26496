"""A CrawlJob in a cluster, its pods, and the proof that nothing of it was lost, repeated or too fast."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from support.cluster.kube import eventually
from support.cluster.kube_release import ARTISTS, Release
from support.processes.crawl_process import Crawl, crawljob
from support.proofs.crawl_proof import lost_answers, most_in_a_window, prove_ledger
from support.proofs.oracle import Oracle

from crawl_sandbox.synthetic import generate

ALPHABET = "abcdefghijkl"
"""12 of the 26 letters that occur in names: there are artists that no string finds."""

LENGTH = 3
STRINGS = len(ALPHABET) ** LENGTH
RATE = 90
"""Requests a second: a crawl takes 20 s, long enough to be hit in its middle."""
WINDOW_S = 2
WORKERS = 3
CONCURRENCY = 2

SPEC = f"""
keyspace: {{alphabet: {ALPHABET}, minLength: {LENGTH}, maxLength: {LENGTH}, rangeSize: 24}}
source: {{requestTimeout: 3s}}
rateLimit: {{requests: {RATE * WINDOW_S}, window: {WINDOW_S}s, bucket: Job}}
workers: {{min: {WORKERS}, max: {WORKERS}, concurrency: {CONCURRENCY}}}
"""


@cache
def oracle() -> Oracle:
    """The right answers of the sandbox's catalogue, computed without our matching."""
    return Oracle((row.id, row.name, row.popularity or 0) for row in generate(ARTISTS, seed=0))


@dataclass
class ClusterCrawl(Crawl):
    """A CrawlJob of a release; what a local crawl proves of ledger and sandbox is proven here by the same code."""

    release: Release | None = None

    @property
    def id(self) -> int:
        """The job's, in the ledger: the living one of this name."""
        names = self.job.metadata
        return int(
            self.value(
                f"SELECT id FROM crawl_job WHERE namespace = '{self._of.namespace}' AND name = '{names.name}' "
                "AND deleted_at IS NULL"
            )
        )

    @property
    def run_id(self) -> int:
        """The job's current run, in the ledger."""
        return int(self.value(f"SELECT run_id FROM crawl_job WHERE id = {self.id}"))

    @property
    def _of(self) -> Release:
        assert self.release is not None
        return self.release

    @property
    def name(self) -> str:
        return f"crawljob/{self.job.metadata.name}"

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Of the ledger. The port's first connection after a pod was replaced is closed, so it is tried again."""
        with suppress(psycopg.OperationalError):
            return super().rows(statement)
        eventually(lambda: _answers(self.postgres_url), "the ledger answers")
        return super().rows(statement)

    def apply_again(self) -> None:
        """`kubectl apply` of the CrawlJob."""
        spec = self.job.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
        names = {"name": self.job.metadata.name, "namespace": self._of.namespace}
        body = {"apiVersion": "artistcrawl.dev/v1alpha1", "kind": "CrawlJob", "metadata": names, "spec": spec}
        self._of.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(body))

    def patch(self, text: str) -> None:
        """`kubectl patch` of the spec."""
        self._of.kubectl("patch", self.name, "--type=merge", "-p", f'{{"spec": {text}}}')

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self._of.get(self.name).get("status", {})
        return status

    def wait_for(self, condition: str, *, timeout_s: int = 150) -> None:
        """`kubectl wait`, as a user would."""
        self._of.kubectl(
            "wait", f"--for=condition={condition}", self.name, f"--timeout={timeout_s}s", timeout_s=timeout_s + 30
        )

    def workers_pods(self) -> list[dict[str, Any]]:
        """The workers' pods that are not on their way out."""
        return self._of.pods(f"artistcrawl.dev/crawljob={self.job.metadata.name}")

    def ready_workers(self) -> list[dict[str, Any]]:
        return [pod for pod in self.workers_pods() if is_ready(pod)]

    def wait_for_workers(self, count: int, *, timeout_s: float = 90) -> None:
        """Until exactly so many are up, all of them ready."""

        def right() -> bool:
            pods = self.workers_pods()
            return len(pods) == count and all(map(is_ready, pods))

        eventually(right, f"{count} workers", timeout_s=timeout_s)

    def searches(self) -> int:
        """Committed so far; 0 while the ledger has no such job, or does not answer."""
        with suppress(psycopg.Error, IndexError):
            return int(self.value(f"SELECT count(*) FROM search WHERE run_id = {self.run_id}"))
        return 0

    def wait_for_searches(self, count: int, *, timeout_s: float = 120) -> None:
        eventually(lambda: self.searches() >= count, f"{count} searches", timeout_s=timeout_s)

    def prove(self, *, broken: int = 0) -> None:
        """Succeeded, nothing missing, nothing twice, no window above the limit; repeats only of what was broken."""
        self.wait_for("Succeeded")
        prove_ledger(self, oracle())
        assert most_in_a_window(self, window_s=WINDOW_S) <= RATE * WINDOW_S
        lost = lost_answers(self)
        print(f"{self.job.metadata.name}: {len(lost)} repeats, {broken} broken")
        assert len(lost) <= broken * BROKEN_COST, f"{len(lost)} repeats, {broken} broken: {self.explain_repeats()}"

    def explain_repeats(self) -> str:
        """Who asked when for what was asked twice, and what came of it as the workers tell it."""
        queries = {entry["query"] for entry in lost_answers(self)}
        asked = [entry for entry in self.sandbox.requests() if entry["query"] in queries]
        with psycopg.connect(self.postgres_url) as ledger:
            told = ledger.execute(
                "SELECT at::text, duration_s, status, string, outcome, worker FROM api_request "
                "WHERE job_id = %s AND string = ANY(%s) ORDER BY at",
                [self.id, list(queries)],
            ).fetchall()
        return "\n".join(map(str, (*asked[:40], *told[:40])))


BROKEN_COST = RATE // WORKERS * 2 + CONCURRENCY
"""The most that one broken worker, of its share, may have asked in a flush interval (1 s, and its way into the ledger)
and in flight."""


def _answers(postgres_url: str) -> bool:
    with suppress(psycopg.OperationalError), psycopg.connect(postgres_url, connect_timeout=5):
        return True
    return False


def is_ready(pod: dict[str, Any]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))


@contextmanager
def applied(release: Release, name: str, spec: str = SPEC) -> Iterator[ClusterCrawl]:
    """Apply a CrawlJob, alone in the sandbox's log, and delete it afterwards."""
    release.sandbox.control(clear=True)
    flow = "{" + ", ".join(line for line in spec.strip().splitlines()) + "}"
    with tempfile.TemporaryDirectory() as folder:
        job = crawljob(flow, name=name)
        crawl = ClusterCrawl(job, release.postgres_url, "", release.sandbox, Path(folder), 30.0, release=release)
        crawl.apply_again()
        try:
            yield crawl
        finally:
            crawl.close()
            release.kubectl("delete", crawl.name, "--ignore-not-found", "--wait=false")
