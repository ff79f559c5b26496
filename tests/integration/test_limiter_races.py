"""A hundred clients at once on one bucket, on the server's own clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from crawl_core.backends.scripts import connect_redis
from crawl_core.limiter.bucket import Bucket, Grant, Unknown
from crawl_core.values.limits import BucketLimits, BucketRow

CLIENTS = 100
ROW = BucketRow("races", BucketLimits(30, 60.0, 10.0, even=False), 0, 0)


@pytest.fixture
async def buckets(redis_url: str) -> AsyncIterator[list[Bucket]]:
    connections = [connect_redis(redis_url, max_connections=1) for _ in range(CLIENTS)]
    yield [Bucket(connection, ROW.name) for connection in connections]
    for connection in connections:
        await connection.aclose()


async def ask(bucket: Bucket) -> Unknown:
    reply = await bucket.look()
    assert isinstance(reply, Unknown)
    return reply


async def all_at_once(*calls: Any) -> list[Any]:
    return list(await asyncio.gather(*calls))


async def test_of_a_hundred_initialisers_one_makes_the_bucket(buckets: list[Bucket]) -> None:
    asked = await ask(buckets[0])
    made = await all_at_once(*(bucket.init(ROW, asked=asked, fresh=False) for bucket in buckets))
    assert sum(made) == 1


async def test_a_hundred_clients_get_as_many_permits_as_there_are_slots(buckets: list[Bucket]) -> None:
    await buckets[0].init(ROW, asked=await ask(buckets[0]), fresh=True)
    grants: list[Grant] = await all_at_once(*(bucket.request_permits(1) for bucket in buckets))
    permits = [grant.permits[0] for grant in grants if grant.permits]
    assert len(permits) == len(set(permits)) == 30


async def test_a_hundred_answers_to_one_permit_free_one_slot(buckets: list[Bucket]) -> None:
    row = BucketRow(ROW.name, BucketLimits(2, 0.05, 10.0, even=False), 0, 0)
    await buckets[0].init(row, asked=await ask(buckets[0]), fresh=True)
    grant = await buckets[0].request_permits(2)
    assert isinstance(grant, Grant)
    await all_at_once(*(bucket.request_permits(0, answered=[(grant.permits[0], 60_000)]) for bucket in buckets))
    again: list[Grant] = await all_at_once(*(bucket.request_permits(1) for bucket in buckets))
    assert sum(bool(one.permits) for one in again) == 1


async def test_a_hundred_429s_raise_the_epoch_a_hundred_times_and_freeze_once(buckets: list[Bucket]) -> None:
    await buckets[0].init(ROW, asked=await ask(buckets[0]), fresh=True)
    freezes = await all_at_once(
        *(
            bucket.write_freeze(asked_us=0, first_us=60_000_000, longest_us=10**9, epoch=0, sent_epoch=0)
            for bucket in buckets
        )
    )
    assert sorted(freeze.epoch for freeze in freezes) == list(range(1, CLIENTS + 1))
    assert max(freeze.frozen_until_us - freeze.now_us for freeze in freezes) <= 60_000_000


async def test_a_hundred_processes_that_bring_a_row_change_the_limits_once(buckets: list[Bucket]) -> None:
    await buckets[0].init(ROW, asked=await ask(buckets[0]), fresh=True)
    views = await all_at_once(*(bucket.look() for bucket in buckets))
    raised = BucketRow(ROW.name, BucketLimits(40, 60.0, 10.0, even=False), 0, 0)
    await all_at_once(
        *(bucket.apply_row(raised, read_us=view.now_us) for bucket, view in zip(buckets, views, strict=True))
    )
    grants: list[Grant] = await all_at_once(*(bucket.request_permits(1) for bucket in buckets))
    assert sum(bool(grant.permits) for grant in grants) == 30
