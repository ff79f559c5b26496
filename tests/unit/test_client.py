"""What the client does with every kind of answer, in virtual time: what it sends, when, and who is given up."""

from __future__ import annotations

import asyncio
import math
import random
from dataclasses import replace
from itertools import pairwise

import pytest
from support.fakes.client_world import (
    LOST,
    RULES,
    Asked,
    ClientWorld,
    RememberingSession,
    Script,
    a_page,
    in_virtual_time,
    settled,
)

from crawl_core.errors import ConfigurationError
from crawl_core.limiter.permit import Permit
from crawl_core.metrics.labels import AnswerField
from crawl_worker.client.retry import RetryRules
from crawl_worker.client.session import Dead
from crawl_worker.crawl.stopping import StoppedError
from crawl_worker.sources.outcomes import (
    Denied,
    FoundArtist,
    Granted,
    InvalidBody,
    Meaning,
    NoAnswer,
    NoToken,
    Page,
    PageSizeRefused,
    RateLimited,
    Rejected,
    ServerFailed,
    Unauthorized,
    UnreadableField,
)

BROKEN = ServerFailed(503, "down")


def good(asked: Asked) -> Meaning:
    return a_page("x")


def then_good(*answers: Meaning | NoAnswer) -> Script:
    """These answers, and pages from then on."""
    left = list(answers)
    return lambda asked: left.pop(0) if left else a_page("x")


@in_virtual_time
async def test_a_page_comes_with_the_limit_that_it_was_asked_with() -> None:
    world = ClientWorld(good, page_size=50)
    assert await world.page() == (a_page("x"), 50)


@in_virtual_time
async def test_a_429_freezes_and_counts_no_failure() -> None:
    session, limited = RememberingSession(), RateLimited("7", quota=False, message="slow down")
    world = ClientWorld(then_good(*[limited] * 20))
    page, _ = await world.page(session=session)
    assert page == a_page("x")
    assert (world.limiter.freezes, session.rate_limited) == ([7.0] * 20, 20)
    assert not world.outage.lasts


@in_virtual_time
async def test_an_exceeded_quota_is_told_to_a_person() -> None:
    world = ClientWorld(then_good(RateLimited("86400", quota=True, message="tomorrow")))
    await world.page()
    assert world.notes.problems == [("QuotaExceeded", "the account's quota is exceeded: tomorrow")]


@in_virtual_time
async def test_a_refused_token_is_replaced_and_the_request_repeated() -> None:
    world = ClientWorld(lambda asked: Unauthorized("expired") if asked.token == "token-1" else a_page("x"))
    await world.page()
    assert [asked.token for asked in world.api.asked] == ["token-1", "token-2"]
    assert world.notes.problems == []


@in_virtual_time
async def test_a_token_that_many_requests_were_under_way_with_is_refused_once() -> None:
    world = ClientWorld(lambda asked: Unauthorized("expired") if asked.token == "token-1" else a_page("x"))
    await asyncio.gather(*(world.page(f"a{at}") for at in range(8)))
    assert len(world.token_endpoint.asked_at_s) == 2
    assert world.tokens.refused_in_a_row == 0


@in_virtual_time
async def test_three_fresh_tokens_that_are_refused_are_no_failure_and_the_fourth_is_one() -> None:
    refused = [Unauthorized("no")] * 4
    world = ClientWorld(then_good(*refused))
    await world.page()
    assert [asked.token for asked in world.api.asked] == [f"token-{at}" for at in range(1, 6)]
    assert world.notes.problems == [("Unauthorized", "the API refuses fresh tokens: no")]


@in_virtual_time
async def test_the_page_size_falls_back_once_for_everybody() -> None:
    world = ClientWorld(lambda asked: PageSizeRefused("too large") if asked.limit > 10 else a_page("x"))
    answers = await asyncio.gather(*(world.page(string) for string in ("aa", "ab")))
    assert [limit for _, limit in answers] == [10, 10]
    assert (world.settings.page_size, world.notes.page_sizes) == (10, [10])


@in_virtual_time
async def test_a_small_page_that_is_refused_is_a_rejection() -> None:
    bad_string = "aa"
    world = ClientWorld(lambda asked: PageSizeRefused("odd") if asked.string == bad_string else a_page("x"))
    world.settings.page_size = 10
    answers = asyncio.gather(world.page(bad_string), _others(world))
    dead, _ = await answers
    assert isinstance(dead, Dead)
    assert (dead.reason, dead.failure_class, dead.last_error) == ("http_400", "rejected", "odd")


async def _others(world: ClientWorld, count: int = 300) -> None:
    """Somebody else, whose strings go on one after the other, one in a second, and none of which is given up."""
    for at in range(count):
        assert not isinstance(await world.page(f"b{at}"), Dead)
        await world.clock.sleep(1.0)


@in_virtual_time
async def test_a_bad_string_is_given_up_after_its_attempts_while_others_succeed() -> None:
    world = ClientWorld(lambda asked: BROKEN if asked.string == "aa" else a_page("x"))
    dead, _ = await asyncio.gather(world.page("aa"), _others(world))
    assert isinstance(dead, Dead)
    assert (dead.reason, dead.failure_class, dead.last_error) == ("http_503", "server", "down")
    assert RULES.max_attempts <= dead.attempts <= RULES.max_attempts + 1
    assert world.api.strings.count("aa") == dead.attempts


@in_virtual_time
async def test_a_string_waits_longer_after_each_failure_of_its_own() -> None:
    world = ClientWorld(lambda asked: BROKEN if asked.string == "aa" else a_page("x"))
    world.settings.retry = RetryRules(max_attempts=6, initial_backoff_s=4.0, max_backoff_s=1000.0)
    await asyncio.gather(world.page("aa"), _others(world))
    at_s = [asked.at_s for asked in world.api.asked if asked.string == "aa"]
    pauses_s = [later - earlier for earlier, later in pairwise(at_s[1:])]
    assert all(2.0 * 2**doubled <= pause for doubled, pause in enumerate(pauses_s))


@pytest.mark.parametrize(("status", "attempts"), [(400, 2), (414, 2), (404, 3), (403, 3), (422, 3)])
@in_virtual_time
async def test_a_string_is_given_up_at_the_second_time_only_where_the_refusal_is_about_it(
    status: int, attempts: int
) -> None:
    world = ClientWorld(lambda asked: Rejected(status, "no") if asked.string == "aa" else a_page("x"))
    dead, _ = await asyncio.gather(world.page("aa"), _others(world, 60))
    assert isinstance(dead, Dead)
    assert dead.reason == f"http_{status}"
    assert attempts <= dead.attempts <= attempts + (attempts > 2)


@in_virtual_time
async def test_a_404_that_passes_gives_no_string_up() -> None:
    rng = random.Random(1)
    world = ClientWorld(lambda asked: Rejected(404, "Not found.") if rng.random() < 0.15 else a_page("x"))
    world.settings.retry = RetryRules(max_attempts=8, initial_backoff_s=1.0, max_backoff_s=60.0)
    tasks = []
    for _ in range(8):
        tasks.append(asyncio.create_task(_others(world, 200)))
        await world.clock.sleep(0.03)
    await asyncio.gather(*tasks)


@in_virtual_time
async def test_a_string_that_no_token_is_good_for_costs_no_token_each_time() -> None:
    world = ClientWorld(lambda asked: Unauthorized("no") if asked.string == "aa" else a_page("x"))
    world.settings.retry = RetryRules(max_attempts=20, initial_backoff_s=1.0, max_backoff_s=10.0)
    dead, _ = await asyncio.gather(world.page("aa"), _others(world))
    assert isinstance(dead, Dead)
    assert (dead.reason, dead.failure_class) == ("unauthorized", "credential")
    assert len(world.token_endpoint.asked_at_s) <= 3
    assert world.notes.problems == []


@in_virtual_time
async def test_a_string_alone_that_no_token_is_good_for_is_given_up() -> None:
    world = ClientWorld(lambda asked: Unauthorized("no") if asked.string == "aa" else a_page("x"))
    dead = await world.page("aa")
    assert isinstance(dead, Dead)
    assert world.api.strings.count("aa") <= 6 * RULES.max_attempts
    assert len(world.token_endpoint.asked_at_s) <= 6


@in_virtual_time
async def test_a_string_alone_has_its_token_replaced_where_a_control_string_is_refused_as_well() -> None:
    world = ClientWorld(
        lambda asked: Unauthorized("no") if int(asked.token.removeprefix("token-")) < 8 else a_page("x")
    )
    async with asyncio.timeout(3600):
        assert await world.page("aa") == (a_page("x"), 50)


LIMITED = RateLimited("7", quota=False, message="slow down")


@in_virtual_time
async def test_a_string_that_alone_gets_429s_while_others_succeed_is_given_up() -> None:
    world = ClientWorld(lambda asked: LIMITED if asked.string == "aa" else a_page("x"))
    dead, _ = await asyncio.gather(world.page("aa"), _others(world, 100))
    assert isinstance(dead, Dead)
    assert (dead.reason, dead.failure_class) == ("rate_limited", "limit")
    assert RULES.limits <= len(world.limiter.freezes) <= 3 * RULES.limits


def _grant_in_turn(world: ClientWorld) -> None:
    """Permits one after the other, as the tasks asked for them."""
    in_turn, grant = asyncio.Lock(), world.limiter.acquire

    async def acquire() -> Permit:
        async with in_turn:
            await world.clock.sleep(2.7)
            return await grant()

    world.limiter.acquire = acquire  # type: ignore[method-assign]


@in_virtual_time
async def test_a_string_that_gets_429s_among_many_goes_first_in_its_turn_and_is_given_up() -> None:
    world = ClientWorld(lambda asked: LIMITED if asked.string == "aa" else a_page("x"))
    _grant_in_turn(world)
    dead, *_ = await asyncio.gather(world.page("aa"), *(_others(world, 50) for _ in range(4)))
    assert isinstance(dead, Dead)
    assert len(world.limiter.freezes) <= 4 * RULES.limits


@in_virtual_time
async def test_a_string_that_was_stopped_before_its_turn_to_go_first_holds_nobody_up() -> None:
    session = RememberingSession()
    world = ClientWorld(lambda asked: LIMITED if asked.string == "aa" else a_page("x"))
    _grant_in_turn(world)
    bad = asyncio.create_task(world.page("aa", session))
    others = asyncio.gather(*(_others(world, 20) for _ in range(3)))
    while world.client._first_turns._first is None:
        await world.clock.sleep(0.5)
    session.switch.stop()
    with pytest.raises(StoppedError):
        await bad
    async with asyncio.timeout(600):
        await others


@pytest.mark.parametrize(("tasks", "real"), [(1, 1), (2, 1), (2, 2), (3, 2), (4, 1), (8, 2)])
@in_virtual_time
async def test_an_api_whose_limit_is_lower_than_the_configured_one_costs_no_string(tasks: int, real: int) -> None:
    window_s, answered_at_s = 30.0, [-math.inf] * real
    hours = 1000.0 + 4 * 3600

    def script(asked: Asked) -> Meaning:
        free_s = answered_at_s[-real] + window_s - asked.at_s
        if free_s > 0:
            return RateLimited(str(math.ceil(free_s)), quota=False, message="API rate limit exceeded")
        answered_at_s.append(asked.at_s)
        return a_page("x")

    world = ClientWorld(script)
    _grant_in_turn(world)

    async def strings(task: int) -> None:
        at = 0
        while world.clock.monotonic() < hours:
            assert not isinstance(await world.page(f"{task}-{at}"), Dead)
            at += 1

    await asyncio.gather(*(strings(task) for task in range(tasks)))
    assert len(answered_at_s) > real * 300


@in_virtual_time
async def test_strings_that_get_429s_together_while_others_succeed_are_given_up() -> None:
    bad = ("aa", "ab", "ac")
    world = ClientWorld(lambda asked: LIMITED if asked.string in bad else a_page("x"))
    *dead, _ = await asyncio.gather(*(world.page(string) for string in bad), _others(world, 300))
    assert all(isinstance(answer, Dead) for answer in dead)


@in_virtual_time
async def test_a_string_that_gets_429s_and_is_the_only_one_is_told_by_control_strings() -> None:
    world = ClientWorld(lambda asked: LIMITED if asked.string == "aa" else a_page("x"))
    dead = await world.page("aa")
    assert isinstance(dead, Dead)
    assert world.api.strings.count("aa") == 5 + 2 * RULES.limits
    assert len(world.api.asked) == 5 + 3 * RULES.limits


@in_virtual_time
async def test_429s_to_half_of_all_requests_give_no_string_up() -> None:
    rng = random.Random(1)
    world = ClientWorld(lambda asked: RateLimited("1", quota=False, message="") if rng.random() < 0.5 else a_page("x"))
    world.settings.retry = RetryRules(max_attempts=5, initial_backoff_s=1.0, max_backoff_s=60.0)
    await asyncio.gather(*(_others(world, 300) for _ in range(8)))


@in_virtual_time
async def test_a_429_is_no_strings_own_however_few_attempts_it_has() -> None:
    left = [LIMITED] * 4
    world = ClientWorld(lambda asked: left.pop() if left and asked.string == "aa" else a_page("x"))
    world.settings.retry = RetryRules(max_attempts=1, initial_backoff_s=1.0, max_backoff_s=60.0)
    page, _ = await asyncio.gather(world.page("aa"), _others(world, 60))
    assert page == (a_page("x"), 50)
    assert not left


@in_virtual_time
async def test_a_success_tells_the_bucket_of_which_freeze_it_came_after() -> None:
    world = ClientWorld(then_good(LIMITED))
    await world.page()
    assert world.limiter.succeeded_epochs == [1]


@in_virtual_time
async def test_a_page_size_that_is_refused_to_one_string_is_kept_for_the_others() -> None:
    too_large = PageSizeRefused("too large")
    world = ClientWorld(lambda asked: too_large if asked.string == "aa" and asked.limit > 10 else a_page("x"))
    await world.page("ab")
    assert await world.page("aa") == (a_page("x"), 10)
    assert await world.page("ac") == (a_page("x"), 50)
    assert (world.settings.page_size, world.notes.page_sizes) == (50, [])


def refuses_large(asked: Asked) -> Meaning:
    return PageSizeRefused("Invalid limit") if asked.limit > 10 else a_page("x")


def with_small_pages(script: Script = refuses_large) -> ClientWorld:
    """A client that fell back, and is to try a larger page."""
    world = ClientWorld(script, rules=replace(RULES, max_attempts=1))
    world.settings.page_size = 10
    world.client.try_larger_page()
    return world


@in_virtual_time
async def test_a_larger_page_is_tried_by_one_request_of_all_and_its_refusal_is_no_failed_attempt() -> None:
    world = with_small_pages()
    answers = await asyncio.gather(*(world.page(string) for string in ("aa", "ab", "ac")))
    assert answers == [(a_page("x"), 10)] * 3
    assert sorted(asked.limit for asked in world.api.asked) == [10, 10, 10, 50]
    assert (world.settings.page_size, world.notes.page_sizes) == (10, [])


@in_virtual_time
async def test_a_larger_page_that_comes_is_for_everybody() -> None:
    world = with_small_pages(lambda asked: a_page("x"))
    assert [await world.page(string) for string in ("aa", "ab")] == [(a_page("x"), 50)] * 2
    assert world.notes.page_sizes == [None]


@in_virtual_time
async def test_a_larger_page_is_tried_at_the_beginning_of_a_string_only() -> None:
    world, session = with_small_pages(), RememberingSession()
    session.offset = 10
    await world.page("aa", session)
    await world.page("ab")
    assert [(asked.offset, asked.limit) for asked in world.api.asked] == [(10, 10), (0, 50), (0, 10)]


@in_virtual_time
async def test_a_larger_page_whose_permit_ended_before_it_was_sent_is_still_tried() -> None:
    world = with_small_pages()
    await world.tokens.get()
    world.limiter.send_deadline_s = -1.0
    asking = asyncio.create_task(world.page("aa"))
    await settled()
    assert (world.limiter.granted > 1, world.api.asked) == (True, [])
    world.limiter.send_deadline_s = 0.25
    await asking
    await world.page("ab")
    assert [asked.limit for asked in world.api.asked] == [50, 10, 10]


@in_virtual_time
async def test_a_larger_page_that_fails_otherwise_says_nothing_and_is_not_tried_again_at_once() -> None:
    failed = iter([ServerFailed(503, "down")])
    world = with_small_pages(lambda asked: next(failed, a_page("x")))
    world.settings.retry = RULES
    await world.page("aa")
    await world.page("ab")
    assert [asked.limit for asked in world.api.asked] == [50, 10, 10]
    assert (world.settings.page_size, world.notes.page_sizes) == (10, [])


@in_virtual_time
async def test_a_larger_page_that_is_not_wanted_any_more_is_not_tried() -> None:
    world = with_small_pages()
    world.settings.wanted_page_size = 10
    await world.page("aa")
    world.settings.wanted_page_size = 50
    await world.page("ab")
    assert [asked.limit for asked in world.api.asked] == [10, 10]


@in_virtual_time
async def test_a_page_size_that_begins_to_be_refused_to_everybody_falls_back_at_the_second_string() -> None:
    refuses = False
    world = ClientWorld(lambda asked: PageSizeRefused("no") if refuses and asked.limit > 10 else a_page("x"))
    await world.page("aa")
    refuses = True
    for string in ("ab", "ac", "ad"):
        await world.page(string)
    assert [asked.limit for asked in world.api.asked] == [50, 50, 10, 50, 10, 10]
    assert world.notes.page_sizes == [10]


@in_virtual_time
async def test_an_api_that_begins_to_reject_everybody_costs_no_string() -> None:
    begins_s, ends_s = 1004.6, 5000.0
    world = ClientWorld(lambda asked: Rejected(400, "no") if begins_s < asked.at_s < ends_s else a_page("x"))
    tasks = []
    for _ in range(8):
        tasks.append(asyncio.create_task(_others(world, 10)))
        # Apart, so that it begins between them: the first to be rejected see successes of others after they were sent.
        await world.clock.sleep(0.03)
    await asyncio.gather(*tasks)
    assert world.clock.monotonic() > ends_s
    assert {reason for reason, _ in world.notes.problems} == {"RequestRejected"}


@in_virtual_time
async def test_an_outage_of_hours_gives_no_string_up_and_is_probed_by_one_at_a_time() -> None:
    ends_s = 1000.0 + 6 * 3600
    world = ClientWorld(lambda asked: BROKEN if asked.at_s < ends_s else a_page("x"))
    answers = await asyncio.gather(*(world.page(string) for string in ("aa", "ab", "ac", "ad")))
    assert [page for page, _ in answers] == [a_page("x")] * 4
    in_outage = [asked.at_s for asked in world.api.asked if 1001.0 < asked.at_s < ends_s]
    pauses_s = [later - earlier for earlier, later in pairwise(in_outage)]
    assert min(pauses_s) > 0.5  # One at a time: never two within a pause.
    assert max(pauses_s) <= RULES.max_backoff_s + 1.0
    assert len(in_outage) < 6 * 3600 / (RULES.max_backoff_s / 2) + 10


@in_virtual_time
async def test_a_failed_probe_is_handed_on_so_that_a_single_bad_string_is_shown_up() -> None:
    ends_s = 1100.0
    world = ClientWorld(lambda asked: BROKEN if asked.string == "aa" or asked.at_s < ends_s else a_page("x"))
    # So many attempts that no control string helps.
    world.settings.retry = RetryRules(max_attempts=100_000, initial_backoff_s=1.0, max_backoff_s=60.0)
    bad = asyncio.create_task(world.page("aa"))
    await settled()
    async with asyncio.timeout(3600):
        page, _ = await world.page("ab")
    assert page == a_page("x")
    bad.cancel()


@in_virtual_time
async def test_a_string_alone_that_always_fails_is_told_from_an_outage_by_control_strings() -> None:
    world = ClientWorld(lambda asked: BROKEN if asked.string == "aa" else a_page("x"))
    dead = await world.page("aa")
    assert isinstance(dead, Dead)
    controls = [string for string in world.api.strings if string != "aa"]
    assert len(controls) == RULES.max_attempts
    assert world.api.strings[: RULES.max_attempts] == ["aa"] * RULES.max_attempts


@pytest.mark.parametrize("strings", [("aa",), ("aa", "ab", "ac", "ad")])
@in_virtual_time
async def test_an_outage_whose_control_strings_get_429s_ends_with_the_api(strings: tuple[str, ...]) -> None:
    ends_s = 1000.0 + 600
    limited = RateLimited("1", quota=False, message="slow down")

    def script(asked: Asked) -> Meaning:
        if asked.string in ("0", "1", "2"):
            return limited
        return BROKEN if asked.at_s < ends_s else a_page("x")

    world = ClientWorld(script)
    async with asyncio.timeout(3600):
        answers = await asyncio.gather(*(world.page(string) for string in strings))
    assert [page for page, _ in answers] == [a_page("x")] * len(strings)
    assert len(world.api.asked) < 100


@in_virtual_time
async def test_a_string_that_gets_429s_in_an_outage_hands_the_probe_on() -> None:
    def script(asked: Asked) -> Meaning:
        if asked.string == "aa":
            return RateLimited("1", quota=False, message="") if asked.at_s > 1000.5 else BROKEN
        return BROKEN if asked.string in ("0", "1", "2") or asked.at_s < 1600.0 else a_page("x")

    world = ClientWorld(script)
    bad = asyncio.create_task(world.page("aa"))
    await settled()
    async with asyncio.timeout(3600):
        assert await world.page("ab") == (a_page("x"), 50)
    bad.cancel()


@in_virtual_time
async def test_controls_take_turns_with_the_string_and_with_each_other() -> None:
    ends_s = 1000.0 + 3600
    world = ClientWorld(lambda asked: BROKEN if asked.at_s < ends_s else a_page("x"))
    await world.page("aa")
    controls = [asked for asked in world.api.asked if asked.string != "aa"]
    assert {asked.string for asked in controls} == {"0", "1", "2"}
    assert all((asked.offset, asked.limit) == (0, 50) for asked in controls)
    probes = world.api.strings[RULES.max_attempts + 1 :]
    assert not any(earlier == later == "aa" for earlier, later in pairwise(probes[:-1]))


@in_virtual_time
async def test_a_control_is_asked_for_with_the_limit_of_what_failed() -> None:
    world = ClientWorld(lambda asked: BROKEN if asked.limit > 20 else a_page("x"))
    waiting = asyncio.create_task(world.page("aa"))
    await world.clock.sleep(24 * 3600.0)
    assert not waiting.done()
    waiting.cancel()


@pytest.mark.parametrize(
    ("failure", "reason", "begins"),
    [
        (ServerFailed(503, "down"), "SourceFailing", "503 down; no request has succeeded; the first failed at "),
        (LOST, "SourceUnreachable", "the connection closed; "),
        (InvalidBody("200 with ''"), "SourceFailing", "no page: 200 with ''; "),
        (Page(0, 23, False, []), "SourceFailing", "a page without items at offset 0 of a total of 23; "),
        (Rejected(403, "no"), "RequestRejected", "403 no; "),
    ],
)
@in_virtual_time
async def test_an_outage_of_a_minute_is_noted_with_its_reason(
    failure: Meaning | NoAnswer, reason: str, begins: str
) -> None:
    world = ClientWorld(lambda asked: failure)
    waiting = asyncio.create_task(world.page())
    for _ in range(120):
        world.client.tell_outage()
        await world.clock.sleep(0.5)
    assert world.notes.problems == []
    await world.clock.sleep(2.0)
    world.client.tell_outage()
    [(noted, message)] = world.notes.problems
    assert noted == reason
    assert message.startswith(begins)
    waiting.cancel()


EMPTY = Page(0, 23, has_next=False, artists=[])
NULLS = Page(23, 23, has_next=False, artists=[])


@in_virtual_time
async def test_an_empty_first_page_under_a_total_is_a_failure_and_in_the_end_a_dead_letter() -> None:
    world = ClientWorld(lambda asked: EMPTY if asked.string == "aa" else a_page("x"))
    session = RememberingSession()
    dead, _ = await asyncio.gather(world.page("aa", session), _others(world))
    assert isinstance(dead, Dead)
    assert (dead.reason, dead.failure_class) == ("empty_page", "answer")
    assert dead.last_error == "a page without items at offset 0 of a total of 23"
    assert {row.outcome for row in session.rows} == {"empty_page"}
    assert RULES.max_attempts <= len(session.rows) <= RULES.max_attempts + 1


@in_virtual_time
async def test_empty_pages_of_everybody_are_an_outage_and_nobody_is_given_up() -> None:
    ends_s = 1000.0 + 3600
    world = ClientWorld(lambda asked: EMPTY if asked.at_s < ends_s else a_page("x"))
    answers = await asyncio.gather(*(world.page(string) for string in ("aa", "ab", "ac", "ad")))
    assert [page for page, _ in answers] == [a_page("x")] * 4
    assert len(world.api.asked) < 150


@in_virtual_time
async def test_pages_of_nulls_for_everybody_are_an_outage_and_nobody_is_given_up() -> None:
    ends_s = 1000.0 + 3600
    world = ClientWorld(lambda asked: NULLS if asked.at_s < ends_s else a_page("x"))
    answers = await asyncio.gather(*(world.page(string) for string in ("aa", "ab", "ac", "ad")))
    assert [page for page, _ in answers] == [a_page("x")] * 4
    assert len(world.api.asked) < 150


@in_virtual_time
async def test_a_first_page_of_nulls_is_a_dead_letter_in_the_end() -> None:
    world = ClientWorld(lambda asked: NULLS if asked.string == "aa" else a_page("x"))
    dead, _ = await asyncio.gather(world.page("aa"), _others(world))
    assert isinstance(dead, Dead)
    assert dead.last_error == "a page of 23 items that name nobody at offset 0 of a total of 23"


@in_virtual_time
async def test_an_api_that_fails_wherever_it_has_something_to_say_costs_no_string() -> None:
    ends_s = 1000.0 + 3600
    nothing = Page(0, 0, has_next=False, artists=[])

    def script(asked: Asked) -> Meaning:
        if asked.string.startswith("n"):
            return nothing
        return BROKEN if asked.at_s < ends_s else a_page("x")

    world = ClientWorld(script)

    async def empties() -> None:
        for at in range(2000):
            await world.page(f"n{at}")
            await world.clock.sleep(2.0)

    *answers, _ = await asyncio.gather(*(world.page(string) for string in ("aa", "ab")), empties())
    assert [page for page, _ in answers] == [a_page("x")] * 2
    assert len([string for string in world.api.strings if not string.startswith("n")]) < 300


@in_virtual_time
async def test_a_bad_string_among_empty_ones_is_told_by_control_strings() -> None:
    nothing = Page(0, 0, has_next=False, artists=[])

    def script(asked: Asked) -> Meaning:
        if asked.string == "aa":
            return BROKEN
        return nothing if asked.string.startswith("n") else a_page("x")

    world = ClientWorld(script)

    async def empties() -> None:
        for at in range(600):
            await world.page(f"n{at}")
            await world.clock.sleep(2.0)

    dead, _ = await asyncio.gather(world.page("aa"), empties())
    assert isinstance(dead, Dead)
    assert dead.attempts <= 3 * RULES.max_attempts


@in_virtual_time
async def test_a_bad_string_where_nothing_is_to_be_found_is_given_up() -> None:
    nothing = Page(0, 0, has_next=False, artists=[])
    world = ClientWorld(lambda asked: BROKEN if asked.string == "aa" else nothing)
    dead = await world.page("aa")
    assert isinstance(dead, Dead)
    assert dead.attempts <= 6 * RULES.max_attempts


@in_virtual_time
async def test_a_control_that_fails_ends_the_row_of_controls_that_find_nothing() -> None:
    nothing = Page(0, 0, has_next=False, artists=[])
    asked_for = 0

    def script(asked: Asked) -> Meaning:
        nonlocal asked_for
        if asked.string == "aa":
            return BROKEN
        asked_for += 1
        return nothing if asked_for % 2 else BROKEN

    world = ClientWorld(script)
    waiting = asyncio.create_task(world.page("aa"))
    await world.clock.sleep(24 * 3600.0)
    assert not waiting.done()
    waiting.cancel()


@in_virtual_time
async def test_empty_pages_with_another_failure_between_are_not_two_in_a_row() -> None:
    last = Page(0, 1, has_next=False, artists=[])
    left: list[Meaning] = [last, BROKEN, last, a_page("y")]
    world = ClientWorld(lambda asked: left.pop(0) if asked.string == "aa" else a_page("x"))
    world.settings.retry = RetryRules(max_attempts=9, initial_backoff_s=2.0, max_backoff_s=60.0)
    answer, _ = await asyncio.gather(world.page("aa"), _others(world, 60))
    assert answer == (a_page("y"), 50)


@in_virtual_time
async def test_an_empty_page_where_one_result_is_missing_is_asked_once_more_and_then_the_end() -> None:
    session = RememberingSession()
    session.offset = 50
    last = Page(0, 51, has_next=False, artists=[])
    world = ClientWorld(lambda asked: last if asked.string == "aa" else a_page("x"))
    (page, _), _ = await asyncio.gather(world.page("aa", session), _others(world, 30))
    assert page == last
    assert world.api.strings.count("aa") == 2


@in_virtual_time
async def test_an_api_whose_totals_are_all_one_too_high_costs_a_request_more_for_each_string_and_is_no_outage() -> None:
    world = ClientWorld(lambda asked: Page(0, 1, has_next=False, artists=[]))
    began_s = world.clock.monotonic()
    await asyncio.gather(*(world.page(f"a{at}") for at in range(8)))
    assert len(world.api.asked) == 16
    assert world.clock.monotonic() - began_s < 2 * RULES.initial_backoff_s
    assert not world.outage.lasts


@in_virtual_time
async def test_an_empty_page_where_one_result_is_missing_is_the_end_for_a_string_alone() -> None:
    world = ClientWorld(lambda asked: Page(0, 1, has_next=False, artists=[]))
    page, _ = await world.page("aa")
    assert (page.count, len(world.api.asked)) == (0, 2)


@pytest.mark.parametrize("total", [1, 2, None])
@in_virtual_time
async def test_pages_without_anybody_under_a_small_total_or_none_are_an_outage_once_strings_in_a_row_end_so(
    total: int | None,
) -> None:
    ends_s = 1000.0 + 3600
    world = ClientWorld(lambda asked: Page(0, total, False, []) if asked.at_s < ends_s else a_page("x"))
    counts = []

    async def strings(task: int) -> None:
        for at in range(100):
            page, _ = await world.page(f"{task}-{at}")
            counts.append(page.count)

    everybody = asyncio.gather(*(strings(task) for task in range(4)))
    await world.clock.sleep(1800.0)
    world.client.tell_outage()
    assert [reason for reason, _ in world.notes.problems] == ["SourceFailing"]
    await everybody
    assert 10 <= counts.count(0) <= 13
    assert len(counts) == 400


@pytest.mark.parametrize("total", [1, None])
@in_virtual_time
async def test_pages_without_anybody_cost_a_control_for_ten_strings_where_the_api_is_well(total: int | None) -> None:
    world = ClientWorld(lambda asked: a_page("x") if asked.string in ("0", "1", "2") else Page(0, total, False, []))
    for at in range(100):
        page, _ = await world.page(f"a{at}")
        assert page.count == 0
    assert len(world.api.asked) <= 210
    assert not world.outage.lasts


@in_virtual_time
async def test_an_empty_first_page_without_a_total_is_asked_for_once_more() -> None:
    nothing = Page(0, None, has_next=False, artists=[])
    left = [nothing, a_page("y"), nothing]
    world = ClientWorld(lambda asked: left.pop(0) if left and asked.string == "aa" else a_page("x"))
    assert await world.page("aa") == (a_page("y"), 50)
    later = RememberingSession()
    later.offset = 50
    assert await world.page("aa", later) == (nothing, 50)


@in_virtual_time
async def test_an_empty_page_where_one_result_is_missing_is_no_end_while_everybody_gets_empty_pages() -> None:
    ends_s = 1000.0 + 3600
    totals = {"aa": 1, "ab": 500, "ac": 2}
    world = ClientWorld(
        lambda asked: a_page("x") if asked.at_s > ends_s else Page(0, totals.get(asked.string, 9), False, [])
    )
    answers = await asyncio.gather(*(world.page(string) for string in totals))
    assert [page.count for page, _ in answers] == [1, 1, 1]


@in_virtual_time
async def test_a_later_empty_page_ends_the_string_once_its_attempts_are_used_up() -> None:
    session = RememberingSession()
    session.offset = 100
    world = ClientWorld(lambda asked: Page(0, 300, False, []) if asked.string == "aa" else a_page("x"))
    (page, _), _ = await asyncio.gather(world.page("aa", session), _others(world))
    assert page.count == 0
    assert RULES.max_attempts <= world.api.strings.count("aa") <= RULES.max_attempts + 1


@in_virtual_time
async def test_nobody_is_given_up_without_somebody_elses_success() -> None:
    world = ClientWorld(lambda asked: BROKEN)
    waiting = [asyncio.create_task(world.page(string)) for string in ("aa", "ab")]
    await world.clock.sleep(24 * 3600.0)
    assert not any(task.done() for task in waiting)
    for task in waiting:
        task.cancel()


@in_virtual_time
async def test_a_stop_ends_a_wait_at_once() -> None:
    world, session = ClientWorld(good), RememberingSession()
    world.limiter.frozen_until_s = world.clock.monotonic() + 24 * 3600
    waiting = asyncio.create_task(world.page(session=session))
    await world.clock.sleep(10.0)
    stopped_at_s = world.clock.monotonic()
    session.switch.stop()
    with pytest.raises(StoppedError):
        await waiting
    assert world.clock.monotonic() == stopped_at_s
    assert world.api.asked == []


@in_virtual_time
async def test_a_stop_never_strikes_a_request_in_flight() -> None:
    world, session = ClientWorld(good), RememberingSession()
    world.api.latency_s = 9.0
    fetching = asyncio.create_task(world.page(session=session))
    await world.clock.sleep(1.0)
    session.switch.stop()
    page, _ = await fetching
    assert page == a_page("x")
    assert [row.outcome for row in session.rows] == ["ok"]


@in_virtual_time
async def test_a_stop_after_a_failure_in_flight_ends_before_the_next_request() -> None:
    world, session = ClientWorld(lambda asked: LOST), RememberingSession()
    world.api.latency_s = 9.0
    fetching = asyncio.create_task(world.page(session=session))
    await world.clock.sleep(1.0)
    session.switch.stop()
    with pytest.raises(StoppedError):
        await fetching
    assert [row.outcome for row in session.rows] == ["answer_closed"]


@in_virtual_time
async def test_a_task_that_was_stopped_does_not_keep_the_probe() -> None:
    world, session = ClientWorld(then_good(BROKEN)), RememberingSession()
    stopped = asyncio.create_task(world.page(session=session))
    await world.clock.sleep(0.3)
    assert world.outage.lasts
    session.switch.stop()
    with pytest.raises(StoppedError):
        await stopped
    page, _ = await world.page("ab")
    assert page == a_page("x")


@in_virtual_time
async def test_a_permit_whose_range_may_not_go_on_is_given_back_unused() -> None:
    world, session = ClientWorld(good), RememberingSession()
    session.may_send_answers = [False, False]
    await world.page(session=session)
    assert (world.limiter.granted, world.limiter.unused, len(world.api.asked)) == (3, 2, 1)


@in_virtual_time
async def test_a_token_that_ended_while_a_permit_was_waited_for_is_replaced_before_anything_is_sent() -> None:
    world = ClientWorld(good)
    await world.tokens.get()
    world.limiter.frozen_until_s = world.clock.monotonic() + 24 * 3600
    await world.page()
    assert [asked.token for asked in world.api.asked] == ["token-2"]
    assert world.limiter.unused == 1


@in_virtual_time
async def test_every_request_is_a_row_of_the_log_with_its_outcome_and_its_time() -> None:
    session = RememberingSession()
    world = ClientWorld(then_good(RateLimited("1", quota=False, message=""), LOST))
    await world.page(session=session)
    assert [(row.outcome, row.status, round(row.duration_s, 3)) for row in session.rows] == [
        ("rate_limited", 200, 0.1),
        ("answer_closed", None, 0.1),
        ("ok", 200, 0.1),
    ]
    assert (session.retried, world.client.sender.arrivals, world.client.sender.in_flight) == (2, 3, 0)


@in_virtual_time
async def test_denied_credentials_are_for_a_person() -> None:
    world = ClientWorld(good)
    world.token_endpoint.answer = lambda asked: Denied("unknown client")
    with pytest.raises(ConfigurationError, match="the API denies the credentials: unknown client"):
        await world.page()


@in_virtual_time
async def test_a_token_endpoint_that_is_away_is_waited_for_and_costs_no_attempt() -> None:
    world = ClientWorld(good)
    world.token_endpoint.answer = lambda asked: Granted("t", 3600.0) if asked > 10 else NoToken("token_http_503", "")
    page, _ = await world.page()
    assert page == a_page("x")
    assert len(world.api.asked) == 1


@in_virtual_time
async def test_fields_that_cannot_be_read_are_noted_and_fail_nothing() -> None:
    odd = Page(
        100, 100, False, [FoundArtist("x", "X")], unreadable=[UnreadableField(AnswerField.FOLLOWERS, "a list")] * 100
    )
    world = ClientWorld(lambda asked: odd)
    assert await world.page() == (odd, 50)
    assert [reason for reason, _ in world.notes.problems] == ["FieldsUnreadable"]
