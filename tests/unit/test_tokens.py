"""One token a process: asked for once, a minute before it ends, and for as long as it takes. In virtual time."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from support.fakes.client_world import (
    RULES,
    TOKEN_LIFE_S,
    RememberedNotes,
    ScriptedSource,
    ScriptedTokens,
    in_virtual_time,
)
from support.fakes.limiter_world import LoopClock

from crawl_core.errors import ConfigurationError
from crawl_core.job.reasons import TOKEN_UNAVAILABLE
from crawl_core.logs import _ATTRIBUTE
from crawl_worker.client.errors import TokenRequestError
from crawl_worker.client.tokens import (
    ASSUMED_LIFE_S,
    DENIED_DELAY_S,
    DENIED_PATIENCE_S,
    LONGEST_LIFE_S,
    NOTED_AFTER_S,
    REFRESH_EARLY_S,
    REPLACED_EVERY_S,
    TokenKeeper,
    used_for_s,
)
from crawl_worker.sources.outcomes import Denied, Granted, NoToken
from crawl_worker.sources.wire import HttpAnswer, HttpRequest

LATENCY_S = 0.1


def keeper_of(
    endpoint: ScriptedTokens, clock: LoopClock, notes: RememberedNotes | None = None, *, worked_before: bool = False
) -> TokenKeeper:
    return TokenKeeper(
        source=ScriptedSource(),
        transport=endpoint,
        rules=lambda: RULES,
        clock=clock,
        notes=notes or RememberedNotes(),
        worked_before=worked_before,
    )


def a_keeper() -> tuple[TokenKeeper, ScriptedTokens, LoopClock]:
    clock = LoopClock()
    endpoint = ScriptedTokens(clock)
    return keeper_of(endpoint, clock), endpoint, clock


@in_virtual_time
async def test_however_many_tasks_need_a_token_it_is_asked_for_once() -> None:
    keeper, endpoint, _ = a_keeper()
    assert await asyncio.gather(*(keeper.get() for _ in range(20))) == ["token-1"] * 20
    assert len(endpoint.asked_at_s) == 1


@in_virtual_time
async def test_a_token_is_replaced_a_minute_before_it_ends() -> None:
    keeper, endpoint, clock = a_keeper()
    await keeper.get()
    await clock.sleep(TOKEN_LIFE_S - REFRESH_EARLY_S - LATENCY_S - 1.0)
    assert keeper.current == "token-1"
    await clock.sleep(1.5)
    assert keeper.current is None
    assert await keeper.get() == "token-2"
    assert len(endpoint.asked_at_s) == 2


@in_virtual_time
async def test_a_token_that_lives_shorter_than_the_margin_is_used_for_half_its_life() -> None:
    keeper, endpoint, clock = a_keeper()
    endpoint.answer = lambda asked: Granted(f"token-{asked}", 40.0)
    await keeper.get()
    await clock.sleep(19.0)
    assert keeper.current == "token-1"
    await clock.sleep(1.0)
    assert keeper.current is None


@in_virtual_time
async def test_its_life_counts_from_when_it_was_asked_for() -> None:
    """The API's count begins no later than that; an answer that came late must not prolong it."""
    keeper, endpoint, clock = a_keeper()
    endpoint.answer = lambda asked: Granted(f"token-{asked}", 2 * REFRESH_EARLY_S)
    await keeper.get()
    await clock.sleep(REFRESH_EARLY_S - LATENCY_S / 2)
    assert keeper.current is None


@in_virtual_time
async def test_a_rejected_token_is_not_handed_out_again() -> None:
    keeper, _, _ = a_keeper()
    token = await keeper.get()
    keeper.reject(token)
    assert (keeper.current, await keeper.get()) == (None, "token-2")


@in_virtual_time
async def test_the_rejection_of_a_token_replaced_meanwhile_is_no_news() -> None:
    keeper, _, _ = a_keeper()
    old = await keeper.get()
    keeper.reject(old)
    await keeper.get()
    keeper.reject(old)
    assert (keeper.current, keeper.refused_in_a_row) == ("token-2", 1)


@in_virtual_time
async def test_a_page_ends_the_row_of_refused_tokens() -> None:
    keeper, _, _ = a_keeper()
    for _ in range(3):
        keeper.reject(await keeper.get())
    assert keeper.refused_in_a_row == 3
    keeper.accepted()
    assert keeper.refused_in_a_row == 0


@in_virtual_time
async def test_an_endpoint_that_fails_is_asked_again_with_growing_pauses() -> None:
    keeper, endpoint, _ = a_keeper()
    endpoint.answer = lambda asked: Granted("t", 3600.0) if asked > 12 else NoToken("token_http_503", "down")
    assert await keeper.get() == "t"
    asked = endpoint.asked_at_s
    assert 0.5 <= asked[1] - asked[0] - LATENCY_S <= 1.0
    assert RULES.max_backoff_s / 2 <= asked[-1] - asked[-2] - LATENCY_S <= RULES.max_backoff_s


@in_virtual_time
async def test_an_endpoint_out_of_reach_is_one_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    class Away(ScriptedTokens):
        async def send(self, request: HttpRequest) -> HttpAnswer:
            answer = await super().send(request)
            if len(self.asked_at_s) == 1:
                raise TokenRequestError("All connection attempts failed")
            return answer

    clock = LoopClock()
    keeper = keeper_of(Away(clock), clock)
    assert await keeper.get() == "token-2"
    (failed,) = [vars(record)[_ATTRIBUTE] for record in caplog.records if record.levelname == "WARNING"]
    assert (failed["reason"], failed["error"]) == ("token_network", "All connection attempts failed (token)")


@in_virtual_time
async def test_denied_credentials_are_asked_with_once() -> None:
    keeper, endpoint, _ = a_keeper()
    endpoint.answer = lambda asked: Denied("Invalid client")
    with pytest.raises(ConfigurationError, match="check client-id and client-secret"):
        await keeper.get()
    assert len(endpoint.asked_at_s) == 1


@in_virtual_time
async def test_a_task_that_is_cancelled_while_it_asks_leaves_the_next_one_to_ask() -> None:
    keeper, endpoint, clock = a_keeper()
    asking, waiting = (asyncio.create_task(keeper.get()) for _ in range(2))
    await clock.sleep(LATENCY_S / 2)
    asking.cancel()
    assert await waiting == "token-2"
    assert len(endpoint.asked_at_s) == 2


@in_virtual_time
async def test_credentials_that_worked_are_denied_for_minutes_before_it_ends() -> None:
    keeper, endpoint, clock = a_keeper()
    keeper.reject(await keeper.get())
    endpoint.answer = lambda asked: Denied("Invalid client")
    with pytest.raises(ConfigurationError, match="the API denies the credentials: Invalid client"):
        await keeper.get()
    tried_s = clock.monotonic() - endpoint.asked_at_s[1]
    assert DENIED_PATIENCE_S <= tried_s <= DENIED_PATIENCE_S + DENIED_DELAY_S[1] + 1
    waits_s = [later - earlier for earlier, later in pairwise(endpoint.asked_at_s[1:])]
    assert min(waits_s) >= DENIED_DELAY_S[0]


@in_virtual_time
async def test_one_denial_of_credentials_that_worked_ends_nothing() -> None:
    keeper, endpoint, _ = a_keeper()
    keeper.reject(await keeper.get())
    endpoint.answer = lambda asked: Denied("Invalid client") if asked == 2 else Granted("again", 3600.0)
    assert await keeper.get() == "again"


@in_virtual_time
async def test_a_worker_that_starts_in_the_middle_of_a_crawl_believes_no_single_denial() -> None:
    """Its predecessor's token was good, and nobody else knows it any more."""
    clock, notes = LoopClock(), RememberedNotes()
    endpoint = ScriptedTokens(clock)
    endpoint.answer = lambda asked: Denied("Invalid client") if asked == 1 else Granted("again", 3600.0)
    assert await keeper_of(endpoint, clock, notes, worked_before=True).get() == "again"
    ((reason, message),) = notes.problems
    assert reason == TOKEN_UNAVAILABLE
    assert "Invalid client" in message


@in_virtual_time
async def test_denials_with_another_failure_between_them_are_no_minutes_of_denial() -> None:
    """Of two endpoints behind one address one is broken: the crawl goes on with the tokens that come."""
    keeper, endpoint, _ = a_keeper()
    keeper.reject(await keeper.get())
    endpoint.answer = lambda asked: (
        Granted("t", 3600.0) if asked > 30 else NoToken("x", "") if asked % 2 else Denied("no")
    )
    assert await keeper.get() == "t"


@in_virtual_time
async def test_a_minute_without_a_token_is_noted_with_its_reason() -> None:
    clock, notes = LoopClock(), RememberedNotes()
    endpoint = ScriptedTokens(clock)
    endpoint.answer = lambda asked: NoToken("token_http_400", "errorTransient")
    asking = asyncio.create_task(keeper_of(endpoint, clock, notes).get())
    await clock.sleep(NOTED_AFTER_S - 1)
    assert notes.problems == []
    await clock.sleep(2)
    assert set(notes.problems) == {(TOKEN_UNAVAILABLE, "no access token is granted: 400 errorTransient")}
    asking.cancel()


@pytest.mark.parametrize(
    ("expires_in_s", "used_s"),
    [
        (3600.0, 3540.0),
        (40.0, 20.0),
        (20.0, 10.0),
        (19.0, ASSUMED_LIFE_S - REFRESH_EARLY_S),
        (2.0, ASSUMED_LIFE_S - REFRESH_EARLY_S),
        (None, ASSUMED_LIFE_S - REFRESH_EARLY_S),
        (0.0, ASSUMED_LIFE_S - REFRESH_EARLY_S),
        (-1e308, ASSUMED_LIFE_S - REFRESH_EARLY_S),
        (0.001, ASSUMED_LIFE_S - REFRESH_EARLY_S),
        (float("nan"), ASSUMED_LIFE_S - REFRESH_EARLY_S),
        (1e308, LONGEST_LIFE_S - REFRESH_EARLY_S),
        (float("inf"), LONGEST_LIFE_S - REFRESH_EARLY_S),
    ],
)
def test_a_lifetime_that_is_none_is_taken_for_an_hour(expires_in_s: float | None, used_s: float) -> None:
    assert used_for_s(expires_in_s) == used_s


@in_virtual_time
async def test_tokens_of_a_moments_lifetime_are_not_asked_for_all_the_time() -> None:
    """They are good for as long as the API takes them."""
    keeper, endpoint, clock = a_keeper()
    endpoint.answer = lambda asked: Granted(f"token-{asked}", float(asked % 40))
    begun_s = clock.monotonic()
    while clock.monotonic() - begun_s < 3600.0:
        await keeper.get()
        await clock.sleep(0.5)
    waits_s = [later - earlier for earlier, later in pairwise(endpoint.asked_at_s)]
    assert min(waits_s, default=3600.0) >= REPLACED_EVERY_S


@in_virtual_time
async def test_tokens_that_are_refused_one_after_the_other_are_asked_for_with_pauses() -> None:
    keeper, endpoint, _ = a_keeper()
    while len(endpoint.asked_at_s) < 30:
        keeper.reject(await keeper.get())
        keeper.accepted()  # Others succeed in between.
    waits_s = [later - earlier for earlier, later in pairwise(endpoint.asked_at_s)]
    assert waits_s[0] <= 2 * LATENCY_S
    assert min(waits_s[6:]) >= REPLACED_EVERY_S / 2
    assert max(waits_s) <= REPLACED_EVERY_S + LATENCY_S


@in_virtual_time
async def test_a_token_that_is_refused_late_is_replaced_at_once() -> None:
    keeper, endpoint, clock = a_keeper()
    for _ in range(5):
        await keeper.get()
        await clock.sleep(TOKEN_LIFE_S / 2)
        keeper.reject(keeper.current or "")
    await keeper.get()
    assert endpoint.asked_at_s[-1] - endpoint.asked_at_s[-2] <= TOKEN_LIFE_S / 2 + 2 * LATENCY_S
