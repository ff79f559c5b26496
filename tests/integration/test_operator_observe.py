"""One look at a CrawlJob: what is there, what is missing, and what keeps us from knowing, in plain words."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from support.fakes.ledgers import batch_of, taken_first_range, value
from support.fakes.operator_rounds import SecretsOnly, TurnedClock, backends, do, look, opened_round_io, view

from crawl_core.backends.scripts import connect_redis
from crawl_core.clock import SYSTEM_CLOCK
from crawl_core.frontier.frontier import Frontier
from crawl_core.job.look import FRESH_S
from crawl_core.job.views import FrontierView
from crawl_core.ledger import batches, jobs
from crawl_core.ledger.buckets import BucketRows
from crawl_core.limiter.bucket import Bucket
from crawl_core.limiter.record import BucketRecord
from crawl_core.values.rows import RequestRow
from crawl_operator.connect.secrets import KEPT_S
from crawl_operator.values.model import BeginRun, Memory, Plan, RecordJob, SeedFrontier, SettleJob, Unfreeze

RECORDED = (RecordJob(), SeedFrontier(force=False))


@pytest.fixture
def clock():
    return TurnedClock()


@pytest.fixture
async def made(ledger_url, redis_url, clock):
    async with opened_round_io(backends(ledger_url, redis_url), clock) as one:
        yield one


async def test_a_new_crawljob_is_in_no_ledger(made):
    seen = await look(made)
    assert (seen.row, seen.progress, seen.trouble, seen.client_id) == (None, None, None, "sandbox")


async def test_a_recorded_and_seeded_job_is_seen_whole(made):
    seen = await do(made, *RECORDED)
    assert seen.row.uid == "uid-1"
    assert seen.frontier == FrontierView(known=True, pending=2, epoch=seen.frontier.epoch)
    assert (seen.progress.open_ranges, seen.progress.total, seen.open_missing) == (2, 72, False)
    assert (seen.bucket.row.name, seen.bucket.frozen_until) == (seen.row.bucket, None)
    assert seen.bucket.slots_free == 10


async def test_what_the_frontier_counted_since_its_epoch_is_seen(made, redis_url):
    await do(made, *RECORDED)
    async with connect_redis(redis_url) as redis:
        frontier = Frontier(redis, "uid-1", lease_ttl_s=0.001)
        assert await frontier.complete(await frontier.claim())
        await frontier.claim()
        await asyncio.sleep(0.01)
        await frontier.claim()
    seen = (await look(made)).frontier
    assert (seen.completed, seen.expired, bool(seen.epoch)) == (1, 1, True)


async def test_two_operators_that_record_and_seed_at_once_make_one_job(made, ledger_url):
    await asyncio.gather(*(do(made, *RECORDED) for _ in range(4)))
    seen = await look(made)
    assert (seen.progress.open_ranges, seen.frontier.pending) == (2, 2)
    async with made.backends.ledger(ledger_url) as ledger:
        assert await value(ledger, "SELECT count(*) FROM crawl_job") == 1


async def test_what_is_remembered_of_a_run_is_forgotten_with_the_next(made, clock, ledger_url):
    await do(made, RecordJob(), SeedFrontier(force=True))
    clock.ahead_s = 30
    seen = await look(made)
    assert (seen.memory.seeded_at is not None, seen.memory.covered_per_s) == (True, 0.0)
    async with made.backends.ledger(ledger_url) as ledger:
        await value(ledger, "UPDATE crawl_run SET finished_at = now() RETURNING 1")
    seen = await do(made, BeginRun(seen.row.id, 2))
    assert (seen.row.run, seen.memory, [run.number for run in seen.ended_runs]) == (2, Memory(), [1])


async def test_a_redis_that_was_emptied_lacks_the_ranges(made, redis_server):
    await do(made, *RECORDED)
    redis_server.flush()
    seen = await look(made)
    assert (seen.frontier, seen.open_missing) == (FrontierView(known=False), True)
    assert (await do(made, SeedFrontier(force=False))).frontier.pending == 2


async def test_what_the_ledger_says_is_seen_while_redis_is_down(ledger_url, fresh_redis, clock):
    async with opened_round_io(backends(ledger_url, fresh_redis.url), clock) as made:
        await do(made, *RECORDED)
        fresh_redis.kill()
        seen = await look(made)
        assert (seen.trouble.reason, seen.trouble.permanent) == ("RedisUnavailable", False)
        assert (seen.progress.open_ranges, seen.frontier) == (2, None)
        fresh_redis.restart(keep_data=False)
        clock.ahead_s = 11
        seen = await look(made)
        assert (seen.trouble, seen.frontier) == (None, FrontierView(known=False))


async def test_a_finished_job_is_not_looked_for_in_redis(ledger_url, clock):
    async with opened_round_io(backends(ledger_url), clock) as made:
        await do(made, RecordJob())
        async with made.backends.ledger(ledger_url) as ledger:
            await value(ledger, "UPDATE crawl_run SET finished_at = now() RETURNING 1")
        seen = await look(made)
    assert (seen.trouble, seen.frontier, seen.progress.total) == (None, None, 72)


async def test_a_job_of_this_name_that_crawls_something_else_is_told_with_its_remedies(made):
    await do(made, RecordJob())
    other = view(keyspace={"minLength": 2, "maxLength": 2})
    seen = await look(made, other)
    assert (seen.trouble.reason, seen.trouble.permanent) == ("NameTaken", True)
    assert "spec.keyspace.maxLength: 4 there, 2 here" in seen.trouble.message
    assert "another metadata.name, or with the recorded values" in seen.trouble.message


def imitation(**source):
    spotify = {"type": "Spotify", "termsAccepted": True, "credentialsSecretRef": {"name": "spotify"}}
    spotify["tokenURL"] = "https://tokens.example"
    return view(keyspace={"first": "aa00", "last": "aa1z"}, source={**spotify, **source})


async def test_another_address_is_another_crawl_unless_the_dataset_is_said_to_be_the_same(ledger_url, redis_url, clock):
    cluster = backends(ledger_url, redis_url)
    cluster.secrets["spotify"] = {"client-id": "me", "client-secret": "secret"}
    async with opened_round_io(cluster, clock) as made:
        await do(made, RecordJob(), crawljob=imitation(baseURL="http://127.0.0.1:9"))
        moved = await look(made, imitation(baseURL="https://elsewhere.example"))
        assert moved.trouble.reason == "NameTaken"
        assert 'write source.dataset: "127.0.0.1:9"' in moved.trouble.message
        stated = imitation(baseURL="https://elsewhere.example", dataset="127.0.0.1:9")
        assert (await look(made, stated)).trouble is None


async def freeze(ledger, redis_url: str, bucket: str, seconds: float) -> None:
    """As a worker does on a 429."""
    async with connect_redis(redis_url) as redis:
        record = BucketRecord(Bucket(redis, bucket), BucketRows(ledger), clock=SYSTEM_CLOCK)
        await record.record_freeze(retry_after_s=seconds)


async def test_a_freeze_outlives_a_redis_that_lost_its_memory(made, clock, ledger_url, redis_url, redis_server):
    bucket = (await do(made, *RECORDED)).row.bucket
    async with made.backends.ledger(ledger_url) as ledger:
        await freeze(ledger, redis_url, bucket, 3600)
    redis_server.flush()
    clock.ahead_s = FRESH_S + 1
    seen = await look(made)
    left = seen.bucket.frozen_until - seen.now
    assert timedelta(minutes=58) < left < timedelta(minutes=61)


async def test_a_freeze_that_is_lifted_is_gone_at_the_next_look(made, clock, ledger_url, redis_url):
    bucket = (await do(made, *RECORDED)).row.bucket
    async with made.backends.ledger(ledger_url) as ledger:
        await freeze(ledger, redis_url, bucket, 3600)
    clock.ahead_s = FRESH_S + 1
    assert (await look(made)).bucket.frozen_until is not None
    assert (await do(made, Unfreeze(bucket))).bucket.frozen_until is None


async def test_the_job_whose_limit_binds_another_is_named(made, clock):
    strict = view("strict", uid="uid-2", rateLimit={"requests": 3, "window": "60s"})
    await do(made, RecordJob(), crawljob=strict)
    seen = await do(made, *RECORDED)
    assert (seen.bucket.row.limits.requests, [other.name for other in seen.bucket.binders]) == (3, ["default/strict"])
    assert (await look(made, strict)).bucket.binders == ()


async def test_a_job_with_a_limit_for_each_node_has_no_bucket(made):
    seen = await do(made, *RECORDED, crawljob=view(rateLimit={"bucket": "Node"}))
    assert (seen.bucket, seen.trouble) == (None, None)


async def test_a_finished_crawl_is_settled(made, ledger_url):
    await do(made, *RECORDED)
    async with made.backends.ledger(ledger_url) as ledger:
        await value(ledger, "UPDATE crawl_range SET state = 'done', cursor = NULL, covered = 36 RETURNING 1")
    assert (await do(made, SettleJob())).row.finished_at is not None


async def test_the_latency_is_of_the_last_requests(made, ledger_url):
    assert (await do(made, *RECORDED)).latency_s is None
    async with made.backends.ledger(ledger_url) as ledger:
        row = await jobs.find(ledger, "default", "artists")
        taken, owner = await taken_first_range(ledger, row)
        asked = [request(at_us=int(SYSTEM_CLOCK.time() * 1e6), duration_s=each) for each in (0.1, 0.3)]
        assert await batches.commit(ledger, batch_of(taken, owner, requests=asked))
    assert (await look(made)).latency_s == pytest.approx(0.2)


def request(**fields) -> RequestRow:
    about = {"page_offset": 0, "page_size": 50, "status": 200, "string": "aa00", "outcome": "ok", "worker": "w"}
    return RequestRow(**{**about, **fields})


async def test_a_missing_secret_is_told_with_the_command_that_makes_it():
    async with opened_round_io(SecretsOnly()) as made:
        seen = await look(made)
    assert (seen.trouble.reason, seen.secrets) == ("BackendsSecretMissing", "none")
    assert "| kubectl -n default create secret generic artistcrawl-backends --from-env-file=/dev/stdin" in (
        seen.trouble.message
    )


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"postgres-url": "postgresql://h/d"}, "has no redis-url"),
        ({"postgres-url": "postgresql://h/d\n", "redis-url": "redis://h"}, "ends with a space or a line break"),
    ],
)
async def test_a_secret_that_lacks_something_says_what(values, said):
    async with opened_round_io(SecretsOnly(artistcrawl_backends=values)) as made:
        trouble = (await look(made)).trouble
    assert (trouble.reason, trouble.permanent) == ("BackendsSecretIncomplete", True)
    assert said in trouble.message


async def test_credentials_are_told_apart_from_backends(ledger_url, redis_url, clock):
    cluster = backends(ledger_url, redis_url)
    spotify = view(source={"credentialsSecretRef": {"name": "spotify"}})
    async with opened_round_io(cluster, clock) as made:
        assert (await look(made, spotify)).trouble.reason == "CredentialsSecretMissing"
        cluster.secrets["spotify"] = {"client-id": "me"}
        clock.ahead_s += KEPT_S + 1
        assert "has no client-secret" in (await look(made, spotify)).trouble.message
        cluster.secrets["spotify"]["client-secret"] = "x"
        clock.ahead_s += KEPT_S + 1
        assert (await look(made, spotify)).client_id == "me"


async def test_a_secret_is_read_once_for_many_looks_and_again_after_a_while(ledger_url, redis_url, clock):
    cluster = backends(ledger_url, redis_url)
    async with opened_round_io(cluster, clock) as made:
        before = await look(made)
        await look(made)
        assert cluster.reads == 1
        cluster.secrets["artistcrawl-backends"]["more"] = "x"
        clock.ahead_s = KEPT_S + 1
        assert (await look(made)).secrets != before.secrets


async def test_an_invalid_spec_reads_nothing():
    async with opened_round_io(SecretsOnly()) as made:
        seen = await look(made, view(keyspace={"minLength": 9}))
    assert (seen.trouble, seen.crawljob.job) == (None, None)
    assert "spec.keyspace.minLength: 9" in seen.crawljob.invalid


async def test_a_secret_that_changed_since_the_look_lets_no_step_begin_elsewhere(ledger_url, redis_url, clock):
    secrets = backends(ledger_url, redis_url)
    async with opened_round_io(secrets, clock) as made:
        seen = await look(made)
        secrets.secrets["artistcrawl-backends"]["redis-url"] = "redis://127.0.0.1:1/0"
        clock.ahead_s += 2 * KEPT_S
        assert await made.act(seen, Plan(actions=(RecordJob(),))) == 0.0
        again = await look(made)
    assert (again.row, again.backends != seen.backends) == (None, True)
