"""One crawling process from its start to its drain, in virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from support.fakes.client_world import Asked, a_page, in_virtual_time
from support.fakes.worker_world import WorkerWorld, job_row

from crawl_core.errors import ConfigurationError
from crawl_core.ledger import jobs
from crawl_core.metrics.labels import AnswerField
from crawl_core.values.jobs import JobRow
from crawl_worker.client.retry import RetryRules
from crawl_worker.crawl.writer import LIMIT_AGE_S
from crawl_worker.sources.outcomes import (
    Denied,
    FoundArtist,
    Meaning,
    Page,
    PageSizeRefused,
    RateLimited,
    ServerFailed,
    UnreadableField,
)

STRINGS = [first + second for first in "abcd" for second in "abcd"]
LONG_RANGES = {"alphabet": "abcd", "minLength": 5, "maxLength": 5, "rangeSize": 256}
"""Ranges that last longer than the spending may go on without the ledger."""
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def good(asked: Asked) -> Meaning:
    return a_page(asked.string)


@in_virtual_time
async def test_every_string_is_searched_once_and_every_range_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    world = WorkerWorld(good, monkeypatch)
    running = asyncio.create_task(world.worker.run())
    await world.until_all_is_searched()
    world.worker.drain()
    await running
    assert sorted(world.ledger.searches) == sorted(world.api.strings) == STRINGS
    assert sorted(world.frontier.completed) == [1, 2, 3, 4]
    assert world.frontier.leased == {}


@in_virtual_time
async def test_as_many_ranges_are_crawled_at_once_as_concurrency_says(monkeypatch: pytest.MonkeyPatch) -> None:
    world = WorkerWorld(good, monkeypatch)
    running = asyncio.create_task(world.worker.run())
    await world.clock.sleep(0.15)
    view = world.worker.view()
    assert (len(view.places), view.in_flight, len(world.frontier.leased)) == (2, 2, 2)
    world.worker.drain()
    await running


@in_virtual_time
async def test_a_drain_finishes_what_is_in_flight_commits_it_and_gives_the_ranges_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = WorkerWorld(good, monkeypatch)
    world.api.latency_s = 5.0
    running = asyncio.create_task(world.worker.run())
    await world.clock.sleep(1.0)
    world.worker.drain()
    await running
    assert world.api.answered == len(world.api.asked) == 2
    assert sorted(world.ledger.searches) == ["aa", "ba"]
    assert (sorted(world.frontier.released), world.frontier.completed) == ([1, 2], [])


@in_virtual_time
async def test_a_drain_during_a_freeze_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = WorkerWorld(lambda asked: RateLimited("86400", quota=False, message=""), monkeypatch)
    running = asyncio.create_task(world.worker.run())
    await world.clock.sleep(10.0)
    begun_s = world.clock.monotonic()
    world.worker.drain()
    await running
    assert world.clock.monotonic() - begun_s < 1.0
    assert sorted(world.frontier.released) == [1, 2]


@in_virtual_time
async def test_a_worker_that_may_exit_ends_with_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    world = WorkerWorld(good, monkeypatch, exit_when_done=True)
    running = asyncio.create_task(world.worker.run())
    await world.until_all_is_searched()
    assert world.ledger.job is not None
    world.ledger.job = replace(world.ledger.job, finished_at=NOW)
    await running


@in_virtual_time
async def test_a_worker_that_may_not_exit_idles_after_the_jobs_end(monkeypatch: pytest.MonkeyPatch) -> None:
    world = WorkerWorld(good, monkeypatch)
    running = asyncio.create_task(world.worker.run())
    await world.until_all_is_searched()
    assert world.ledger.job is not None
    world.ledger.job = replace(world.ledger.job, finished_at=NOW)
    await world.clock.sleep(60.0)
    assert not running.done()
    world.worker.drain()
    await running


@pytest.mark.parametrize("change", ["gone", "deleted", "another"])
@in_virtual_time
async def test_a_job_that_is_gone_or_another_one_drains_its_workers(
    monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    world = WorkerWorld(good, monkeypatch)
    running = asyncio.create_task(world.worker.run())
    await world.clock.sleep(0.05)
    job = job_row()
    world.ledger.job = {
        "gone": None,
        "deleted": replace(job, deleted_at=NOW),
        "another": replace(job, uid="uid-2"),
    }[change]
    await running


@in_virtual_time
async def test_a_concurrency_that_falls_retires_places_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world = WorkerWorld(good, monkeypatch, workers={"concurrency": 4})
    world.api.latency_s = 4.0
    running = asyncio.create_task(world.worker.run())
    await world.clock.sleep(1.0)
    assert len(world.frontier.leased) == 4
    world.ledger.job = job_row(workers={"concurrency": 1})
    await world.clock.sleep(13.0)
    assert (len(world.frontier.leased), len(world.worker.view().places)) == (1, 1)
    # A range that was given back goes on where it stopped.
    world.frontier.pending += world.frontier.released
    await world.until_all_is_searched()
    world.worker.drain()
    await running
    assert sorted(world.ledger.searches) == sorted(world.api.strings) == STRINGS


@in_virtual_time
async def test_a_ledger_that_is_away_stops_the_spending_and_costs_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    world = WorkerWorld(good, monkeypatch, keyspace=LONG_RANGES)
    running = asyncio.create_task(world.worker.run())
    await world.clock.sleep(2.0)
    world.ledger.away = True
    away_at_s = world.clock.monotonic()
    await world.clock.sleep(20.0)
    granted = world.limiter.granted
    await world.clock.sleep(100.0)
    assert world.limiter.granted == granted  # Not even a permit is taken: each thrown away would hold a slot.
    last_asked_s = max(asked.at_s for asked in world.api.asked)
    assert last_asked_s <= away_at_s + LIMIT_AGE_S + 1.0
    assert world.worker.view().behind
    world.ledger.away = False
    await world.clock.sleep(5.0)
    assert not world.worker.view().behind
    world.worker.drain()
    await running
    assert sorted(world.ledger.searches) == sorted(set(world.api.strings))
    assert world.ledger.requests == len(world.api.asked) == len(set(world.api.strings))


@in_virtual_time
async def test_a_drain_waits_for_a_ledger_that_is_away_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    world = WorkerWorld(good, monkeypatch)
    running = asyncio.create_task(world.worker.run())
    await world.clock.sleep(0.15)
    world.ledger.away = True
    begun_s = world.clock.monotonic()
    world.worker.drain()
    await running
    assert 20.0 <= world.clock.monotonic() - begun_s < 22.0


@in_virtual_time
async def test_a_range_that_is_somebody_elses_is_dropped_and_its_lease_not_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = WorkerWorld(good, monkeypatch, workers={"concurrency": 1})
    running = asyncio.create_task(world.worker.run())
    await world.clock.sleep(0.15)
    world.ledger.steal(1)
    await world.clock.sleep(10.0)
    world.worker.drain()
    await running
    assert not any(string.startswith("a") for string in world.ledger.searches)
    assert 1 not in world.frontier.completed + world.frontier.released
    assert sorted(world.ledger.searches) == STRINGS[4:]


@in_virtual_time
async def test_a_lost_lease_stops_the_range_after_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    world = WorkerWorld(good, monkeypatch, keyspace={"alphabet": "abcd", "minLength": 4, "maxLength": 4})
    world.api.latency_s = 1.0
    running = asyncio.create_task(world.worker.run())
    await world.clock.sleep(5.0)
    world.frontier.leased[1] = "somebody else's"
    await world.clock.sleep(20.0)
    # The fence is still ours, so that what was fetched is committed; then the range is left alone.
    searched = [string for string in world.ledger.searches if string < world.ledger.ranges[1].row.last]
    assert searched == [string for string in world.api.strings if string in set(searched)]
    assert 1 not in world.frontier.released
    world.worker.drain()
    await running


@in_virtual_time
async def test_leases_are_renewed_three_times_in_their_life(monkeypatch: pytest.MonkeyPatch) -> None:
    world = WorkerWorld(good, monkeypatch, keyspace={"alphabet": "abcd", "minLength": 4, "maxLength": 4})
    world.api.latency_s = 9.0
    running = asyncio.create_task(world.worker.run())
    await world.clock.sleep(0.5)
    at_claims = world.frontier.renewals
    await world.clock.sleep(2 * world.frontier.lease_ttl_s)
    assert world.frontier.renewals - at_claims == 6
    world.worker.drain()
    await running


@in_virtual_time
async def test_children_of_a_truncated_string_are_pushed_after_their_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    keyspace = {"alphabet": "abcd", "minLength": 1, "maxLength": 2, "rangeSize": 4}
    world = WorkerWorld(
        lambda asked: a_page("x", total=1000) if asked.string == "b" else a_page("x"), monkeypatch, keyspace=keyspace
    )
    running = asyncio.create_task(world.worker.run())
    await world.until_all_is_searched()
    world.worker.drain()
    await running
    assert world.frontier.seeded == world.ledger.children == [100]


@in_virtual_time
async def test_denied_credentials_end_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    world = WorkerWorld(good, monkeypatch)
    running = asyncio.create_task(world.worker.run())
    await world.clock.sleep(0.45)
    world.token_endpoint.answer = lambda asked: Denied("no such client")
    world.tokens.reject("token-1")
    with pytest.raises(ConfigurationError, match="denies the credentials"):
        await running


@in_virtual_time
async def test_what_nobody_foresaw_ends_the_process_after_the_other_ranges_commits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def script(asked: Asked) -> Meaning:
        if asked.string == "ab":
            raise RuntimeError("a bug")
        return a_page("x")

    world = WorkerWorld(script, monkeypatch)
    with pytest.raises(RuntimeError, match="a bug"):
        await world.worker.run()
    assert sorted(world.ledger.searches) == ["ba", "bb"]


@in_virtual_time
async def test_rows_are_committed_when_they_are_a_second_old(monkeypatch: pytest.MonkeyPatch) -> None:
    world = WorkerWorld(good, monkeypatch, keyspace={"alphabet": "abcd", "minLength": 4, "maxLength": 4})
    running = asyncio.create_task(world.worker.run())
    ages_s = []
    for _ in range(200):
        await world.clock.sleep(0.05)
        ages_s.append(world.worker.view().uncommitted_age_s)
    assert 0.7 < max(ages_s) <= 1.0
    world.worker.drain()
    await running


@in_virtual_time
async def test_live_settings_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    world = WorkerWorld(good, monkeypatch)
    running = asyncio.create_task(world.worker.run())
    await world.clock.sleep(0.05)
    world.ledger.job = replace(job_row(retry={"maxAttempts": 5}, source={"requestTimeout": "7s"}), page_size=10)
    await world.clock.sleep(11.0)
    followed = (world.settings.retry.max_attempts, world.settings.page_size, world.settings.request_timeout_s)
    assert followed == (5, 10, 7.0)
    world.ledger.job = replace(world.ledger.job, page_size=None)
    await world.clock.sleep(11.0)
    assert world.settings.page_size == 50
    world.worker.drain()
    await running


@in_virtual_time
async def test_a_larger_page_is_asked_for_once_when_it_is_due_and_by_everybody_once_it_is_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    allowed = 10

    def api(asked: Asked) -> Meaning:
        return PageSizeRefused("Invalid limit") if asked.limit > allowed else good(asked)

    world = WorkerWorld(api, monkeypatch, keyspace=LONG_RANGES, workers={"concurrency": 2}, retry={"maxAttempts": 1})
    world.api.latency_s = 1.0
    running = asyncio.create_task(world.worker.run())
    await world.clock.sleep(30.0)
    refused = large_requests(world)
    assert (len(refused), world.ledger.job and world.ledger.job.page_size) == (2, 10)
    world.ledger.page_size_tries = 1
    await world.clock.sleep(30.0)
    assert len(large_requests(world)) == 3  # Refused again, and not asked for again.
    allowed, world.ledger.page_size_tries = 50, 1
    await world.clock.sleep(30.0)
    assert world.ledger.job
    assert (world.ledger.job.page_size, world.settings.page_size) == (None, 50)
    await world.until_all_is_searched()
    world.worker.drain()
    await running
    assert (len(world.ledger.searches), world.ledger.dead_letters) == (4**5, [])
    assert len(world.api.asked) == world.ledger.requests == 4**5 + 3


def large_requests(world: WorkerWorld) -> list[Asked]:
    return [asked for asked in world.api.asked if asked.limit > 10]


@in_virtual_time
async def test_a_row_from_before_a_page_size_was_noted_brings_no_larger_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    world = WorkerWorld(
        lambda asked: PageSizeRefused("Invalid limit") if asked.limit > 10 else good(asked),
        monkeypatch,
        keyspace=LONG_RANGES,
        workers={"concurrency": 1},
    )
    look, write = jobs.get, jobs.note_page_size

    async def slow_look(ledger: object, job_id: int) -> JobRow | None:
        row = await look(cast("Any", None), job_id)
        await world.clock.sleep(3.0)
        return row

    async def slow_write(ledger: object, job_id: int, page_size: int | None) -> None:
        await world.clock.sleep(20.0)
        await write(cast("Any", None), job_id, page_size)

    monkeypatch.setattr(jobs, "get", slow_look)
    monkeypatch.setattr(jobs, "note_page_size", slow_write)
    running = asyncio.create_task(world.worker.run())
    await world.clock.sleep(60.0)
    assert len(large_requests(world)) == 1
    world.worker.drain()
    await running


@in_virtual_time
async def test_a_worker_tells_of_an_outage_though_nothing_happens_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    world = WorkerWorld(lambda asked: ServerFailed(503, "down"), monkeypatch)
    # So long a pause that the note does not come with a request.
    world.settings.retry = RetryRules(max_attempts=3, initial_backoff_s=600.0, max_backoff_s=600.0)
    world.ledger.job = job_row(retry={"initialBackoff": "10m", "maxBackoff": "10m"})
    running = asyncio.create_task(world.worker.run())
    await world.clock.sleep(70.0)
    assert world.ledger.problems[:1] == ["SourceFailing"]
    world.worker.drain()
    await running


@in_virtual_time
async def test_a_noted_problem_is_cleared_once_requests_succeed_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    world = WorkerWorld(good, monkeypatch, keyspace={"alphabet": "abcd", "minLength": 4, "maxLength": 4})
    world.api.latency_s = 2.0
    running = asyncio.create_task(world.worker.run())
    await world.clock.sleep(0.05)
    world.ledger.job = replace(job_row(), problem_reason="QuotaExceeded", problem_message="tomorrow")
    await world.clock.sleep(11.0)
    assert world.ledger.problems == []  # It may be of this moment.
    await world.clock.sleep(12.0)
    assert world.ledger.problems[:1] == [None]
    world.worker.drain()
    await running


@in_virtual_time
async def test_that_fields_cannot_be_read_stays_noted_until_they_can_be_again(monkeypatch: pytest.MonkeyPatch) -> None:
    unreadable = [UnreadableField(AnswerField.FOLLOWERS, "a list")] * 100

    def odd_for_a_minute(asked: Asked) -> Meaning:
        fields = unreadable if world.clock.monotonic() < until_s else []
        return Page(100, 100, False, [FoundArtist("x", "X")], unreadable=fields)

    world = WorkerWorld(odd_for_a_minute, monkeypatch, keyspace={"alphabet": "abcd", "minLength": 4, "maxLength": 4})
    until_s = world.clock.monotonic() + 60.0
    world.api.latency_s = 2.0
    running = asyncio.create_task(world.worker.run())
    await world.clock.sleep(5.0)
    world.ledger.job = replace(job_row(), problem_reason="FieldsUnreadable", problem_message="followers")
    await world.clock.sleep(50.0)
    assert world.ledger.problems == ["FieldsUnreadable"]
    await world.clock.sleep(40.0)
    assert world.ledger.problems[:2] == ["FieldsUnreadable", None]
    world.worker.drain()
    await running
