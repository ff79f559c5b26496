"""What a round learnt reaches the next look, however the round ends."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import pytest
from support.fakes.observations import fresh, planned
from support.fakes.operator_rounds import TurnedClock

from crawl_operator.kube.api import ConflictError, ForbiddenError, MissingError
from crawl_operator.kube.cluster import Cluster
from crawl_operator.rounds.reconcile import RoundIO
from crawl_operator.values.model import CreateDeployment, Plan


class HangingCluster:
    """An API server that has a Deployment of the workers' name, and never answers a write of the status."""

    def __init__(self) -> None:
        self.deployments_read: list[str] = []
        self.status_asked = asyncio.Event()

    async def create_deployment(self, namespace: str, manifest: Mapping[str, Any]) -> None:
        raise ConflictError("exists already")

    async def apply_status(self, crawljob: object, status: object) -> None:
        self.status_asked.set()
        await asyncio.Event().wait()

    async def get_deployment(self, namespace: str, name: str) -> Mapping[str, Any]:
        self.deployments_read.append(name)
        raise MissingError("there is none")

    async def get_secret(self, namespace: str, name: str) -> Mapping[str, Any]:
        raise ForbiddenError("no right to read Secrets")


async def test_what_a_round_learnt_before_it_was_cut_off_reaches_the_next_look() -> None:
    cluster = HangingCluster()
    round_io = RoundIO(cast("Cluster", cluster), TurnedClock())
    seen = fresh()
    plan = Plan(actions=(CreateDeployment({}),), status=planned(seen).status)
    acting = asyncio.create_task(round_io.act(seen, plan))
    await cluster.status_asked.wait()
    acting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await acting

    await round_io.observe(seen.crawljob, None)

    assert len(cluster.deployments_read) == 1, "a Deployment that the watch did not bring is looked for by its name"
    await round_io.close()
