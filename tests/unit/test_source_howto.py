"""The how-to for a source in CONTRIBUTING.md, followed literally for an API that is unlike Spotify's in everything.

It numbers pages instead of offsets, calls its items stamps, says its waits in milliseconds and under another name, and
takes its token in a header of its own.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import msgspec
import pytest
from support.fakes.client_world import CONTROL_STRINGS, RULES, InstantLimiter, RememberedNotes
from support.proofs.source_contract import CONTRACT, EXAMPLES, SourceExamples, SourceUnderTest, every_check

from crawl_core.clock import SYSTEM_CLOCK
from crawl_core.keyspace import Keyspace
from crawl_core.text import clean
from crawl_core.values.frontier import Lease
from crawl_core.values.rows import Cursor, RangeRow
from crawl_worker.client.client import Client, ClientSettings
from crawl_worker.client.outage import Outage
from crawl_worker.client.token_transport import TokenTransport
from crawl_worker.client.tokens import TokenKeeper
from crawl_worker.client.transport import ApiTransport
from crawl_worker.crawl.leases import HeldLease
from crawl_worker.crawl.range_crawl import RangeCrawl
from crawl_worker.crawl.range_strings import RangeStrings
from crawl_worker.crawl.steps import RangeStep
from crawl_worker.crawl.stopping import StopSwitch
from crawl_worker.sources.credentials import Credentials
from crawl_worker.sources.error_body import read_error
from crawl_worker.sources.json_body import storable_json
from crawl_worker.sources.outcomes import (
    Denied,
    FoundArtist,
    Granted,
    InvalidBody,
    Meaning,
    NoToken,
    Page,
    PageSizeRefused,
    RateLimited,
    Rejected,
    ServerFailed,
    TokenOutcome,
    Unauthorized,
)
from crawl_worker.sources.registry import SOURCES, source_type
from crawl_worker.sources.source import SourceSettings, SourceType
from crawl_worker.sources.wire import HttpAnswer, HttpRequest

CONTRIBUTING = Path(__file__).parents[2] / "CONTRIBUTING.md"


# Step 1 of the how-to: a module with the source.


class _Stamp(msgspec.Struct):
    key: str | None = None
    label: str | None = None


class _StampPage(msgspec.Struct):
    hits: int
    stamps: list[_Stamp]
    more: bool


class _KeyBody(msgspec.Struct):
    key: str
    minutes: float


class StampSource:
    """The search for stamps, which pass for artists here."""

    cap = 8
    small_page_size = 2

    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings
        self._base_url = settings.base_url or "https://stamps.example"

    def search(self, string: str, *, offset: int, limit: int, token: str) -> HttpRequest:
        words = quote(self._settings.query_template.replace("{}", string), safe="")
        # The API numbers pages from 1. Offsets are multiples of the limit: the loop only ever moves by whole pages.
        url = f"{self._base_url}/find?words={words}&page={offset // limit + 1}&per={limit}"
        return HttpRequest("GET", url, {"X-Stamp-Key": token})

    def read(self, answer: HttpAnswer, *, offset: int, limit: int) -> Meaning:
        message = read_error(answer.body).message
        match answer.status:
            case 200:
                return self._page(answer.body)
            case 429:
                wait_ms = answer.headers.get("x-wait-ms")
                seconds = None if wait_ms is None else f"{int(wait_ms) / 1000:g}"
                return RateLimited(seconds, quota=False, message=message)
            case 401:
                return Unauthorized(message)
            case 422 if "per is too large" in message:
                return PageSizeRefused(message)
            case status if 400 <= status < 500 and status not in (408, 425):
                return Rejected(status, message)
            case status:
                return ServerFailed(status, message)

    def _page(self, body: bytes) -> Meaning:
        try:
            page = msgspec.json.decode(storable_json(body), type=_StampPage)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return InvalidBody(clean(str(error), 300))
        artists = [FoundArtist(stamp.key, stamp.label) for stamp in page.stamps if stamp.key and stamp.label]
        return Page(len(page.stamps), page.hits, page.more, artists)

    def token_request(self) -> HttpRequest:
        pair = {"user": self._settings.credentials.client_id, "password": self._settings.credentials.client_secret}
        url = self._settings.token_url or f"{self._base_url}/key"
        return HttpRequest("PUT", url, {"Content-Type": "application/json"}, json.dumps(pair).encode())

    def read_token(self, answer: HttpAnswer) -> TokenOutcome:
        if answer.status == 403:
            return Denied("wrong user or password")
        if answer.status != 201 and answer.status != 200:
            return NoToken(f"key_http_{answer.status}", "no key")
        try:
            granted = msgspec.json.decode(answer.body, type=_KeyBody)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return NoToken("invalid_key_body", clean(str(error), 300))
        return Granted(granted.key, granted.minutes * 60)


STAMPS = SourceType(make=StampSource, default_credentials=None)


# Step 3: what its API sends.


def stamp_page(items: list[tuple[str, str]], total: int, has_next: bool) -> bytes:
    stamps = [{"key": key, "label": label} for key, label in items]
    return json.dumps({"hits": total, "stamps": stamps, "more": has_next}).encode()


STAMP_EXAMPLES = SourceExamples(
    page=stamp_page,
    page_size_refused=HttpAnswer(422, {}, b"per is too large"),
    granted=b'{"key":"a-token","minutes":60}',
    denied=HttpAnswer(403, {}, b""),
    retry_after={"x-wait-ms": "7000"},
    error=b"no",
)


@pytest.fixture
def stamps(monkeypatch: pytest.MonkeyPatch) -> SourceUnderTest:
    """Steps 2 and 3: the source registered, its examples beside those of the others."""
    monkeypatch.setitem(SOURCES, "Stamps", STAMPS)
    monkeypatch.setitem(EXAMPLES, "Stamps", STAMP_EXAMPLES)
    return SourceUnderTest(source_type("Stamps"), EXAMPLES["Stamps"])


@every_check
def test_the_toy_source_keeps_the_contract(stamps: SourceUnderTest, check: Callable[[SourceUnderTest], None]) -> None:
    check(stamps)


def _holds(check: Callable[[SourceUnderTest], None], source: SourceUnderTest) -> bool:
    try:
        check(source)
    except (AssertionError, AttributeError):
        return False
    return True


def test_a_source_that_takes_garbage_for_a_page_is_told_by_the_contract() -> None:
    class Careless(StampSource):
        def read(self, answer: HttpAnswer, *, offset: int, limit: int) -> Meaning:
            return Page(0, 0, has_next=False, artists=[])

    careless = SourceUnderTest(SourceType(make=Careless, default_credentials=None), STAMP_EXAMPLES)
    broken = {check.__name__ for check in CONTRACT if not _holds(check, careless)}
    assert {"a_200_without_a_page_may_pass", "every_429_is_a_pause_whatever_its_body"} <= broken


def test_a_source_that_sends_every_secret_to_its_own_token_endpoint_is_told_by_the_contract() -> None:
    class Fixed(StampSource):
        def token_request(self) -> HttpRequest:
            return replace(super().token_request(), url=self._settings.token_url or "https://stamps.example/key")

    fixed = SourceUnderTest(SourceType(make=Fixed, default_credentials=None), STAMP_EXAMPLES)
    broken = {check.__name__ for check in CONTRACT if not _holds(check, fixed)}
    assert broken == {"credentials_go_to_the_host_of_the_address_or_nowhere"}


CATALOGUE = {"aa": 5, "ab": 0, "ba": 20, "bb": 1}
"""How many stamps each string matches."""


@dataclass
class StampServer:
    """A tiny server of stamps. Its first answer is a 429, and the second search's key is refused once."""

    url: str = ""
    keys: int = 0
    searches: list[tuple[str, int, int]] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = re.search(rb"content-length: (\d+)", head.lower())
                await reader.readexactly(int(length[1]) if length else 0)
                status, headers, body = self.answer(head.decode())
                writer.write(f"HTTP/1.1 {status} X\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def answer(self, head: str) -> tuple[int, str, bytes]:
        address = urlsplit(head.split(" ", 2)[1])
        if address.path == "/key":
            self.keys += 1
            return 201, "", json.dumps({"key": f"key-{self.keys}", "minutes": 60}).encode()
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        self.searches.append((query["words"], int(query["page"]), int(query["per"])))
        if len(self.searches) == 1:
            return 429, "X-Wait-Ms: 50\r\n", b""
        if "X-Stamp-Key: key-2" not in head:
            return 401, "", b""
        return self.found(*self.searches[-1])

    def found(self, words: str, page: int, per: int) -> tuple[int, str, bytes]:
        if per > 2:
            return 422, "", b"per is too large"
        matches, first = CATALOGUE[words], (page - 1) * per
        items = [(f"{words}{at}", f"Stamp {at} of {words}") for at in range(first, min(first + per, matches))]
        return 200, "", stamp_page(items, matches, first + per < matches)


@asynccontextmanager
async def stamp_server() -> AsyncIterator[StampServer]:
    server, talking = StampServer(), set[asyncio.Task[Any]]()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talking.add(task)
        await server.talk(reader, writer)

    listening = await asyncio.start_server(talk, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    yield server
    listening.close()
    for task in talking:
        task.cancel()
    await asyncio.gather(*talking, return_exceptions=True)
    await asyncio.sleep(0)  # Closed transports close their sockets in the next turn.


class CollectedSteps:
    """A range's steps, kept instead of committed."""

    full = False

    def __init__(self) -> None:
        self.buried_strings: set[str] = set()
        self.steps: list[RangeStep] = []

    def add(self, step: RangeStep) -> None:
        self.steps.append(step)

    async def flush(self) -> None: ...


class AlwaysGood:
    """Every lease is ours."""

    def good(self, held: HeldLease) -> bool:
        return True

    async def confirm(self, held: HeldLease) -> bool:
        return True


async def crawled(server: StampServer) -> tuple[CollectedSteps, InstantLimiter]:
    """Crawl `aa` to `bb` of the server by the crawl loop as it is, over the real transports."""
    source = source_type("Stamps").make(
        SourceSettings(server.url, None, Credentials("me", "secret"), query_template="{}", market=None)
    )
    row = RangeRow(
        id=1, run_id=1, length=2, first="aa", last="bb", cursor=Cursor(string="aa"), fence=1, state="open",
        counts_coverage=True,
    )  # fmt: skip
    strings = RangeStrings(Keyspace(alphabet="ab", min_length=2, max_length=2, first="", last="", range_size=0), row)
    settings, steps, limiter = ClientSettings(50, 50, 5.0, RULES, "w"), CollectedSteps(), InstantLimiter(SYSTEM_CLOCK)
    async with ApiTransport(concurrency=1, timeout_s=lambda: 5) as api, TokenTransport(timeout_s=lambda: 5) as keys:
        tokens = TokenKeeper(
            source=source,
            transport=keys,
            rules=lambda: RULES,
            clock=SYSTEM_CLOCK,
            notes=RememberedNotes(),
            worked_before=False,
        )
        client = Client(
            source=source,
            transport=api,
            limiter=limiter,
            tokens=tokens,
            outage=Outage(clock=SYSTEM_CLOCK, rules=lambda: RULES, control_strings=CONTROL_STRINGS),
            settings=settings,
            clock=SYSTEM_CLOCK,
            notes=RememberedNotes(),
        )
        crawl = RangeCrawl(
            cursor=row.cursor,
            strings=strings,
            held=HeldLease(Lease(1, "token", "epoch"), good_until_s=0.0, switch=StopSwitch()),
            keeper=AlwaysGood(),  # type: ignore[arg-type]
            writer=steps,
            client=client,
            clock=SYSTEM_CLOCK,
            ledger_behind=lambda: False,
        )
        assert await crawl.run()
    return steps, limiter


async def test_the_toy_source_is_crawled_by_the_loop_as_it_is(stamps: SourceUnderTest) -> None:
    async with stamp_server() as server:
        collected, limiter = await crawled(server)
    searches = [step.search for step in collected.steps if step.search is not None]
    assert [(search.string, search.results, search.truncated) for search in searches] == [
        ("aa", 5, False),
        ("ab", 0, False),
        ("ba", 8, True),  # More than the cap of 8.
        ("bb", 1, False),
    ]
    artists = [artist.id for step in collected.steps for artist in step.artists]
    assert sorted(artists) == sorted(
        f"{string}{at}" for string, count in CATALOGUE.items() for at in range(min(count, 8))
    )
    assert limiter.freezes == [0.05]
    # A 429, a refused key, a refused page size (of the cap, since no page reaches past it), and then each page once.
    assert server.searches == [
        ("aa", 1, 8), ("aa", 1, 8), ("aa", 1, 8), ("aa", 1, 2), ("aa", 2, 2), ("aa", 3, 2), ("ab", 1, 2),
        ("ba", 1, 2), ("ba", 2, 2), ("ba", 3, 2), ("ba", 4, 2), ("bb", 1, 2),
    ]  # fmt: skip


def test_the_how_to_names_every_place_that_a_source_touches() -> None:
    text = CONTRIBUTING.read_text(encoding="utf-8")
    how_to = text[text.index("**A source.**") :]
    root = CONTRIBUTING.parent
    for place in re.findall(r"`([\w/]+/[\w.]+\.(?:py|yaml|md))`", how_to):
        assert (root / place).exists() or "NAME" in place, place
