"""The crawling client without servers: a scripted API, a limiter that grants at once, and a range that only remembers.

Everything sleeps on the clock that it is given, so that in virtual time an outage of hours is a test of milliseconds.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from support.fakes.limiter_world import LoopClock, virtual_loop

from crawl_core.clock import Clock
from crawl_core.limiter.permit import Permit
from crawl_core.limiter.state import LimiterState
from crawl_core.values.rows import RequestRow
from crawl_worker.client.client import Client, ClientSettings
from crawl_worker.client.errors import NoAnswerError
from crawl_worker.client.job_notes import JobNotes
from crawl_worker.client.outage import Outage
from crawl_worker.client.retry import RetryRules
from crawl_worker.client.tokens import TokenKeeper
from crawl_worker.crawl.stopping import StoppedError, StopSwitch
from crawl_worker.sources.outcomes import FoundArtist, Granted, Lack, Meaning, NoAnswer, Page, TokenOutcome
from crawl_worker.sources.wire import HttpAnswer, HttpRequest

RULES = RetryRules(max_attempts=3, initial_backoff_s=1.0, max_backoff_s=60.0)
CONTROL_STRINGS = ("0", "1", "2")
TOKEN_LIFE_S = 3600.0


@dataclass(frozen=True)
class Asked:
    """One request that arrived at the scripted API."""

    at_s: float
    string: str
    offset: int
    limit: int
    token: str


@dataclass(frozen=True)
class ScriptedAnswer(HttpAnswer):
    """An answer that brings its meaning along."""

    meaning: Any


Script = Callable[[Asked], Meaning | NoAnswer]


def a_page(*ids: str, total: int | None = None, has_next: bool = False) -> Page:
    artists = [FoundArtist(artist_id, f"name of {artist_id}") for artist_id in ids]
    return Page(len(ids), len(ids) if total is None else total, has_next=has_next, artists=artists)


class ScriptedSource:
    """Its requests are their own fields in plain text, and its answers mean what the script says."""

    cap = 1_000
    small_page_size = 10

    def search(self, string: str, *, offset: int, limit: int, token: str) -> HttpRequest:
        return HttpRequest("GET", f"{string} {offset} {limit} {token}", {})

    def read(self, answer: HttpAnswer, *, offset: int, limit: int) -> Meaning:
        assert isinstance(answer, ScriptedAnswer)
        meaning: Meaning = answer.meaning
        return meaning

    def token_request(self) -> HttpRequest:
        return HttpRequest("POST", "token", {})

    def read_token(self, answer: HttpAnswer) -> TokenOutcome:
        assert isinstance(answer, ScriptedAnswer)
        outcome: TokenOutcome = answer.meaning
        return outcome


class ScriptedApi:
    """A transport whose answers come from a script, `latency_s` after they were asked for."""

    def __init__(self, script: Script, clock: Clock, *, latency_s: float = 0.1) -> None:
        self.script = script
        self.latency_s = latency_s
        self.asked: list[Asked] = []
        self.answered = 0
        self._clock = clock

    @property
    def strings(self) -> list[str]:
        """What was asked for, in order."""
        return [asked.string for asked in self.asked]

    async def send(self, request: HttpRequest, permit: Permit) -> HttpAnswer:
        permit.use()
        string, offset, limit, token = request.url.split(" ")
        asked = Asked(self._clock.monotonic(), string, int(offset), int(limit), token)
        self.asked.append(asked)
        await self._clock.sleep(self.latency_s)
        self.answered += 1
        meaning = self.script(asked)
        permit.answered()
        if isinstance(meaning, NoAnswer):
            raise NoAnswerError(meaning.lack, meaning.message)
        return ScriptedAnswer(200, {}, b"", meaning)


@dataclass
class ScriptedTokens:
    """A token endpoint: `answer` is told how often it was asked, and grants token-1, token-2, ... by default."""

    clock: Clock
    answer: Callable[[int], TokenOutcome] = lambda asked: Granted(f"token-{asked}", TOKEN_LIFE_S)
    asked_at_s: list[float] = field(default_factory=list)

    async def send(self, request: HttpRequest) -> HttpAnswer:
        self.asked_at_s.append(self.clock.monotonic())
        asked = len(self.asked_at_s)
        await self.clock.sleep(0.1)
        return ScriptedAnswer(200, {}, b"", self.answer(asked))


class InstantLimiter:
    """Grants at once, but for a freeze; remembers what permits tell it."""

    def __init__(self, clock: Clock, *, send_deadline_s: float = 0.25) -> None:
        self.epoch = 0
        self.granted = 0
        self.unused = 0
        self.succeeded_epochs: list[int] = []
        self.freezes: list[float | None] = []
        self.frozen_until_s = 0.0
        self._clock = clock
        self.send_deadline_s = send_deadline_s

    async def acquire(self) -> Permit:
        await self._clock.sleep(self.frozen_until_s - self._clock.monotonic())
        self.granted += 1
        now_s = self._clock.monotonic()
        return Permit(
            self,
            self._clock,
            permit_id=str(self.granted),
            epoch=self.epoch,
            not_before_s=now_s,
            send_by_s=now_s + self.send_deadline_s,
            request_timeout_s=10.0,
            free_us=0,
            window_us=1,
        )

    async def freeze(self, *, retry_after_s: float | None = None, sent_epoch: int | None = None) -> int:
        self.freezes.append(retry_after_s)
        self.epoch += 1
        self.frozen_until_s = self._clock.monotonic() + (retry_after_s or 30.0)
        return int(self.frozen_until_s * 1e6)

    async def succeeded(self, epoch: int) -> None:
        self.succeeded_epochs.append(epoch)

    def state(self) -> LimiterState:
        frozen_s = max(0.0, self.frozen_until_s - self._clock.monotonic())
        return LimiterState(
            limits=None, epoch=0, frozen_until_us=0, frozen_s=frozen_s, waiting=0, granted=0, calls=0,
            grants=self.granted, discarded=self.unused, confirmed=0, round_trip_s=0.0, reachable=True,
        )  # fmt: skip

    def give_back(self, permit: Permit) -> None:
        self.unused += 1

    def confirm(self, permit: Permit, answered_at_s: float) -> None: ...


class RememberedNotes:
    """What the client found out about the job."""

    def __init__(self) -> None:
        self.problems: list[tuple[str, str]] = []
        self.page_sizes: list[int | None] = []

    def problem(self, reason: str, message: str) -> None:
        self.problems.append((reason, message))

    def page_size(self, size: int | None) -> None:
        self.page_sizes.append(size)


class RememberingSession:
    """A range that is always ready, asks for first pages, and remembers what it is told."""

    def __init__(self) -> None:
        self.switch = StopSwitch()
        self.rows: list[RequestRow] = []
        self.retried = 0
        self.rate_limited = 0
        self.offset = 0
        self.may_send_answers: list[bool] = []
        """What `may_send` answers first, before it says yes for good."""

    def interruptible(self) -> AbstractContextManager[None]:
        return self.switch.interruptible()

    async def ready(self) -> None:
        if self.switch.stopped:
            raise StoppedError

    def may_send(self) -> bool:
        return self.may_send_answers.pop(0) if self.may_send_answers else True

    def position(self, page_size: int) -> tuple[int, int]:
        return self.offset, page_size

    def lacks(self, page: Page) -> int:
        return page.lacks(int(not self.offset) if page.total is None else max(0, page.total - self.offset))

    def sent(self, request: RequestRow, *, retried: bool, rate_limited: bool) -> None:
        self.rows.append(request)
        self.retried += retried
        self.rate_limited += rate_limited


class ClientWorld:
    """A client whose API follows `script`, with everything around it that a test may look at."""

    def __init__(
        self,
        script: Script,
        *,
        rules: RetryRules = RULES,
        page_size: int = 50,
        clock: Clock | None = None,
        notes: JobNotes | None = None,
    ) -> None:
        self.clock = clock or LoopClock()
        self.source = ScriptedSource()
        self.api = ScriptedApi(script, self.clock)
        self.limiter = InstantLimiter(self.clock)
        self.token_endpoint = ScriptedTokens(self.clock)
        self.notes = RememberedNotes()
        """What the client noted, unless it was given notes that go to a ledger."""
        self.settings = ClientSettings(
            page_size=page_size, wanted_page_size=page_size, request_timeout_s=10.0, retry=rules, worker="w"
        )
        self.tokens = TokenKeeper(
            source=self.source,
            transport=self.token_endpoint,
            rules=lambda: self.settings.retry,
            clock=self.clock,
            notes=notes or self.notes,
            worked_before=False,
        )
        self.outage = Outage(clock=self.clock, rules=lambda: self.settings.retry, control_strings=CONTROL_STRINGS)
        self.client = Client(
            source=self.source,
            transport=self.api,
            limiter=self.limiter,
            tokens=self.tokens,
            outage=self.outage,
            settings=self.settings,
            clock=self.clock,
            notes=notes or self.notes,
        )

    async def page(self, string: str = "aa", session: RememberingSession | None = None) -> Any:
        """A page of a string, or what became of it."""
        return await self.client.page(string, session or RememberingSession())


def in_virtual_time(story: Any) -> Any:
    """Turns a test that is a coroutine function into one that runs on a loop whose time jumps."""

    def test(*args: Any, **kwargs: Any) -> None:
        with virtual_loop() as runner:
            runner.run(story(*args, **kwargs))

    # Not functools.wraps: by __wrapped__ pytest would see the coroutine, and run it on a loop of its own.
    test.__name__, test.__doc__ = story.__name__, story.__doc__
    test.__signature__ = inspect.signature(story)  # type: ignore[attr-defined]
    return test


async def settled() -> None:
    """Return when everything that can run without time passing has run."""
    for _ in range(20):
        await asyncio.sleep(0)


LOST = NoAnswer(Lack.CLOSED, "the connection closed")
