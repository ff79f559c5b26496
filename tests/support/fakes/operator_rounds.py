"""Looking and acting in tests: a CrawlJob as the API server sends it, Secrets from a dict, and a clock to turn."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from crawl_core.clock import SYSTEM_CLOCK, SystemClock
from crawl_operator.kube.api import MissingError
from crawl_operator.kube.views import crawljob_view
from crawl_operator.rounds.reconcile import RoundIO
from crawl_operator.values.model import Action, CrawlJobView, Observation, Plan

SMALL = {"minLength": 4, "maxLength": 4, "first": "aa00", "last": "aa1z", "rangeSize": 36}
"""36 + 36 strings in two ranges."""


class TurnedClock(SystemClock):
    """The machine's clock, and as much ahead as a test says."""

    ahead_s = 0.0

    def monotonic(self) -> float:
        return SYSTEM_CLOCK.monotonic() + self.ahead_s

    def time(self) -> float:
        return SYSTEM_CLOCK.time() + self.ahead_s


class SecretsOnly:
    """A cluster in which there are Secrets, and CrawlJobs as they were seen: what else is asked of it fails loudly."""

    def __init__(self, **secrets: Mapping[str, str]) -> None:
        self.secrets = {name.replace("_", "-"): dict(values) for name, values in secrets.items()}
        self.reads = 0

    async def confirm(self, seen: CrawlJobView) -> None:
        """It is as it was seen."""

    async def get_secret(self, namespace: str, name: str) -> dict[str, Any]:
        self.reads += 1
        if name not in self.secrets:
            raise MissingError(f"no Secret {name}")
        data = {key: base64.b64encode(value.encode()).decode() for key, value in self.secrets[name].items()}
        return {"metadata": {"name": name, "resourceVersion": str(hash(str(data)))}, "data": data}


def backends(postgres_url: str, redis_url: str = "redis://127.0.0.1:1/0") -> SecretsOnly:
    """The Secret that CrawlJobs name unless they say otherwise."""
    return SecretsOnly(artistcrawl_backends={"postgres-url": postgres_url, "redis-url": redis_url})


def raw_crawljob(
    name: str = "artists", *, namespace: str = "default", uid: str = "uid-1", **spec: Any
) -> dict[str, Any]:
    """A CrawlJob of 72 strings in two ranges, unless `spec` says otherwise."""
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid,
            "resourceVersion": "7",
            "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {"keyspace": SMALL, **spec},
    }


def view(name: str = "artists", **more: Any) -> CrawlJobView:
    return crawljob_view(raw_crawljob(name, **more))


@asynccontextmanager
async def opened_round_io(cluster: Any, clock: SystemClock | None = None) -> AsyncIterator[RoundIO]:
    """What observes and acts, closed at the end."""
    round_io = RoundIO(cluster, clock or TurnedClock())
    try:
        yield round_io
    finally:
        await round_io.close()


async def look(round_io: RoundIO, crawljob: CrawlJobView | None = None) -> Observation:
    return await round_io.observe(crawljob or view(), None)


async def do(round_io: RoundIO, *actions: Action, crawljob: CrawlJobView | None = None) -> Observation:
    """Look, do these steps, and look again."""
    await round_io.act(await look(round_io, crawljob), Plan(actions=actions))
    return await look(round_io, crawljob)
