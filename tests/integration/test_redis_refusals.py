"""A real Valkey refuses in each of the ways that it can be made to: an outage that is waited out, told in words."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis
from conftest import running
from support.processes.redis_refusals import REFUSALS
from support.processes.servers import Valkey

from crawl_core.backends import trust
from crawl_core.backends.scripts import PrimaryClient, connect_redis, ping
from crawl_core.clock import SystemClock
from crawl_core.errors import ConfigurationError, RedisUnavailableError
from crawl_core.frontier.frontier import Frontier
from crawl_core.limiter.bucket import Bucket, Grant, Unknown
from crawl_core.values.frontier import Lease
from crawl_core.values.limits import BucketLimits, BucketRow

WORDS = {
    "READONLY": "it is a replica",
    "MASTERDOWN": "it is a replica that lost its primary",
    "NOREPLICAS": "min-replicas-to-write",
    "OOM": "raise its maxmemory",
    "MISCONF": "it cannot save its data",
    "BUSY": "a script or a function of somebody else's",
    "NOAUTH": "as it did not before: Redis wants a password",
    "NOPERM": "as it did not before: Redis denies its user a right",
}
LIMITS = BucketLimits(requests=100, window_s=1.0, request_timeout_s=1.0, even=False)


class TurnedClock(SystemClock):
    now_s = 1_000

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with running(partial(Valkey, appendonly="no")) as valkey:
        yield valkey


@pytest.fixture
async def client(server: Valkey) -> AsyncIterator[PrimaryClient]:
    server.flush()
    opened = connect_redis(server.url)
    yield opened
    await opened.aclose()


async def bucket_of(client: PrimaryClient) -> Bucket:
    bucket = Bucket(client, "b")
    unknown = await bucket.request_permits(0)
    assert isinstance(unknown, Unknown)
    assert await bucket.init(BucketRow("b", LIMITS, 0, 0), asked=unknown, fresh=True)
    return bucket


def memory(server: Valkey) -> dict[str, Any]:
    """Everything that is stored. DUMP ends with a version and a checksum that depend on nothing else."""
    with redis.Redis(port=server.port) as raw:
        return {key: raw.dump(key) for key in sorted(raw.keys())}


@pytest.mark.parametrize("code", REFUSALS)
async def test_a_refusal_is_an_outage_with_its_reason_and_passes(
    server: Valkey, client: PrimaryClient, code: str
) -> None:
    frontier = Frontier(client, "uid")
    await frontier.seed([1, 2, 3])
    with REFUSALS[code](server):
        for _ in range(2):
            with pytest.raises(RedisUnavailableError) as refused:
                await frontier.seed([4])
        assert WORDS[code] in str(refused.value)
        assert code in str(refused.value) or code in ("NOAUTH", "NOPERM")
    _, added = await frontier.seed([4])
    assert added == 1


@pytest.mark.parametrize("code", [code for code in REFUSALS if code not in ("NOAUTH", "NOPERM")])
async def test_a_script_that_is_refused_has_written_nothing(server: Valkey, client: PrimaryClient, code: str) -> None:
    bucket, frontier = await bucket_of(client), Frontier(client, "uid")
    await frontier.seed([1, 2, 3])
    lease = await frontier.claim()
    assert isinstance(lease, Lease)
    granted = await bucket.request_permits(2)
    assert isinstance(granted, Grant)
    calls = [
        partial(bucket.request_permits, 3, answered=[(granted.permits[0], 0)]),
        partial(bucket.write_freeze, asked_us=10**6, first_us=10**6, longest_us=10**6, epoch=0, sent_epoch=0),
        partial(bucket.lift_freeze, epoch=0),
        partial(bucket.apply_row, BucketRow("b", LIMITS, 0, 1), read_us=granted.now_us),
        partial(frontier.claim),
        partial(frontier.renew, [lease]),
        partial(frontier.release, lease),
        partial(frontier.seed, [7, 8]),
    ]
    refused = 0
    for call in calls:
        before = memory(server)
        with REFUSALS[code](server):
            try:
                await call()  # type: ignore[operator]
            except RedisUnavailableError:
                refused += 1
            else:
                continue  # where memory is full, a script whose first write frees some may run to its end
        assert memory(server) == before, call
    assert refused >= len(calls) / 2


@pytest.mark.parametrize("code", ["NOAUTH", "NOPERM"])
async def test_what_was_never_allowed_is_a_persons_matter_at_once(server: Valkey, code: str) -> None:
    with REFUSALS[code](server):
        stranger = connect_redis(server.url)
        with pytest.raises(ConfigurationError, match=r"ACL SETUSER|wants a password"):
            await Frontier(stranger, "uid").seed([1])
        await stranger.aclose()


async def test_a_password_that_is_rotated_meets_no_first_use_as_a_persons_matter(
    server: Valkey, client: PrimaryClient
) -> None:
    """Whatever comes next comes for the first time, such as the first 429 of a crawl."""
    await client.ping()
    bucket = Bucket(client, "b")
    with REFUSALS["NOAUTH"](server):
        with pytest.raises(RedisUnavailableError):  # of the connection that was closed
            await client.ping()
        for call in (partial(bucket.note_success, epoch=1), partial(bucket.lift_freeze, epoch=0), bucket.look):
            with pytest.raises(RedisUnavailableError, match="wants a password"):
                await call()  # type: ignore[operator]
    assert await client.hget("artistcrawl:x", "a") is None


async def test_a_password_that_is_refused_is_believed_in_the_end_whatever_is_called(
    server: Valkey, client: PrimaryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await client.ping()
    with REFUSALS["NOAUTH"](server):
        with pytest.raises(RedisUnavailableError):
            await client.ping()
        monkeypatch.setattr(trust, "BELIEVED_AFTER_S", 0.0)
        with pytest.raises(ConfigurationError, match="wants a password"):
            await Frontier(client, "uid").seed([1])


async def test_refusals_with_an_outage_between_them_are_no_minutes_of_refusals(
    server: Valkey, client: PrimaryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    frontier = Frontier(client, "uid")
    await frontier.seed([1])
    monkeypatch.setattr(trust, "BELIEVED_AFTER_S", 10.0)
    turned = TurnedClock()
    client.trust = trust.Trust(turned)
    await frontier.seed([1])
    for refused in ("NOPERM", "OOM", "NOPERM"):
        with REFUSALS[refused](server), pytest.raises(RedisUnavailableError):
            await frontier.seed([turned.now_s])
        turned.now_s += 5


async def test_a_right_that_stays_taken_away_is_believed_in_the_end(
    server: Valkey, client: PrimaryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    frontier = Frontier(client, "uid")
    await frontier.seed([1])
    with REFUSALS["NOPERM"](server):
        with pytest.raises(RedisUnavailableError):
            await frontier.seed([2])
        monkeypatch.setattr(trust, "BELIEVED_AFTER_S", 0.0)
        with pytest.raises(ConfigurationError, match="ACL SETUSER"):
            await frontier.seed([2])


async def test_the_rights_that_are_named_are_enough(server: Valkey) -> None:
    from crawl_core.backends.redis_errors import RIGHTS

    with server.client() as admin:
        admin.execute_command("ACL", "SETUSER", "crawler", "on", ">pass", *RIGHTS.split())
    client = connect_redis(server.url.replace("redis://", "redis://crawler:pass@"))
    frontier = Frontier(client, "uid")
    await frontier.seed([1])
    await frontier.release(await frontier.claim())  # type: ignore[arg-type]
    await bucket_of(client)
    await ping(client)
    assert (await client.info("memory"))["maxmemory_policy"]
    await client.aclose()


async def test_a_server_without_evalsha_is_a_persons_matter() -> None:
    # The wheel's client asks the server nothing that is renamed here.
    with running(partial(Valkey, appendonly="no", **{"rename-command": "EVALSHA NOBODY"})) as server:
        client = connect_redis(server.url)
        with pytest.raises(ConfigurationError, match="lacks a command"):
            await Frontier(client, "uid").seed([1])
        await client.aclose()


async def test_a_cluster_is_told_that_one_primary_is_needed() -> None:
    with running(partial(Valkey, appendonly="no", **{"cluster-enabled": "yes"})) as server:
        client = connect_redis(server.url)
        with pytest.raises(ConfigurationError, match="name one primary"):
            await Frontier(client, "uid").seed([1])
        await client.aclose()


async def test_a_server_that_loads_its_data_is_waited_for(tmp_path: Path) -> None:
    slowly = {"key-load-delay": "2000", "loading-process-events-interval-bytes": "1024", "save": "3600 1"}
    with running(partial(Valkey, appendonly="no", **slowly)) as server:
        with server.client() as admin:
            admin.mset({f"key{number}": "x" * 100 for number in range(1500)})
            admin.save()
        server.kill()
        starting = threading.Thread(target=partial(server.restart, keep_data=True))
        starting.start()
        client = connect_redis(server.url)
        said = ""
        while "it still loads its data" not in said:
            with pytest.raises(RedisUnavailableError) as refused:
                await ping(client)
            said = str(refused.value)
        starting.join()
        while True:
            try:
                await ping(client)
                break
            except RedisUnavailableError:
                pass
        await client.aclose()
