"""One token a process: asked for once, a minute before it ends, and for as long as it takes. In virtual time."""

from __future__ import annotations

import asyncio

import pytest
from support.fakes.client_world import RULES, TOKEN_LIFE_S, ScriptedSource, ScriptedTokens, in_virtual_time
from support.fakes.limiter_world import LoopClock

from crawl_core.errors import ConfigurationError
from crawl_core.logs import _ATTRIBUTE
from crawl_worker.client.errors import TokenRequestError
from crawl_worker.client.tokens import REFRESH_EARLY_S, TokenKeeper
from crawl_worker.sources.outcomes import Denied, Granted, NoToken
from crawl_worker.sources.wire import HttpAnswer, HttpRequest

LATENCY_S = 0.1


def a_keeper() -> tuple[TokenKeeper, ScriptedTokens, LoopClock]:
    clock = LoopClock()
    endpoint = ScriptedTokens(clock)
    return TokenKeeper(source=ScriptedSource(), transport=endpoint, rules=lambda: RULES, clock=clock), endpoint, clock


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
    keeper = TokenKeeper(source=ScriptedSource(), transport=Away(clock), rules=lambda: RULES, clock=clock)
    assert await keeper.get() == "token-2"
    (failed,) = [vars(record)[_ATTRIBUTE] for record in caplog.records if record.levelname == "WARNING"]
    assert (failed["reason"], failed["error"]) == ("token_network", "token: All connection attempts failed")


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
